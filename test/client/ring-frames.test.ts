import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { Message, RingbusClient } from '../../client/index.js'
import {
  controlFrame,
  encodeBody,
  FEATURE_RING,
  FEATURE_RING_REQUESTS,
  Flag,
  Kind,
  type MessageHead,
  messageFrame,
  RING_DESCRIPTOR_BYTES,
  type RingDescriptor,
  recordName,
  writeDescriptor,
} from '../../protocol/index.js'
import { clientOf, errorsOf, eventOf, until } from './fixtures.js'
import { deliver, error, name, ScriptedBroker, type ScriptedPeer, TOKEN } from './scripted-broker.js'
import { ScriptedSegment } from './scripted-segment.js'

const DATA = Buffer.alloc(20_000, 5)
const GRANULES = 313

interface Stage {
  readonly broker: ScriptedBroker
  readonly peer: ScriptedPeer
  readonly bus: RingbusClient
}

async function stage(t: ExecutionContext, features = [FEATURE_RING, FEATURE_RING_REQUESTS]): Promise<Stage> {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome({}, features), clientOf(t, broker.path)])
  return { broker, peer, bus }
}

/** The client has a ring: it was asked for, offered, fetched and mapped. */
async function ringOf(t: ExecutionContext, { broker, peer, bus }: Stage): Promise<ScriptedSegment> {
  bus.publish('data', DATA)
  await peer.expect('TOPIC')
  await peer.expect('OPEN')
  await peer.expect('MESSAGE', { flags: 0 })
  const segment = new ScriptedSegment(t, broker, 9)
  peer.send(segment.offer('owner'))
  await segment.grant('writable')
  await peer.expect('MAPPED', { topic: 9 })
  segment.seal()
  return segment
}

/** The client has subscribed to "data", as 1, and has mapped a segment to read from. */
async function readerOf(
  t: ExecutionContext,
  { broker, peer, bus }: Stage,
  handler: (message: Message<Buffer>) => unknown,
  view = false,
): Promise<ScriptedSegment> {
  bus.subscribe<Buffer>('data', { view }, handler)
  await peer.expect('SUBSCRIBE', { id: 1 })
  await peer.untilFlush()
  const segment = new ScriptedSegment(t, broker, 4)
  segment.seal()
  peer.send(segment.offer('reader'))
  await segment.grant('readable')
  await peer.expect('MAPPED', { topic: 4 })
  peer.send(deliver(1), name(1, 'data'))
  return segment
}

function record(segment: number, position: number, length: number, head: Partial<MessageHead> = {}): Buffer {
  const payload = Buffer.alloc(RING_DESCRIPTOR_BYTES)
  writeDescriptor(payload, 0, { segment, position, length, padding: 0, restarted: false })
  return messageFrame({ kind: Kind.MESSAGE, topic: 1, flags: Flag.RING, ...head }, payload)
}

test('[RING-3] [RING-4] [RING-5] a ring is asked for when it is first needed, fetched with the token, and mapped', async (t) => {
  const { broker, peer, bus } = await stage(t)
  bus.publish('data', 'small')
  await peer.expect('TOPIC')
  await peer.expect('MESSAGE')
  bus.publish('data', DATA)
  bus.publish('data', DATA)
  await peer.expect('OPEN', { topic: 0, id: 0, body: { bytes: 32_768 } })
  await peer.expect('MESSAGE', { flags: 0, text: DATA.toString() })
  await peer.expect('MESSAGE', { flags: 0 })
  const segment = new ScriptedSegment(t, broker, 9)
  peer.send(segment.offer('owner'))
  const attach = await segment.grant('writable')
  t.deepEqual(attach.body, { client: 7, token: TOKEN })
  await peer.expect('MAPPED', { topic: 9 })
  segment.seal()
  bus.publish('data', DATA)
  bus.publish('data', DATA)
  const spans: (RingDescriptor | undefined)[] = []
  for (let number = 0; number < 2; number++) {
    const { flags, ring, length, sentAtNs } = await peer.expect('MESSAGE', { topic: 0 })
    t.is(flags, Flag.RING)
    t.is(length, sentAtNs === 0 ? 48 : 56)
    spans.push(ring)
  }
  t.deepEqual(spans, [
    { segment: 9, position: 0, length: 20_000, padding: 0, restarted: false },
    { segment: 9, position: GRANULES, length: 20_000, padding: 0, restarted: false },
  ])
  t.deepEqual(segment.read(GRANULES * 64, 20_000), DATA)
})

