import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import type { Message } from '../../client/index.js'
import { brokerIn, clientOf, errorsOf, settled, until } from './fixtures.js'
import { collectUntil } from './garbage.js'
import { allReleased, LARGE_BYTES, leases, mapRing, openRing, ringPair } from './ring-fixtures.js'

const RELEASED = { code: 'INVALID_ARGUMENT', message: /view of the message was released/ } as const

test('a view lasts as long as its handler, and is gone afterwards', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  const kept: { message: Message<Float32Array>; data: Float32Array; sum: number }[] = []
  const handler = (message: Message<Float32Array>) => {
    kept.push({ message, data: message.data, sum: message.data.reduce((sum, value) => sum + value, 0) })
  }
  await subscriber.subscribe<Float32Array>('data', { view: true }, handler).ready
  publisher.publish('data', new Float32Array(LARGE_BYTES).fill(0.5))
  await until(() => kept.length === 1)
  await allReleased(publisher)
  const { message, data, sum } = kept.at(-1)!
  t.is(sum, LARGE_BYTES / 2)
  t.true(data instanceof Float32Array)
  t.is(data.length, 0)
  t.throws(() => message.data, RELEASED)
  t.throws(() => message.bytes, RELEASED)
  t.deepEqual(message.shape, [LARGE_BYTES])
  t.notThrows(() => message.release())
})

test('a view of an asynchronous handler stays as it is until the promise settles', async (t) => {
  const { publisher, subscriber } = await ringPair(t, { ringBytes: 512 * 1024 })
  const held: Buffer[] = []
  const wake: (() => void)[] = []
  const options = { view: true, concurrency: 4 }
  const subscription = subscriber.subscribe<Buffer>('data', options, async ({ data }) => {
    held.push(data)
    await new Promise<void>((resolve) => wake.push(resolve))
  })
  await subscription.ready
  publisher.publish('data', Buffer.alloc(LARGE_BYTES, 1))
  publisher.publish('data', Buffer.alloc(LARGE_BYTES, 2))
  await until(() => held.length === 2)
  t.true((await leases(publisher)) > 0)
  // The rest of the ring is written over and over.
  for (let number = 0; number < 100; number++) {
    publisher.publish('nobody', Buffer.alloc(LARGE_BYTES, 9))
    if (number % 10 === 9) await publisher.flush()
  }
  t.deepEqual(
    held.map((data) => [data.length, data.every((byte) => byte === data[0]), data[0]]),
    [
      [LARGE_BYTES, true, 1],
      [LARGE_BYTES, true, 2],
    ],
  )
  for (const resolve of wake) resolve()
  await allReleased(publisher)
})

test('a view ends when its handler throws or rejects, too', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  const errors = errorsOf(subscriber)
  await subscriber.subscribe('throws', { view: true }, () => {
    throw new Error('no')
  }).ready
  await subscriber.subscribe('rejects', { view: true }, async () => {
    await null
    throw new Error('no')
  }).ready
  for (let number = 0; number < 3; number++) {
    publisher.publish('throws', Buffer.alloc(LARGE_BYTES))
    publisher.publish('rejects', Buffer.alloc(LARGE_BYTES))
  }
  await until(() => errors.length === 6)
  await allReleased(publisher)
  t.true(errors.every(({ code }) => code === 'HANDLER_ERROR'))
})

test('text, msgpack and json are copied, and may be kept', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  const kept: Message[] = []
  await subscriber.subscribe('data', { view: true }, (message) => kept.push(message)).ready
  publisher.publish('data', 'x'.repeat(LARGE_BYTES))
  publisher.publish('data', { text: 'y'.repeat(LARGE_BYTES) })
  publisher.publish('data', { text: 'z'.repeat(LARGE_BYTES) }, { encoding: 'json' })
  await until(() => kept.length === 3)
  await allReleased(publisher)
  t.is(kept[0]!.data, 'x'.repeat(LARGE_BYTES))
  t.deepEqual(kept.at(-2)!.data, { text: 'y'.repeat(LARGE_BYTES) })
  t.deepEqual(kept.at(-1)!.data, { text: 'z'.repeat(LARGE_BYTES) })
})

