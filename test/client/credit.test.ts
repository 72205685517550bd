import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { Deferred } from '../../client/deferred.js'
import type { Subscription } from '../../client/index.js'
import { controlFrame, Kind } from '../../protocol/index.js'
import { burn, clientOf, errorsOf, eventOf, until } from './fixtures.js'
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

test('[CREDIT-6] the window is 256 KiB, credit comes back for all of it, and the window grows', async (t) => {
  const { peer, bus } = await begin(t)
  bus.subscribe('c', () => {})
  const { id, body } = await peer.expect('SUBSCRIBE')
  t.deepEqual(body, { pattern: 'c', window: FIRST_WINDOW, retained: true })
  await peer.untilFlush()
  sendFrames(peer, id, 16)
  const first = await peer.creditFor(id, 16)
  t.deepEqual(first, { bytes: FIRST_WINDOW / 2, messages: 16, expired: 0, discarded: 0 })
  // The growth comes when a full window has passed without a pause of 100 ms, which a busy machine may make.
  for (let grown = 0; grown === 0; ) {
    sendFrames(peer, id, 32)
    grown = (await peer.creditFor(id, 32)).bytes - FIRST_WINDOW
    t.true(grown === 0 || grown === GROWTH)
  }
  // From then on it follows the time that handling takes.
  sendFrames(peer, id, 128)
  const { bytes } = await peer.creditFor(id, 128)
  t.true(bytes >= 1024 * 1024 && bytes <= 2 * 1024 * 1024, `${bytes} bytes`)
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
  handlers[15]!.reject(new Error('handled all the same'))
  t.deepEqual(await peer.creditFor(id, 16), { bytes: 16 * 8192, messages: 16, expired: 0, discarded: 0 })
  t.is(errors.length, 1)
})

test('[WIRE-3.2] [CREDIT-3] expired messages are reported as such, and not handled', async (t) => {
  const { peer, bus } = await begin(t)
  bus.subscribe('c', () => t.fail('an expired message was handled'))
  const { id } = await peer.expect('SUBSCRIBE')
  await peer.untilFlush()
  const expired = message(1, 'x'.repeat(8192 - 24), { expiryNs: 1 })
  peer.send(name(1, 'c'), deliver(id), ...Array.from({ length: 16 }, () => expired))
  t.deepEqual(await peer.creditFor(id, 16), { bytes: 16 * 8192, messages: 0, expired: 16, discarded: 0 })
})

test('[CREDIT-1] without handler or iterator there is no credit; the iterator brings it', async (t) => {
  const { peer, bus } = await begin(t)
  const subscription = bus.subscribe('c')
  const { id, body } = await peer.expect('SUBSCRIBE')
  t.deepEqual(body, { pattern: 'c', window: 0, retained: true })
  await peer.untilFlush()
  const iterator = subscription[Symbol.asyncIterator]()
  t.deepEqual((await peer.expect('CREDIT', { id })).body, { bytes: FIRST_WINDOW })
  sendFrames(peer, id, 17)
  // The sixteenth message counts as handled when the seventeenth is asked for.
  for (let step = 0; step < 17; step++) await iterator.next()
  t.like(await peer.creditFor(id, 16), { bytes: 16 * 8192, messages: 16 })
  await iterator.return?.()
  // The last word comes once the broker has said that there is no more.
  await peer.expect('UNSUBSCRIBE', { id })
  peer.send(controlFrame(Kind.DRAINED, 0, id))
  t.like(await peer.creditFor(id, 1), { bytes: 8192, messages: 1 })
})

test('[CREDIT-2] a frame larger than the window is credited when it is handled', async (t) => {
  const { peer, bus } = await begin(t)
  bus.subscribe('c', () => {})
  const { id } = await peer.expect('SUBSCRIBE')
  await peer.untilFlush()
  peer.send(name(1, 'c'), deliver(id), message(1, Buffer.alloc(2_000_000)))
  const credit = await peer.expect('CREDIT', { id })
  t.deepEqual(credit.body, { bytes: 2_000_016 + GROWTH, messages: 1, expired: 0, discarded: 0 })
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
  t.deepEqual(body, { pattern: 'c', window: FIRST_WINDOW - 20 * 8192, retained: true })
  await next.untilFlush()
  // What came by the first connection is handled, and makes room again, but is not counted on the second.
  for (let index = 0; index < 20; index++) {
    await until(() => handlers.length > index)
    handlers[index]!.resolve()
  }
  for (let bytes = 0; bytes < 20 * 8192; ) {
    const credit = await next.expect('CREDIT', { id })
    t.like(credit.body, { messages: 0, expired: 0, discarded: 0 })
    bytes += credit.body['bytes'] as number
  }
})

test('[CREDIT-6] a little that was handled is reported after a while, and then there is no timer', async (t) => {
  const { peer, bus } = await begin(t)
  bus.subscribe('c', () => {})
  const { id } = await peer.expect('SUBSCRIBE')
  await peer.untilFlush()
  for (let round = 1; round <= 3; round++) {
    peer.send(name(1, 'c'), deliver(id), message(1, 'x'))
    t.deepEqual((await peer.expect('CREDIT', { id })).body, {
      bytes: 17,
      messages: 1,
      expired: 0,
      discarded: 0,
    })
  }
})

