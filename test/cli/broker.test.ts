import { chmodSync, chownSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { testAsRoot, User } from '../broker/users.js'
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

test('--group opens the socket to a group, before the configuration file', async (t) => {
  const host = new Host(t)
  const config = join(host.directory, 'broker.json')
  writeFileSync(config, JSON.stringify({ group: 2 ** 31 }))
  const group = process.getgid!()
  const path = join(host.directory, 'own', 'broker.sock')
  await host.startBroker('--path', path, '--config', config, '--group', String(group))
  t.is(statSync(path).gid, group)
  t.is(statSync(path).mode & 0o777, 0o660)
  t.is((await host.run(['broker', '--group', 'staff'])).exitCode, 2)
})

test('permissions come from the configuration file; a command that may not do something says so', async (t) => {
  const host = new Host(t)
  const config = join(host.directory, 'broker.json')
  const rule = { user: process.getuid!(), publish: ['ok'], request: ['ok'] }
  writeFileSync(config, JSON.stringify({ permissions: [rule] }))
  await host.startBroker('--config', config)
  t.is((await host.run(['pub', 'ok', 'x'])).exitCode, 0)
  for (const command of [['pub', 'no', 'x'], ['sub', 'ok'], ['request', 'no'], ['status']]) {
    const { exitCode, stderr } = await host.run(command)
    t.is(exitCode, 1, command.join(' '))
    t.regex(stderr, /^PERMISSION_DENIED: .*permissions\[0\]/, command.join(' '))
  }
})

testAsRoot('--broker-uid trusts the broker of that user', async (t) => {
  const host = new Host(t)
  chmodSync(host.directory, 0o755)
  chownSync(host.directory, 4709, 4709)
  const broker = await User.start(t, 4709)
  await broker.may({ do: 'start', options: { path: host.path } })
  t.regex((await host.run(['pub', 'a', 'x'])).stderr, /^SOCKET_UNSAFE: .*brokerUid/)
  t.is((await host.run(['pub', 'a', 'x', '--broker-uid', '4709'])).exitCode, 0)
  t.is((await host.run(['doctor', '--broker-uid', '4709'])).exitCode, 0)
})

test('--busy-poll goes before the configuration file, and status says what holds', async (t) => {
  const host = new Host(t)
  const config = join(host.directory, 'broker.json')
  writeFileSync(config, JSON.stringify({ busyPollUs: 30 }))
  const broker = host.start(['broker', '--config', config, '--busy-poll', '0'])
  await broker.writes('ready')
  const { stdout } = await host.run(['status', '--json'])
  t.is(JSON.parse(stdout).stats.polling.busyPollUs, 0)
  broker.child.kill('SIGTERM')
  await broker.outcome
  const other = host.start(['broker', '--config', config])
  await other.writes('ready')
  t.is(JSON.parse((await host.run(['status', '--json'])).stdout).stats.polling.busyPollUs, 30)
})

test('--busy-poll takes auto and whole numbers', async (t) => {
  const host = new Host(t)
  for (const [value, exitCode] of [
    ['always', 2],
    ['1.5', 2],
    ['-1', 2],
    ['10001', 2],
  ] as const) {
    t.is((await host.run(['broker', `--busy-poll=${value}`, '--log-level', 'silent'])).exitCode, exitCode)
  }
  await host.start(['broker', '--busy-poll', 'auto']).writes('ready')
})
