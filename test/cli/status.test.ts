import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { connect, type Message } from '../../client/index.js'
import { eventually, leases, openRing } from '../client/ring-fixtures.js'
import { Host, hostWithBroker } from './fixtures.js'

test('status --json shows the broker, clients, subscriptions and services', async (t) => {
  const host = await hostWithBroker(t)
  await host.startSub('orders.*', '--group', 'g')
  await host.startServe(['--concurrency', '3'], 'text.count', 'wc', '-c')
  const { exitCode, stdout } = await host.run(['status', '--json'])
  t.is(exitCode, 0)
  const status = JSON.parse(stdout)
  t.like(status.stats, { clients: 3, subscriptions: 1, services: 1, queuedBytes: 0, pausedTopics: 0 })
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

/** More than three quarters of the smallest ring. */
const NEARLY_FULL_BYTES = 50_000

test('status shows rings, and who holds what of them', async (t) => {
  const host = new Host(t)
  const config = join(host.directory, 'config.json')
  writeFileSync(config, JSON.stringify({ attachTimeoutMs: 60_000, ringBytes: 64 * 1024 }))
  await host.startBroker('--config', config)
  const bus = await connect({ path: host.path, name: 'holder', reconnect: false })
  t.teardown(() => bus.destroy())
  await openRing(bus, NEARLY_FULL_BYTES)
  // What nobody holds would be collected, and so released.
  const held: Message[] = []
  const hold = (message: Message) => {
    held.push(message)
    return new Promise(() => {})
  }
  await bus.subscribe('held', { view: true }, hold).ready
  await eventually(async () => {
    bus.publish('held', Buffer.alloc(NEARLY_FULL_BYTES))
    return (await leases(bus)) === 1
  })

  const status = JSON.parse((await host.run(['status', '--json'])).stdout)
  t.like(status.stats.rings, { offered: true, segments: 1, segmentBytes: 65_536 })
  t.like(status.rings, [{ segment: 1, client: status.clients[0].client, bytes: 65_536, readers: 1 }])
  t.like(status.clients[0], { name: 'holder', rings: { owned: 1, attached: 1, leases: 1 } })

  const { exitCode, stdout } = await host.run(['status'])
  t.is(exitCode, 0)
  t.regex(stdout, /^Large payloads: 1 read from rings, \d+ sent by socket instead/m)
  t.regex(stdout, /^Rings: 1 of 64\.0 KiB, \d.* reserved$/m)
  const [, rings] = stdout.split(/^Rings: 1\n/m)
  t.regex(rings!.split('\n')[1]!, /1 +1 +active +64\.0 KiB +1 +\d.* KiB +1 +nearly full$/)
  const [, clients] = stdout.split(/^Clients: 2\n/m)
  t.regex(clients!, /holder .* 1$/m)
  t.is(held.length, 1)
})

test('status says that a broker offers no rings', async (t) => {
  const host = new Host(t)
  const broker = host.start(['broker', '--log-level', 'error'], { RINGBUS_NO_ADDON: '1' })
  await broker.writes('ready')
  const { stdout } = await host.run(['status'])
  t.regex(stdout, /^Large payloads: all by socket, for the broker offers no rings$/m)
  t.regex(stdout, /^Rings: none$/m)
})
