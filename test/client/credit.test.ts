import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { Deferred } from '../../client/deferred.js'
import { controlFrame, Kind } from '../../protocol/index.js'
import { clientOf, errorsOf, until } from './fixtures.js'
import { deliver, message, name, ScriptedBroker, type ScriptedPeer } from './scripted-broker.js'

const FIRST_WINDOW = 256 * 1024
const GROWTH = 768 * 1024

/** Frames of exactly 8 KiB: 16 of them are half the first window. */
const frame = message(1, 'x'.repeat(8192 - 16))

async function begin(t: Parameters<typeof clientOf>[0]) {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  return { broker, peer, bus }
}

function sendFrames(peer: ScriptedPeer, id: number, count: number): void {
  peer.send(name(1, 'c'), deliver(id), ...Array.from({ length: count }, () => frame))
}

test('[CREDIT-6] the window is 256 KiB, credit comes back by halves, and the window grows once', async (t) => {
  const { peer, bus } = await begin(t)
  let handled = 0
  bus.subscribe('c', () => {
    handled += 1
  })
  const { id, body } = await peer.expect('SUBSCRIBE')
  t.deepEqual(body, { pattern: 'c', window: FIRST_WINDOW })
  await peer.untilFlush()
  sendFrames(peer, id, 15)
  await until(() => handled === 15)
  sendFrames(peer, id, 1)
  const first = await peer.expect('CREDIT', { id })
  t.deepEqual(first.body, { bytes: FIRST_WINDOW / 2, messages: 16, expired: 0 })
  sendFrames(peer, id, 16)
  // A full window has passed: the growth comes with this one.
  const second = await peer.expect('CREDIT', { id })
  t.deepEqual(second.body, { bytes: FIRST_WINDOW / 2 + GROWTH, messages: 16, expired: 0 })
  sendFrames(peer, id, 64)
  const third = await peer.expect('CREDIT', { id })
  t.deepEqual(third.body, { bytes: 512 * 1024, messages: 64, expired: 0 })
})

test('[CREDIT-3] credit is given when the promise of a handler settles, also when it rejects', async (t) => {
  const { peer, bus } = await begin(t)
  const errors = errorsOf(bus)
  const handlers: Deferred<void>[] = []
  bus.subscribe('c', { concurrency: 32 }, () => {
    const handler = new Deferred<void>()
    handlers.push(handler)
    return handler.promise
  })
  const { id } = await peer.expect('SUBSCRIBE')
  await peer.untilFlush()
  sendFrames(peer, id, 20)
  await until(() => handlers.length === 20)
  for (const handler of handlers.slice(0, 15)) handler.resolve()
  await delay(1)
  const flushed = bus.flush()
  t.deepEqual(await peer.untilFlush(), [], 'credit came before half a window was done')
  await flushed
  handlers[15]!.reject(new Error('handled all the same'))
  const credit = await peer.expect('CREDIT', { id })
  t.deepEqual(credit.body, { bytes: 16 * 8192, messages: 16, expired: 0 })
  t.is(errors.length, 1)
})

test('[WIRE-3.2] [CREDIT-3] expired messages are reported as such, and not handled', async (t) => {
  const { peer, bus } = await begin(t)
  bus.subscribe('c', () => t.fail('an expired message was handled'))
  const { id } = await peer.expect('SUBSCRIBE')
  await peer.untilFlush()
  const expired = message(1, 'x'.repeat(8192 - 24), { expiryNs: 1 })
  peer.send(name(1, 'c'), deliver(id), ...Array.from({ length: 16 }, () => expired))
  const credit = await peer.expect('CREDIT', { id })
  t.deepEqual(credit.body, { bytes: 16 * 8192, messages: 0, expired: 16 })
})

test('[CREDIT-1] without handler or iterator there is no credit; the iterator brings it', async (t) => {
  const { peer, bus } = await begin(t)
  const subscription = bus.subscribe('c')
  const { id, body } = await peer.expect('SUBSCRIBE')
  t.deepEqual(body, { pattern: 'c', window: 0 })
  await peer.untilFlush()
  const iterator = subscription[Symbol.asyncIterator]()
  t.deepEqual((await peer.expect('CREDIT', { id })).body, { bytes: FIRST_WINDOW })
  sendFrames(peer, id, 17)
  // The sixteenth message counts as handled when the seventeenth is asked for.
  for (let step = 0; step < 16; step++) await iterator.next()
  const flushed = bus.flush()
  t.deepEqual(await peer.untilFlush(), [])
  await flushed
  await iterator.next()
  t.like((await peer.expect('CREDIT', { id })).body, { bytes: 16 * 8192, messages: 16 })
})

test('[CREDIT-2] a frame larger than the window is credited when it is handled', async (t) => {
  const { peer, bus } = await begin(t)
  bus.subscribe('c', () => {})
  const { id } = await peer.expect('SUBSCRIBE')
  await peer.untilFlush()
  peer.send(name(1, 'c'), deliver(id), message(1, Buffer.alloc(2_000_000)))
  const credit = await peer.expect('CREDIT', { id })
  t.deepEqual(credit.body, { bytes: 2_000_016 + GROWTH, messages: 1, expired: 0 })
})

test('many subscriptions together stay within the budget of the inbox', async (t) => {
  const { peer, bus } = await begin(t)
  const windows: number[] = []
  for (let number = 0; number < 300; number++) bus.subscribe(`c.${number}`, () => {})
  for (const { body } of await peer.untilFlush()) windows.push(body['window'] as number)
  t.is(windows.length, 300)
  t.is(windows[0], FIRST_WINDOW)
  // 64 MiB are 256 full windows; whoever comes later gets the smallest one.
  t.is(windows[255], FIRST_WINDOW)
  t.is(windows[256], 16 * 1024)
})

test('on a new connection the window leaves room for what still waits here', async (t) => {
  const { broker, peer, bus } = await begin(t)
  const handlers: Deferred<void>[] = []
  bus.subscribe('c', () => {
    const handler = new Deferred<void>()
    handlers.push(handler)
    return handler.promise
  })
  const { id } = await peer.expect('SUBSCRIBE')
  await peer.untilFlush()
  sendFrames(peer, id, 20)
  await until(() => handlers.length === 1)
  peer.hangUp()
  const next = await broker.welcome()
  const { body } = await next.expect('SUBSCRIBE', { id })
  t.deepEqual(body, { pattern: 'c', window: FIRST_WINDOW - 20 * 8192 })
  await next.untilFlush()
  // What came by the first connection is handled, and makes room again, but is not counted on the second.
  for (let index = 0; index < 20; index++) {
    await until(() => handlers.length > index)
    handlers[index]!.resolve()
  }
  const credit = await next.expect('CREDIT', { id })
  t.deepEqual(credit.body, { bytes: 16 * 8192, messages: 0, expired: 0 })
})

test('[SUB-8] what arrives between unsubscribe and DRAINED is thrown away', async (t) => {
  const { peer, bus } = await begin(t)
  const got: unknown[] = []
  const subscription = bus.subscribe('c', ({ data }) => got.push(data))
  const { id } = await peer.expect('SUBSCRIBE')
  await peer.untilFlush()
  peer.send(name(1, 'c'), deliver(id), message(1, 'kept'))
  await until(() => got.length === 1)
  subscription.unsubscribe()
  await peer.expect('UNSUBSCRIBE', { id })
  peer.send(message(1, 'thrown away'), controlFrame(Kind.DRAINED, 0, id))
  const flushed = bus.flush()
  await peer.untilFlush()
  await flushed
  t.deepEqual(got, ['kept'])
})