test('[RING-2] without the feature nothing is asked for, and requests go by ring with theirs alone', async (t) => {
  const plain = await stage(t, [])
  plain.bus.publish('data', DATA)
  await plain.peer.expect('TOPIC')
  await plain.peer.expect('MESSAGE', { flags: 0 })
  for (const features of [[FEATURE_RING], [FEATURE_RING, FEATURE_RING_REQUESTS]]) {
    const scene = await stage(t, features)
    await ringOf(t, scene)
    scene.bus.request('data', DATA).catch(() => {})
    await scene.peer.expect('REQUEST', { flags: features.length === 2 ? Flag.RING : 0 })
    scene.bus.request('$SYS.stats', DATA).catch(() => {})
    await scene.peer.expect('TOPIC')
    await scene.peer.expect('REQUEST', { flags: 0 })
  }
})

test('[RING-3] after a refusal everything goes inline, and nothing is asked for a while', async (t) => {
  const { peer, bus } = await stage(t)
  errorsOf(bus)
  bus.publish('data', DATA)
  await peer.expect('TOPIC')
  await peer.expect('OPEN')
  await peer.expect('MESSAGE')
  const waiting = bus.loan('data', 20_000)
  peer.send(error('RING_LIMIT', Kind.OPEN, 0, false))
  const loan = await waiting
  loan.bytes.fill(1)
  loan.publish()
  await peer.expect('MESSAGE', { flags: 0 })
  bus.publish('data', DATA)
  await peer.expect('MESSAGE', { flags: 0 })
  await t.throwsAsync(bus.loan('data', 65 * 1024 * 1024), { code: 'MESSAGE_TOO_LARGE' })
  let inlineMessages = 0
  for (;;) {
    bus.publish('data', DATA)
    if ((await peer.next()).kind === 'OPEN') break
    inlineMessages += 1
  }
  t.true(inlineMessages > 0, 'not at once')
})

test('[RING-3] what cannot be fetched or mapped is declined', async (t) => {
  const { broker, peer, bus } = await stage(t)
  bus.publish('data', DATA)
  await peer.expect('TOPIC')
  await peer.expect('OPEN')
  await peer.expect('MESSAGE')
  const segment = new ScriptedSegment(t, broker, 9)
  peer.send(segment.offer('owner'))
  const refusal = await broker.accept()
  await refusal.expect('ATTACH')
  refusal.send(error('ATTACH_REFUSED', Kind.ATTACH, 9, true))
  await peer.expect('DECLINE', { topic: 9, body: { code: 'ATTACH_REFUSED', message: 'a ATTACH_REFUSED' } })
  for (const [id, spoil] of [
    [10, async (offered: ScriptedSegment) => void (await offered.grant('readable', 64 * 1024))],
    [11, async () => (await broker.accept()).socket.end()],
    [
      12,
      async () =>
        (await broker.accept()).send(
          controlFrame(Kind.GRANT, 12, 0, encodeBody(Kind.GRANT, { bytes: 262_144 })),
        ),
    ],
    [13, async () => (await broker.accept()).send(controlFrame(Kind.FLUSHED, 13, 0))],
  ] as const) {
    const offered = new ScriptedSegment(t, broker, id)
    offered.seal()
    peer.send(offered.offer('reader'))
    await spoil(offered)
    const { body } = await peer.expect('DECLINE', { topic: id })
    t.is(body['code'], 'ATTACH_REFUSED', String(body['message']))
  }
})