test('release ends a view at once, and only once', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  const results: unknown[] = []
  await subscriber.subscribe<Buffer>('data', { view: true }, async (message) => {
    const { data, bytes } = message
    message.release()
    message.release()
    await allReleased(publisher)
    results.push([data.length, bytes.length])
  }).ready
  publisher.publish('data', Buffer.alloc(LARGE_BYTES))
  await until(() => results.length === 1)
  t.deepEqual(results, [[0, 0]])
})

test('an iteration ends the view of a message at its next step, and `break` the last one', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  const subscription = subscriber.subscribe<Buffer>('data', { view: true })
  const kept: Buffer[] = []
  const loop = (async () => {
    for await (const { data } of subscription) {
      t.true(data.every((byte) => byte === kept.length))
      t.true(kept.every(({ length }) => length === 0))
      if (kept.push(data) === 5) break
    }
  })()
  await subscription.ready
  for (let number = 0; number < 5; number++) publisher.publish('data', Buffer.alloc(LARGE_BYTES, number))
  await loop
  t.true(kept.every(({ length }) => length === 0))
  await allReleased(publisher)
})

test('requests and replies are views where both sides ask for it', async (t) => {
  const { publisher: requester, subscriber: responder } = await ringPair(t)
  await openRing(responder)
  await mapRing(responder, requester)
  const seen: Buffer[] = []
  responder.serve<Buffer, Buffer>(
    'double',
    ({ data }) => {
      seen.push(data)
      return Buffer.from(data.map((byte) => byte * 2))
    },
    { view: true },
  )
  responder.serve<Buffer, Promise<Buffer>>('echo', async ({ data }) => data, { view: true })
  await responder.flush()
  const data = Buffer.alloc(LARGE_BYTES, 21)
  for (const [topic, answer] of [
    ['double', 42],
    ['echo', 21],
  ] as const) {
    const reply = await requester.request<Buffer>(topic, data, { view: true })
    const bytes = reply.data
    t.deepEqual(bytes, Buffer.alloc(LARGE_BYTES, answer))
    reply.release()
    t.is(bytes.length, 0)
    t.throws(() => reply.data, RELEASED)
  }
  t.is(seen[0]!.length, 0, 'the request was a view as well')
  await allReleased(requester)
})

test('`using` releases a reply', async (t) => {
  const { publisher: requester, subscriber: responder } = await ringPair(t)
  await openRing(responder)
  await mapRing(responder, requester)
  responder.serve('data', () => Buffer.alloc(LARGE_BYTES, 5))
  await responder.flush()
  const ask = async () => {
    using reply = await requester.request<Buffer>('data', undefined, { view: true })
    return reply.data
  }
  t.is((await ask()).length, 0)
  await allReleased(requester)
  t.is((await requester.request<Buffer>('data')).data[7], 5)
})

test('parts of a stream are views until the next step, and all are released after `break`', async (t) => {
  const { publisher: requester, subscriber: responder } = await ringPair(t)
  await openRing(responder)
  await mapRing(responder, requester)
  responder.serve('parts', async function* () {
    for (let number = 0; number < 20; number++) yield new Uint16Array(LARGE_BYTES).fill(number)
  })
  await responder.flush()
  const kept: Uint16Array[] = []
  for await (const { data } of requester.requestStream<Uint16Array>('parts', null, { view: true })) {
    t.true(data.every((value) => value === kept.length))
    t.true(kept.every(({ length }) => length === 0))
    kept.push(data)
  }
  t.is(kept.length, 20)
  for await (const { data } of requester.requestStream<Uint16Array>('parts', null, { view: true })) {
    if (kept.push(data) === 23) break
  }
  t.is(kept.at(-1)!.length, 0)
  await allReleased(requester)
})

test('[REQUEST-5] large parts by ring are held back while nobody fetches them', async (t) => {
  const { publisher: requester, subscriber: responder } = await ringPair(t)
  await openRing(responder)
  await mapRing(responder, requester)
  let made = 0
  responder.serve('parts', async function* () {
    for (; made < 50; made++) yield Buffer.alloc(100_000)
  })
  await responder.flush()
  const stream = requester.requestStream<Buffer>('parts', null, { view: true })
  await stream.next()
  for (let round = 0; round < 20; round++) await settled(requester, responder)
  t.true(made >= 2 && made <= 5, `${made} parts of 100 kB were made, of which one was fetched`)
  let fetched = 1
  for await (const { bytes } of stream) {
    t.is(bytes.length, 100_000)
    fetched += 1
  }
  t.is(fetched, 50)
  await allReleased(requester)
})

