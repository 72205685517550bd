import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { MAGIC, PROTOCOL_VERSION } from '../../protocol/index.js'
import { hello } from '../broker/frames.js'
import { Client } from '../broker/transcript.js'
import { Host, hostWithBroker } from './fixtures.js'

test('doctor finds a broker well', async (t) => {
  const host = await hostWithBroker(t)
  const { exitCode, stdout, stderr } = await host.run(['doctor'])
  t.is(exitCode, 0)
  t.is(stderr, '')
  t.true(stdout.includes(host.path))
  t.regex(stdout, /^ok {4}broker: /m)
  t.regex(stdout, /^ok {4}rings: payloads of 16384 bytes or more go by shared memory/m)
  t.regex(stdout, /^ok {4}addon: /m)
  t.regex(stdout, /^ok {4}polling: /m)
  t.notRegex(stdout, /^fail/m)
})

test('doctor says that there is no broker, and what to do', async (t) => {
  const { exitCode, stdout } = await new Host(t).run(['doctor'])
  t.is(exitCode, 1)
  t.regex(stdout, /^fail {2}broker: .*\n +→ .*ringbus broker/m)
})

test('without the addon doctor warns, and a connection is possible', async (t) => {
  const host = await hostWithBroker(t)
  const { exitCode, stdout } = await host.run(['doctor'], '', { RINGBUS_NO_ADDON: '1' })
  t.is(exitCode, 0)
  t.regex(
    stdout,
    /^warn {2}rings: large payloads go by socket: the native addon .*\n +→ See the check `addon`/m,
  )
  t.regex(stdout, /^warn {2}addon: .*\n +→ Unset RINGBUS_NO_ADDON/m)
  t.regex(stdout, /^ok {4}broker: /m)
})

test('doctor warns when the broker offers no rings', async (t) => {
  const host = new Host(t)
  const config = join(host.directory, 'config.json')
  writeFileSync(config, '{"rings": false}')
  await host.startBroker('--config', config)
  const { exitCode, stdout } = await host.run(['doctor'])
  t.is(exitCode, 0)
  t.regex(
    stdout,
    /^warn {2}rings: large payloads go by socket: the broker offers no rings\n +→ .*`rings: false`/m,
  )
})

test('a broker without the addon serves all the same', async (t) => {
  const host = new Host(t)
  const broker = host.start(['broker', '--log-level', 'error'], { RINGBUS_NO_ADDON: '1' })
  await broker.writes('ready')
  const sub = await host.startSub('t', '-n', '1')
  t.is((await host.run(['pub', 't', 'a'], '', { RINGBUS_NO_ADDON: '1' })).exitCode, 0)
  t.is((await sub.outcome).stdout, 't a\n')
})

test('doctor --json has every check, and a remedy for what fails', async (t) => {
  const { exitCode, stdout } = await new Host(t).run(['doctor', '--json'])
  t.is(exitCode, 1)
  const checks = new Map<string, object>(
    JSON.parse(stdout).checks.map(({ name, ...check }: { name: string }) => [name, check]),
  )
  t.deepEqual([...checks.keys()], ['path', 'directory', 'broker', 'addon', 'open files'])
  t.deepEqual(checks.get('addon'), { status: 'ok', detail: 'loaded', remedy: null })
  t.like(checks.get('broker'), {
    status: 'fail',
    remedy: 'Run `ringbus broker`, or check that it runs with the same path',
  })
})

test('doctor warns of clients that have no place to poll', async (t) => {
  const host = await hostWithBroker(t)
  // One event loop more than there are places for.
  for (let loop = 1; loop <= availableParallelism(); loop++) {
    const client = await Client.connect(t, host.path)
    client.send(hello('low', PROTOCOL_VERSION, MAGIC, { poll: loop }))
    await client.expect('WELCOME')
  }
  const { exitCode, stdout } = await host.run(['doctor'])
  t.is(exitCode, 0)
  t.regex(
    stdout,
    /^warn {2}polling: 1 event loop with `latency: 'low'` may not poll: .*\n +→ .*`ringbus status`/m,
  )
})