test('[RING-3] a ring for a larger payload is a power of two within the limit, and takes the place of the other', async (t) => {
  const scene = await stage(t)
  const { broker, peer, bus } = scene
  const small = await ringOf(t, scene)
  bus.publish('data', Buffer.alloc(900 * 1024))
  await peer.expect('OPEN', { body: { bytes: 1024 * 1024 } })
  await peer.expect('MESSAGE', { flags: 0 })
  bus.publish('data', DATA)
  t.is((await peer.expect('MESSAGE')).ring!.segment, 9)
  const large = new ScriptedSegment(t, broker, 10, 1024 * 1024)
  peer.send(large.offer('owner'))
  await large.grant('writable')
  await peer.expect('MAPPED', { topic: 10 })
  bus.publish('data', DATA)
  t.is((await peer.expect('MESSAGE')).ring!.segment, 10)
  peer.send(controlFrame(Kind.RETIRE, small.id, 0))
  await peer.expect('RETIRED', { topic: 9 })
})

test('[RING-9] RETIRE is answered when no claim is open; the next payload asks for another ring', async (t) => {
  const scene = await stage(t)
  const { peer, bus } = scene
  const segment = await ringOf(t, scene)
  const published = await bus.loan('data', 20_000)
  const discarded = await bus.loan('data', 20_000)
  peer.send(controlFrame(Kind.RETIRE, segment.id, 0))
  bus.publish('data', 'a barrier')
  await peer.expect('MESSAGE', { text: 'a barrier' })
  discarded.discard()
  await peer.expect('ABORT', { topic: 9, body: { position: GRANULES, length: 20_000, padding: 0 } })
  published.publish()
  t.is((await peer.expect('MESSAGE')).ring!.position, 0)
  await peer.expect('RETIRED', { topic: 9 })
  bus.publish('data', DATA)
  await peer.expect('OPEN')
  await peer.expect('MESSAGE', { flags: 0 })
})

test('[RING-6] claims go round the ring, padded or restarted, and [RING-8] SPACE ends the wait for room', async (t) => {
  const scene = await stage(t)
  const { peer, bus } = scene
  const segment = await ringOf(t, scene)
  const large = Buffer.alloc(100_000)
  const granules = 1563
  t.true(bus.publish('data', large))
  t.false(bus.publish('data', large), 'there is no room for a third one')
  t.deepEqual((await peer.expect('MESSAGE')).ring, {
    segment: 9,
    position: 0,
    length: 100_000,
    padding: 0,
    restarted: false,
  })
  t.is((await peer.expect('MESSAGE')).ring!.position, granules)
  const ready = bus.ready('data')
  // The rest of this round, and the record.
  t.true(segment.post(granules), 'the client waits for as much')
  peer.send(controlFrame(Kind.SPACE, 77, 0), controlFrame(Kind.SPACE, segment.id, 0))
  await ready
  bus.publish('data', large)
  t.deepEqual((await peer.expect('MESSAGE')).ring, {
    segment: 9,
    position: 4096,
    length: 100_000,
    padding: 970,
    restarted: false,
  })
  segment.post(granules)
  segment.post(granules + 970)
  bus.publish('data', large)
  const { ring } = await peer.expect('MESSAGE')
  t.deepEqual(ring, { segment: 9, position: 8192, length: 100_000, padding: 2533, restarted: true })
  bus.publish('data', DATA)
  t.is((await peer.expect('MESSAGE')).ring!.position, 8192 + granules)
})

test('[RING-7] each frame by ring is released once, however often it comes', async (t) => {
  const scene = await stage(t)
  const { peer } = scene
  const got: Buffer[] = []
  const segment = await readerOf(t, scene, ({ data }) => got.push(data))
  const position = 2 ** 40 * 4096 + 5
  peer.send(record(segment.id, position, 1000), record(segment.id, position, 1000))
  for (let number = 0; number < 2; number++) {
    await peer.expect('RELEASE', { topic: 4, id: recordName(position) })
  }
  t.deepEqual(got, [Buffer.alloc(1000), Buffer.alloc(1000)])
})