test('[CREDIT-6] what slow handlers and iterators have done is reported although it is far from half a window', async (t) => {
  const { peer, bus } = await begin(t)
  bus.subscribe('sync', () => burn(20))
  bus.subscribe('async', () => delay(20))
  const iterated = bus.subscribe('iterated')
  const [sync, async, iterator] = (await peer.untilFlush()).map(({ id }) => id) as [number, number, number]
  void (async () => {
    for await (const _ of iterated) await delay(20)
  })()
  await peer.expect('CREDIT', { id: iterator })
  peer.send(name(1, 'c'))
  const small = Array.from({ length: 100 }, () => message(1, 'x'))
  for (const id of [sync, async, iterator]) peer.send(deliver(id), ...small)
  const reports = new Map<number, number[]>()
  while (![sync, async, iterator].every((id) => (reports.get(id)?.length ?? 0) >= 2)) {
    const { id, body } = await peer.expect('CREDIT')
    reports.set(id, [...(reports.get(id) ?? []), body['messages'] as number])
  }
  for (const [id, counts] of reports) {
    t.true(
      counts.every((count) => count > 0 && count < 100),
      `${id}: ${counts}`,
    )
  }
})

test('[CREDIT-3] what arrives for a subscription that was left, or waits then, is reported as discarded', async (t) => {
  const { peer, bus } = await begin(t)
  const handlers: Deferred<void>[] = []
  const got: unknown[] = []
  const subscription = bus.subscribe('c', { concurrency: 2 }, ({ data }) => {
    got.push(data)
    handlers.push(new Deferred<void>())
    return handlers.at(-1)!.promise
  })
  const { id } = await peer.expect('SUBSCRIBE')
  await peer.untilFlush()
  const frames = (...texts: string[]) => texts.map((text) => message(1, text))
  peer.send(name(1, 'c'), deliver(id), ...frames('1', '2', '3', '4', '5'))
  await until(() => handlers.length === 2)
  handlers[0]!.resolve()
  await until(() => handlers.length === 3)
  subscription.unsubscribe()
  await peer.expect('UNSUBSCRIBE', { id })
  peer.send(...frames('6', '7', '8'), controlFrame(Kind.DRAINED, 0, id))
  // Two handlers still run: their end is reported, too.
  const flushed = bus.flush()
  await peer.untilFlush()
  await flushed
  handlers[1]!.resolve()
  handlers[2]!.resolve()
  t.like(await peer.creditFor(id, 8), { messages: 3, expired: 0, discarded: 5 })
  t.deepEqual(got, ['1', '2', '3'])
})

test('[CREDIT-3] a drained subscription reports what its handlers do after DRAINED', async (t) => {
  const { peer, bus } = await begin(t)
  const handlers: Deferred<void>[] = []
  const subscription = bus.subscribe('c', () => {
    handlers.push(new Deferred<void>())
    return handlers.at(-1)!.promise
  })
  const { id } = await peer.expect('SUBSCRIBE')
  await peer.untilFlush()
  const drained = subscription.drain()
  await peer.expect('UNSUBSCRIBE', { id, body: { drain: true } })
  peer.send(name(1, 'c'), deliver(id), message(1, '1'), message(1, '2'), controlFrame(Kind.DRAINED, 0, id))
  await until(() => handlers.length === 1)
  handlers[0]!.resolve()
  await until(() => handlers.length === 2)
  handlers[1]!.resolve()
  await drained
  t.like(await peer.creditFor(id, 2), { messages: 2, discarded: 0 })
})

test('[CREDIT-3] a handler that unsubscribes has its own message counted as handled', async (t) => {
  const { peer, bus } = await begin(t)
  const subscription: Subscription = bus.subscribe('c', () => subscription.unsubscribe())
  const { id } = await peer.expect('SUBSCRIBE')
  await peer.untilFlush()
  const drained = subscription.drain()
  await peer.expect('UNSUBSCRIBE', { id })
  peer.send(name(1, 'c'), deliver(id), message(1, '1'), message(1, '2'), controlFrame(Kind.DRAINED, 0, id))
  t.like(await peer.creditFor(id, 2), { messages: 1, discarded: 1 })
  await drained
})

test('[CREDIT-3] a connection hears nothing of what came by another, nor of a subscription that ended with that', async (t) => {
  const { broker, peer, bus } = await begin(t)
  const handler = new Deferred<void>()
  let isHandling = false
  const subscription = bus.subscribe('c', () => {
    isHandling = true
    return handler.promise
  })
  const { id } = await peer.expect('SUBSCRIBE')
  await peer.untilFlush()
  peer.send(name(1, 'c'), deliver(id), message(1, 'x'))
  await until(() => isHandling)
  const drained = subscription.drain()
  await peer.expect('UNSUBSCRIBE', { id })
  const back = eventOf(bus, 'reconnect')
  peer.hangUp()
  const next = await broker.welcome()
  await back
  t.deepEqual(await next.untilFlush(), [])
  handler.resolve()
  await drained
  bus.subscribe('d', () => {})
  // The next subscription is the only one that this connection hears of.
  const other = await next.expect('SUBSCRIBE')
  t.not(other.id, id)
  await next.untilFlush()
  next.send(name(1, 'd'), deliver(other.id), message(1, 'x'))
  await next.creditFor(other.id, 1)
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