test('[RING-7] replies that nobody waits for any more are released', async (t) => {
  const { publisher: requester, subscriber: responder } = await ringPair(t)
  await openRing(responder)
  await mapRing(responder, requester)
  let reply = () => {}
  responder.serve('slow', async () => {
    await new Promise<void>((resolve) => {
      reply = resolve
    })
    return Buffer.alloc(LARGE_BYTES)
  })
  await responder.flush()
  const controller = new AbortController()
  const request = requester.request('slow', null, { signal: controller.signal })
  await settled(requester, responder)
  controller.abort()
  reply()
  await t.throwsAsync(request, { code: 'CANCELLED' })
  await settled(responder, requester)
  await allReleased(requester)
})

test('a view that was forgotten is released when it is collected, and reported once', async (t) => {
  const { publisher: requester, subscriber: responder } = await ringPair(t)
  await openRing(responder)
  await mapRing(responder, requester)
  const errors = errorsOf(requester)
  responder.serve('data', () => Buffer.alloc(LARGE_BYTES))
  await responder.flush()
  await requester.request('data', null, { view: true })
  await requester.request('data', null, { view: true })
  await collectUntil(async () => (await leases(requester)) === 0)
  t.is(errors.length, 2)
  t.like(errors[0], { code: 'VIEW_FORGOTTEN', details: { topic: 'data' } })
})

test('a reply whose bytes are still in use is not forgotten', async (t) => {
  const { publisher: requester, subscriber: responder } = await ringPair(t)
  await openRing(responder)
  await mapRing(responder, requester)
  const errors = errorsOf(requester)
  responder.serve('data', () => Buffer.alloc(LARGE_BYTES, 8))
  await responder.flush()
  const { data } = await requester.request<Buffer>('data', null, { view: true })
  let rounds = 0
  await collectUntil(() => ++rounds > 60)
  t.is(await leases(requester), 1)
  t.true(data.every((byte) => byte === 8))
  t.deepEqual(errors, [])
})

for (const way of ['destroy', 'close'] as const) {
  test(`${way} ends every view`, async (t) => {
    const { publisher, subscriber } = await ringPair(t)
    let held: Buffer | undefined
    const options = { view: true }
    await subscriber.subscribe<Buffer>('data', options, async ({ data }) => {
      held = data
      await delay(60_000, undefined, { ref: false })
    }).ready
    publisher.publish('data', Buffer.alloc(LARGE_BYTES))
    await until(() => held !== undefined)
    t.is(held!.length, LARGE_BYTES)
    errorsOf(subscriber)
    if (way === 'destroy') subscriber.destroy()
    else await subscriber.close({ timeout: 1 })
    t.is(held!.length, 0)
    await allReleased(publisher)
  })
}

test('a subscription that was left lets handlers that run keep their views', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  let held: Buffer | undefined
  let finish = () => {}
  const subscription = subscriber.subscribe<Buffer>('data', { view: true }, async ({ data }) => {
    held = data
    await new Promise<void>((resolve) => {
      finish = resolve
    })
  })
  await subscription.ready
  publisher.publish('data', Buffer.alloc(LARGE_BYTES, 4))
  await until(() => held !== undefined)
  subscription.unsubscribe()
  await settled(subscriber, publisher)
  t.true(held!.every((byte) => byte === 4))
  finish()
  await allReleased(publisher)
})

test('a client that reads its own ring gets views of it', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  await openRing(bus)
  const sums: number[] = []
  await bus.subscribe<Uint32Array>('data', { view: true }, ({ data }) => {
    sums.push(data.reduce((sum, value) => sum + value, 0))
  }).ready
  await mapRing(bus, bus)
  bus.publish('data', new Uint32Array(LARGE_BYTES).fill(3))
  await until(() => sums.length === 1)
  t.is(sums[0], 3 * LARGE_BYTES)
})