test('[RING-7] a reply that nobody waits for any more is released, and so is a part that nobody asked for', async (t) => {
  const scene = await stage(t)
  const { peer, bus } = scene
  const segment = await readerOf(t, scene, () => {})
  const controller = new AbortController()
  const request = bus.request('a', null, { signal: controller.signal })
  await peer.expect('TOPIC')
  const { id } = await peer.expect('REQUEST')
  controller.abort()
  await peer.expect('CANCEL', { id })
  await t.throwsAsync(request, { code: 'CANCELLED' })
  peer.send(record(segment.id, 0, 1000, { kind: Kind.REPLY, topic: 0, id }))
  await peer.expect('RELEASE', { id: 0 })
  const other = bus.request<Buffer>('a')
  const asked = await peer.expect('REQUEST')
  const reply = { kind: Kind.REPLY, topic: 0, id: asked.id }
  peer.send(record(segment.id, 16, 1000, { ...reply, flags: Flag.RING | Flag.STREAM }))
  await peer.expect('RELEASE', { id: 16 })
  peer.send(record(segment.id, 32, 1000, reply))
  await peer.expect('RELEASE', { id: 32 })
  t.is((await other).data.length, 1000)
})

test('[RING-7] requests that are cancelled or expired before their turn are released', async (t) => {
  const scene = await stage(t)
  const { peer, bus } = scene
  const segment = await readerOf(t, scene, () => {})
  let finish = () => {}
  let handled = 0
  bus.serve<Buffer, unknown>(
    'service',
    () => {
      handled += 1
      return new Promise<void>((resolve) => {
        finish = resolve
      })
    },
    { concurrency: 1 },
  )
  await peer.expect('SERVE', { id: 2 })
  await peer.untilFlush()
  const request = (id: number, position: number, head: Partial<MessageHead> = {}) =>
    record(segment.id, position, 1000, { kind: Kind.REQUEST, topic: 2, id, ...head })
  peer.send(deliver(2), name(2, 'service'), request(1, 0), request(2, 16), request(3, 32, { expiryNs: 1 }))
  peer.send(controlFrame(Kind.CANCEL, 0, 2))
  await peer.expect('RELEASE', { id: 0 })
  finish()
  await peer.expect('REPLY', { id: 1 })
  await peer.expect('RELEASE', { id: 16 })
  await peer.expect('FAILURE', { id: 2 })
  await peer.expect('RELEASE', { id: 32 })
  await peer.expect('FAILURE', { id: 3 })
  t.is(handled, 1)
})

test('[RING-7] what arrives for a subscription that was left is released', async (t) => {
  const scene = await stage(t)
  const { peer, bus } = scene
  const segment = await readerOf(t, scene, () => t.fail('it was handled'))
  const left = bus.subscribe('left', () => t.fail('it was handled'))
  await peer.expect('SUBSCRIBE', { id: 2 })
  await peer.untilFlush()
  left.unsubscribe()
  await peer.expect('UNSUBSCRIBE', { id: 2 })
  peer.send(deliver(2), record(segment.id, 48, 1000))
  await peer.expect('RELEASE', { id: 48 })
})

test('[RING-10] a frame that refers to what is not there ends the connection', async (t) => {
  for (const [code, frame] of [
    ['SEGMENT_UNKNOWN', record(5, 0, 1000)],
    ['BAD_DESCRIPTOR', record(4, 4095, 65)],
    ['BAD_DESCRIPTOR', record(4, 0, 0)],
    ['BAD_DESCRIPTOR', record(4, 0, 256 * 1024 + 1)],
  ] as const) {
    const scene = await stage(t)
    await readerOf(t, scene, () => t.fail('it was handled'))
    const lost = eventOf(scene.bus, 'disconnect')
    scene.peer.send(frame)
    const { cause } = (await lost)!
    t.is((cause as { code?: string }).code, code)
  }
})

test('[RING-10] DETACH is answered when all leases are released', async (t) => {
  const scene = await stage(t)
  const { broker, peer, bus } = scene
  let finish = () => {}
  const blocked = new Promise<void>((resolve) => {
    finish = resolve
  })
  let handled = 0
  const segment = await readerOf(t, scene, () => blocked.then(() => handled++), true)
  peer.send(record(4, 0, 1000), record(4, 16, 1000), controlFrame(Kind.DETACH, 4, 0))
  bus.publish('barrier', '')
  await peer.expect('TOPIC')
  await peer.expect('MESSAGE')
  finish()
  await peer.expect('RELEASE', { id: 0 })
  await peer.expect('RELEASE', { id: 16 })
  await peer.expect('DETACHED', { topic: 4 })
  t.is(handled, 2)
  t.is(segment.id, 4)
  const idle = new ScriptedSegment(t, broker, 5)
  idle.seal()
  peer.send(idle.offer('reader'))
  await idle.grant('readable')
  await peer.expect('MAPPED', { topic: 5 })
  peer.send(controlFrame(Kind.DETACH, 5, 0))
  await peer.expect('DETACHED', { topic: 5 })
})

