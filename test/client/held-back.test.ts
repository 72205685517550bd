import test, { type ExecutionContext } from 'ava'
import { startBroker } from '../../broker/index.js'
import type { RingbusClient } from '../../client/index.js'
import { controlFrame, FEATURE_RING, Flag, Kind } from '../../protocol/index.js'
import { clientOf, errorsOf, eventOf, until } from './fixtures.js'
import { error, ScriptedBroker, type ScriptedPeer } from './scripted-broker.js'
import { ScriptedSegment } from './scripted-segment.js'

const LARGE = Buffer.alloc(20_000, 5)
const GRANULES = 313

interface Stage {
  readonly broker: ScriptedBroker
  readonly peer: ScriptedPeer
  readonly bus: RingbusClient
}

async function stage(t: ExecutionContext): Promise<Stage> {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome({}, [FEATURE_RING]), clientOf(t, broker.path)])
  return { broker, peer, bus }
}

/** The client has bound "data" as alias 0, and has a ring. */
async function ringOf(t: ExecutionContext, { broker, peer, bus }: Stage): Promise<ScriptedSegment> {
  bus.publish('data', LARGE)
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

function resume(alias: number, bytes = 0): Buffer {
  return controlFrame(Kind.RESUME, alias, bytes)
}

/** Alias 0 is paused, and everything that was published before is known to be routed. */
async function pauseFirst({ peer, bus }: Stage): Promise<void> {
  peer.send(controlFrame(Kind.PAUSE, 0, 1))
  await Promise.all([bus.flush(), peer.untilFlush()])
}

test('[WIRE-2.8] PAUSE and RESUME reach the queue of their topic', async (t) => {
  const scene = await stage(t)
  const { peer, bus } = scene
  bus.publish('a', 'first')
  await peer.expect('TOPIC', { topic: 0, text: 'a' })
  await peer.expect('MESSAGE')
  await pauseFirst(scene)
  while (bus.publish('a', Buffer.alloc(1000)));
  await bus.ready('b')
  bus.publish('b', 'goes on')
  await peer.expect('TOPIC', { topic: 1 })
  await peer.expect('MESSAGE', { topic: 1, text: 'goes on' })
  const drained = eventOf(bus, 'drain')
  peer.send(resume(0))
  t.is(await drained, 'a')
  await peer.expect('MESSAGE', { topic: 0 })
})

test('a message by ring that waits keeps its claim open until it has left, for [RING-9] RETIRED and for allowances', async (t) => {
  const scene = await stage(t)
  const { peer, bus } = scene
  const segment = await ringOf(t, scene)
  await pauseFirst(scene)
  bus.publish('data', LARGE)
  const loan = await bus.loan('data', 20_000)
  loan.bytes.fill(7)
  loan.publish({ retain: true })
  peer.send(controlFrame(Kind.RETIRE, segment.id, 0))
  bus.publish('other', 'a barrier')
  await peer.expect('TOPIC', { topic: 1 })
  await peer.expect('MESSAGE', { topic: 1 })
  // 48 bytes of the frame and 20,000 of the payload.
  peer.send(resume(0, 20_048))
  t.is((await peer.expect('MESSAGE', { topic: 0, flags: Flag.RING })).ring!.position, 0)
  bus.publish('other', 'a barrier')
  await peer.expect('MESSAGE', { topic: 1 })
  peer.send(resume(0, 100))
  const { ring } = await peer.expect('MESSAGE', { topic: 0, flags: Flag.RING | Flag.RETAIN })
  t.is(ring!.position, GRANULES)
  await peer.expect('RETIRED', { topic: 9 })
})

test('messages by ring that wait go on inline when the connection is lost', async (t) => {
  const scene = await stage(t)
  const { broker, peer, bus } = scene
  await ringOf(t, scene)
  await pauseFirst(scene)
  bus.publish('data', 'inline')
  bus.publish('data', LARGE, { headers: { kept: true } })
  const loan = await bus.loan('data', 20_000)
  loan.bytes.fill(7)
  loan.publish()
  bus.publish('data', 'last')
  const flushed = bus.flush()
  const lost = eventOf(bus, 'disconnect')
  peer.hangUp()
  await lost
  const next = await broker.welcome()
  await next.expect('TOPIC', { text: 'data' })
  await next.expect('MESSAGE', { text: 'inline' })
  await next.expect('MESSAGE', { text: LARGE.toString(), flags: Flag.HEADERS })
  await next.expect('MESSAGE', { text: Buffer.alloc(20_000, 7).toString(), flags: 0 })
  await next.expect('MESSAGE', { text: 'last' })
  t.deepEqual(await next.untilFlush(), [])
  await flushed
})

test('nothing that waits is lost when a broker pauses everybody and stops, and another one takes its place', async (t) => {
  const scene = await stage(t)
  const { broker, peer, bus } = scene
  const got: number[] = []
  bus.subscribe<number>('data', ({ data }) => got.push(data))
  bus.publish('data', -1)
  await pauseFirst(scene)
  const count = 5000
  for (let number = 0; number < count; number++) bus.publish('data', number)
  const flushed = bus.flush()
  const lost = eventOf(bus, 'disconnect')
  await broker.close()
  peer.hangUp()
  await lost
  const next = await startBroker({ path: broker.path })
  t.teardown(() => next.close())
  await flushed
  await until(() => got.length === count)
  t.deepEqual(
    got,
    Array.from({ length: count }, (_, number) => number),
  )
})

test('close waits for what is paused, and gives up after its time', async (t) => {
  for (const isResumed of [true, false]) {
    const scene = await stage(t)
    const { peer, bus } = scene
    bus.publish('a', 'first')
    await peer.expect('TOPIC')
    await peer.expect('MESSAGE')
    await pauseFirst(scene)
    bus.publish('a', 'second')
    const errors = errorsOf(bus)
    const closed = bus.close({ timeout: isResumed ? 0 : 50 })
    if (isResumed) {
      peer.send(resume(0))
      await peer.expect('MESSAGE', { text: 'second' })
      await peer.untilFlush()
    }
    await closed
    t.deepEqual(
      errors.map(({ code }) => code),
      isResumed ? [] : ['TIMEOUT'],
    )
  }
})

test('[RETAIN-1] `retain` sets the flag, and must be a boolean', async (t) => {
  const { peer, bus } = await stage(t)
  bus.publish('a', 'kept', { retain: true })
  await peer.expect('TOPIC')
  await peer.expect('MESSAGE', { flags: Flag.RETAIN, text: 'kept' })
  bus.publish('a', 'passing', { retain: false, ttl: 1000 })
  await peer.expect('MESSAGE', { flags: Flag.EXPIRY, text: 'passing' })
  t.throws(() => bus.publish('a', 'wrong', { retain: 1 as unknown as boolean }), { code: 'INVALID_ARGUMENT' })
  const loan = await bus.loan('a', 4)
  t.throws(() => loan.publish({ retain: 'yes' as unknown as boolean }), { code: 'INVALID_ARGUMENT' })
  loan.publish({ retain: true })
  await peer.expect('MESSAGE', { flags: Flag.RETAIN })
  const errors = errorsOf(bus)
  peer.send(error('FEATURE_UNSUPPORTED', Kind.MESSAGE, 0, false))
  await until(() => errors.length > 0)
  t.is(errors[0]!.code, 'FEATURE_UNSUPPORTED')
})
