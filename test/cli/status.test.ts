import test from 'ava'
import { connect } from '../../client/index.js'
import { hostWithBroker } from './fixtures.js'

test('status --json shows the broker, clients, subscriptions and services', async (t) => {
  const host = await hostWithBroker(t)
  await host.startSub('orders.*', '--group', 'g')
  await host.startServe(['--concurrency', '3'], 'text.count', 'wc', '-c')
  const { exitCode, stdout } = await host.run(['status', '--json'])
  t.is(exitCode, 0)
  const status = JSON.parse(stdout)
  t.like(status.stats, { clients: 3, subscriptions: 1, services: 1, messagesDropped: 0 })
  t.is(typeof status.stats.uptimeMs, 'number')
  t.deepEqual(
    status.clients.map((client: { name: string }) => client.name),
    ['ringbus sub', 'ringbus serve', 'ringbus status'],
  )
  t.like(status.subscriptions[0], {
    name: 'ringbus sub',
    pattern: 'orders.*',
    group: 'g',
    queued: 0,
    inFlight: 0,
  })
  t.like(status.services[0], { name: 'ringbus serve', pattern: 'text.count', concurrency: 3, held: 0 })
})

test('status shows people who is slow, the slowest first', async (t) => {
  const host = await hostWithBroker(t, '--limit', 'backlogBytesMax=65536')
  await host.startSub('>', '--group', 'quick')
  const stuck = await connect({ path: host.path, name: 'stuck', reconnect: false })
  t.teardown(() => stuck.destroy())
  const subscription = stuck.subscribe('t', () => new Promise(() => {}))
  await subscription.ready
  // 2 MB: more than the window of the stuck client and its backlog hold together.
  t.is((await host.shell(`seq -f '%0100g' 20000 | ringbus pub t`).outcome).exitCode, 0)
  const { exitCode, stdout } = await host.run(['status'])
  t.is(exitCode, 0)
  t.true(stdout.startsWith('Broker '))
  const [, rows] = stdout.split(/^Subscriptions: 2\n/m)
  t.regex(rows!.split('\n')[1]!, /stuck .*dropped \d+, .* behind/)
})

test('status --watch goes on until it is interrupted', async (t) => {
  const host = await hostWithBroker(t)
  const watching = host.start(['status', '--watch', '1', '--json'])
  await watching.writes('}\n{')
  watching.child.kill('SIGINT')
  t.is((await watching.outcome).exitCode, 130)
})

test('output that cannot be written is an error', async (t) => {
  const host = await hostWithBroker(t)
  const { exitCode, stderr } = await host.shell('ringbus status > /dev/full').outcome
  t.is(exitCode, 1)
  t.regex(stderr, /^ENOSPC: no space left/)
})