test('[RING-10] DETACH may come while the segment is being fetched, or cross a DECLINE', async (t) => {
  const { broker, peer, bus } = await stage(t)
  const mapped = new ScriptedSegment(t, broker, 5)
  mapped.seal()
  peer.send(mapped.offer('reader'), controlFrame(Kind.DETACH, 5, 0))
  await mapped.grant('readable')
  await peer.expect('MAPPED', { topic: 5 })
  await peer.expect('DETACHED', { topic: 5 })
  const refused = new ScriptedSegment(t, broker, 6)
  peer.send(refused.offer('reader'), controlFrame(Kind.DETACH, 6, 0))
  ;(await broker.accept()).socket.end()
  await peer.expect('DETACHED', { topic: 6 })
  const declined = new ScriptedSegment(t, broker, 7)
  peer.send(declined.offer('reader'))
  ;(await broker.accept()).socket.end()
  await peer.expect('DECLINE', { topic: 7 })
  peer.send(controlFrame(Kind.DETACH, 7, 0))
  const flushed = bus.flush()
  t.deepEqual(await peer.untilFlush(), [], 'DECLINE was the answer')
  await flushed
})

test('[RING-4] segments are fetched one at a time', async (t) => {
  const { broker, peer } = await stage(t)
  const segments = [5, 6].map((id) => new ScriptedSegment(t, broker, id))
  for (const segment of segments) segment.seal()
  peer.send(...segments.map((segment) => segment.offer('reader')))
  const first = await broker.accept()
  await first.expect('ATTACH', { id: 5 })
  let isSecondHere = false
  const second = broker.accept().then((socket) => {
    isSecondHere = true
    return socket
  })
  await delay(50)
  t.false(isSecondHere)
  first.socket.end()
  await peer.expect('DECLINE', { topic: 5 })
  await (await second).expect('ATTACH', { id: 6 })
})

test('[RING-10] while a view lasts, this side of a connection that the broker has ended stays open', async (t) => {
  const scene = await stage(t)
  const { peer, bus } = scene
  let view: Message<Buffer> | undefined
  let finish = () => {}
  await readerOf(
    t,
    scene,
    (received) => {
      view = received
      return new Promise<void>((resolve) => {
        finish = resolve
      })
    },
    true,
  )
  peer.send(record(4, 0, 1000))
  await until(() => view !== undefined)
  let isEnded = false
  peer.socket.on('end', () => {
    isEnded = true
  })
  const lost = eventOf(bus, 'disconnect')
  peer.socket.end()
  await lost
  const next = await scene.broker.welcome()
  await next.expect('SUBSCRIBE')
  t.false(isEnded)
  t.is(view!.data.length, 1000)
  finish()
  await until(() => isEnded)
  t.throws(() => view!.data, { code: 'INVALID_ARGUMENT' })
})

test('a fault of the broker does not take views away either', async (t) => {
  const scene = await stage(t)
  const { peer, bus } = scene
  let view: Message<Buffer> | undefined
  let finish = () => {}
  const handler = (received: Message<Buffer>) => {
    view = received
    return new Promise<void>((resolve) => {
      finish = resolve
    })
  }
  await readerOf(t, scene, handler, true)
  peer.send(record(4, 0, 1000))
  await until(() => view !== undefined)
  let isEnded = false
  const ended = () => {
    isEnded = true
  }
  peer.socket.on('end', ended).on('close', ended)
  const lost = eventOf(bus, 'disconnect')
  peer.send(record(99, 0, 1000))
  await lost
  await (await scene.broker.welcome()).expect('SUBSCRIBE')
  t.false(isEnded)
  t.is(view!.data.length, 1000)
  finish()
  await until(() => isEnded)
})
