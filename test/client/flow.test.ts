import test, { type ExecutionContext } from 'ava'
import type { Message, RingbusClient, SlowInfo, SubscribeOptions } from '../../client/index.js'
import { controlFrame, encodeBody, Flag, Kind, LATENCY_SAMPLES_MAX } from '../../protocol/index.js'
import { brokerIn, clientOf, eventOf, until } from './fixtures.js'
import {
  deliver,
  message,
  name,
  type Received,
  ScriptedBroker,
  type ScriptedPeer,
} from './scripted-broker.js'

async function begin(t: ExecutionContext) {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  return { broker, peer, bus }
}

async function subscribed(
  { peer, bus }: { peer: ScriptedPeer; bus: RingbusClient },
  options: SubscribeOptions,
  handler: (message: Message) => unknown = () => {},
): Promise<number> {
  bus.subscribe('c', options, handler)
  const { id } = await peer.expect('SUBSCRIBE')
  await peer.untilFlush()
  return id
}

function slow(id: number, body: { slow: boolean; dropped: number }): Buffer {
  return controlFrame(Kind.SLOW, 0, id, encodeBody(Kind.SLOW, { queued: 2, queuedBytes: 300, ...body }))
}

function nowNs(): number {
  return Number(process.hrtime.bigint())
}

test('[SUB-1] SUBSCRIBE carries what was asked for and nothing else, on each connection', async (t) => {
  const { broker, peer, bus } = await begin(t)
  const window = 256 * 1024
  bus.subscribe('a', () => {})
  bus.subscribe('b', { group: 'g' }, () => {})
  bus.subscribe('c', { retained: false, overflow: 'block' }, () => {})
  bus.subscribe('d', { overflow: 'drop-newest', backlogMessagesMax: 10, backlogBytesMax: 2000 }, () => {})
  bus.subscribe('e', { overflow: 'latest' }, () => {})
  const expected = [
    { pattern: 'a', window, retained: true },
    { pattern: 'b', window, group: 'g' },
    { pattern: 'c', window, overflow: 'block' },
    {
      pattern: 'd',
      window,
      overflow: 'drop-newest',
      backlogBytes: 2000,
      backlogMessages: 10,
      retained: true,
    },
    // What is handled shall be fresh.
    { pattern: 'e', window: 16 * 1024, overflow: 'latest', retained: true },
  ]
  const bodies = async (from: ScriptedPeer) => (await from.untilFlush()).map(({ body }) => body)
  t.deepEqual(await bodies(peer), expected)
  peer.hangUp()
  t.deepEqual(await bodies(await broker.welcome()), expected)
})

test('options of subscriptions that are not what they must be are refused', async (t) => {
  const bus = await clientOf(t, await brokerIn(t))
  const refused = (options: object, message: RegExp) =>
    t.throws(() => bus.subscribe('c', options, () => {}), { code: 'INVALID_ARGUMENT', message })
  refused({ overflow: 'drop' }, /`overflow` to be one of 'block', 'drop-oldest'.*got `drop`/)
  refused({ backlogMessagesMax: 0 }, /`backlogMessagesMax` to be a positive integer/)
  refused({ backlogBytesMax: 1.5 }, /`backlogBytesMax` to be a positive integer/)
  refused({ retained: 1 }, /`retained` to be a boolean/)
  refused({ retained: true, group: 'g' }, /`retained` not to be true in a group/)
  refused({ backlog: 1 }, /got `backlog`/)
})

test('[RETAIN-2] a message says whether it was kept', async (t) => {
  const scene = await begin(t)
  const got: [unknown, boolean][] = []
  const id = await subscribed(scene, {}, ({ data, retained }) => got.push([data, retained]))
  const kept = message(1, 'kept', { flags: Flag.RETAIN })
  scene.peer.send(name(1, 'c'), deliver(id), kept, message(1, 'new'))
  await until(() => got.length === 2)
  t.deepEqual(got, [
    ['kept', true],
    ['new', false],
  ])
})

test('[FLOW-3] what a subscription suffers is an event of its client', async (t) => {
  const scene = await begin(t)
  const id = await subscribed(scene, { group: 'g' })
  const events: SlowInfo[] = []
  scene.bus.on('slow', (info) => events.push(info))
  scene.peer.send(slow(id, { slow: true, dropped: 7 }), slow(99, { slow: true, dropped: 1 }))
  scene.peer.send(slow(id, { slow: false, dropped: 9 }))
  await until(() => events.length === 2)
  const common = { pattern: 'c', group: 'g', queued: 2, queuedBytes: 300 }
  t.deepEqual(events, [
    { ...common, slow: true, dropped: 7 },
    { ...common, slow: false, dropped: 9 },
  ])
})

