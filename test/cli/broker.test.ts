import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Host, hostWithBroker } from './fixtures.js'

test('broker prints one line once it takes clients, and stops in order', async (t) => {
  const host = new Host(t)
  const broker = host.start(['broker'])
  await broker.writes('\n')
  t.is((await host.run(['status'])).exitCode, 0)
  broker.child.kill('SIGTERM')
  const { exitCode, stdout, stderr } = await broker.outcome
  t.is(exitCode, 0)
  t.is(stdout, `ringbus broker ready at ${host.path}, process ${broker.child.pid}\n`)
  t.true(stderr.includes('the broker has stopped'))
})

test('a second broker at the same path is refused', async (t) => {
  const host = await hostWithBroker(t)
  const { exitCode, stdout, stderr } = await host.run(['broker', '--log-level', 'silent'])
  t.is(exitCode, 1)
  t.is(stdout, '')
  t.regex(stderr, /^BROKER_RUNNING: /)
})

test('limits come from the command line, before the configuration file', async (t) => {
  const host = new Host(t)
  const config = join(host.directory, 'broker.json')
  writeFileSync(config, JSON.stringify({ path: host.path, payloadBytesMax: 10, subscriptionsMax: 1 }))
  const broker = host.start(['broker', '--config', config, '--limit', 'payloadBytesMax=5'], {
    RINGBUS_SOCKET: '',
  })
  await broker.writes('ready')
  t.regex((await host.run(['pub', 't', '123456'])).stderr, /^MESSAGE_TOO_LARGE: /)
  t.is((await host.run(['pub', 't', '12345'])).exitCode, 0)
  const { exitCode, stderr } = await host.run(['sub', 'a', 'b'])
  t.is(exitCode, 1)
  t.regex(stderr, /^SUBSCRIPTION_LIMIT: /)
})

test('a configuration that is wrong is refused with every key', async (t) => {
  const host = new Host(t)
  const config = join(host.directory, 'broker.json')
  writeFileSync(config, JSON.stringify({ clientsMax: -1, nonsense: 1 }))
  const { exitCode, stderr } = await host.run(['broker', '--config', config, '--log-level', 'silent'])
  t.is(exitCode, 2)
  t.regex(stderr, /^CONFIG_INVALID: .*nonsense/)
  t.regex(stderr, /clientsMax/)
})