test.serial(
  '[FLOW-3] a loss that nobody asked for or listens to is one warning of the process',
  async (t) => {
    const scene = await begin(t)
    const blocking = await subscribed(scene, {})
    const dropping = await subscribed(scene, { overflow: 'drop-oldest' })
    const warnings: Error[] = []
    const listener = (warning: Error) => {
      if (warning.name === 'RingbusSlowWarning') warnings.push(warning)
    }
    process.on('warning', listener)
    t.teardown(() => process.off('warning', listener))
    const { peer, bus } = scene
    peer.send(slow(dropping, { slow: false, dropped: 3 }), slow(blocking, { slow: true, dropped: 0 }))
    peer.send(slow(blocking, { slow: true, dropped: 3 }), slow(blocking, { slow: true, dropped: 5 }))
    await until(() => warnings.length > 0)
    const heard = eventOf(bus, 'slow')
    peer.send(slow(blocking, { slow: true, dropped: 8 }))
    t.is((await heard).dropped, 8)
    t.is(warnings.length, 1)
    t.regex(warnings[0]!.message, /"c" has lost 3 messages/)
  },
)

test('[FLOW-4] messages that say when they were sent are reported with their topic and latency', async (t) => {
  const scene = await begin(t)
  const handledNs: number[] = []
  const id = await subscribed(scene, {}, () => handledNs.push(nowNs()))
  const sentAtNs = nowNs() - 5_000_000
  const { peer } = scene
  peer.send(
    name(1, 'c'),
    name(2, 'd'),
    deliver(id),
    message(1, 'without'),
    message(1, 'x', { sentAtNs }),
    message(2, 'y', { sentAtNs: sentAtNs - 1_000_000 }),
    // Neither is told of: one had been kept, the other is not handled.
    message(1, 'kept', { sentAtNs, flags: Flag.RETAIN }),
    message(1, 'expired', { sentAtNs, expiryNs: 1 }),
    message(1, 'from the future', { sentAtNs: nowNs() + 60_000_000_000 }),
  )
  const { body } = await peer.expect('LATENCY', { topic: 0, id: 0 })
  const samples = body['samples'] as [string, number][]
  t.deepEqual(
    samples.map(([topic]) => topic),
    ['c', 'd', 'c'],
  )
  const [first, second, third] = samples.map(([, latencyNs]) => latencyNs)
  t.true(first! >= 5_000_000 && first! <= handledNs[1]! - sentAtNs)
  t.true(second! >= 6_000_000 && second! <= handledNs[2]! - sentAtNs + 1_000_000)
  t.is(third, 0)
})

test('[FLOW-4] no report has more samples than the broker takes', async (t) => {
  const scene = await begin(t)
  let handled = 0
  const id = await subscribed(scene, {}, () => {
    handled += 1
  })
  const { peer } = scene
  const count = 3 * LATENCY_SAMPLES_MAX
  const frames = Array.from({ length: count }, () => message(1, 'x', { sentAtNs: nowNs() }))
  peer.send(name(1, 'c'), deliver(id), ...frames)
  const samples = (await peer.expect('LATENCY')).body['samples'] as unknown[]
  t.true(samples.length <= LATENCY_SAMPLES_MAX)
  await until(() => handled === count)
  peer.send(message(1, 'x', { sentAtNs: nowNs() }))
  await peer.expect('LATENCY')
})

test('[FLOW-4] an iterator and a stream take samples as they get their messages', async (t) => {
  const { peer, bus } = await begin(t)
  const iterator = bus.subscribe('c')[Symbol.asyncIterator]()
  const stream = bus.createReadStream('d')
  const [{ id }, { id: streamId }] = (await peer.untilFlush()) as [Received, Received]
  const frame = message(1, 'x', { sentAtNs: nowNs() })
  peer.send(name(1, 'c'), deliver(id), frame)
  await iterator.next()
  t.is(((await peer.expect('LATENCY')).body['samples'] as unknown[]).length, 1)
  peer.send(deliver(streamId), frame)
  stream.resume()
  t.is(((await peer.expect('LATENCY')).body['samples'] as unknown[]).length, 1)
})
