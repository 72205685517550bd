import test from 'ava'
import type { Message, TypedArray } from '../../client/index.js'
import { brokerIn, clientOf, settled, until } from './fixtures.js'
import {
  allReleased,
  eventually,
  LARGE_BYTES,
  leases,
  openRing,
  ringPair,
  ringStats,
  segments,
} from './ring-fixtures.js'

const ARRAYS: TypedArray[] = [
  new Int8Array(LARGE_BYTES).map((_, index) => index),
  new Uint8ClampedArray(LARGE_BYTES).fill(200),
  new Int16Array(LARGE_BYTES).map((_, index) => index),
  new Uint16Array(LARGE_BYTES).fill(60_000),
  new Int32Array(LARGE_BYTES).fill(-7),
  new Uint32Array(LARGE_BYTES).fill(4_000_000_000),
  new Float32Array(LARGE_BYTES).map((_, index) => index / 3),
  new Float64Array(LARGE_BYTES).map((_, index) => index / 7),
  new BigInt64Array(LARGE_BYTES).fill(-5n),
  new BigUint64Array(LARGE_BYTES).fill(2n ** 63n),
]

test('[RING-2] large payloads of every encoding go by ring, and arrive as they were sent', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  const sent: unknown[] = [
    Buffer.alloc(LARGE_BYTES, 7),
    'åäö€'.repeat(LARGE_BYTES),
    { rows: Array.from({ length: LARGE_BYTES }, (_, index) => index), name: 'x' },
    ...ARRAYS,
  ]
  const got: Message[] = []
  await subscriber.subscribe('data', (message) => got.push(message)).ready
  const before = await ringStats(publisher)
  for (const data of sent) publisher.publish('data', data, { headers: { kept: true }, priority: 3 })
  publisher.publish('data', { json: 'x'.repeat(LARGE_BYTES) }, { encoding: 'json' })
  publisher.publish('data', ARRAYS[6], { shape: [2, LARGE_BYTES / 2] })
  await until(() => got.length === sent.length + 2)
  for (const [index, data] of sent.entries()) {
    t.deepEqual(got[index]!.data, data, `payload ${index}`)
    t.deepEqual(got[index]!.headers, { kept: true })
    t.is(got[index]!.priority, 3)
  }
  t.deepEqual(got.at(-2)!.data, { json: 'x'.repeat(LARGE_BYTES) })
  t.deepEqual(got.at(-1)!.shape, [2, LARGE_BYTES / 2])
  const after = await ringStats(publisher)
  t.is(after.committed - before.committed, sent.length + 2)
  t.true(after.delivered > before.delivered)
  await allReleased(publisher)
})

test('what is below the threshold travels inline, as does everything with `ring: false`', async (t) => {
  const { path, publisher, subscriber } = await ringPair(t)
  const plain = await clientOf(t, path, { ring: false })
  const got: unknown[] = []
  const gotByPlain: unknown[] = []
  await subscriber.subscribe('data', ({ data }) => got.push(String(data))).ready
  await plain.subscribe('data', ({ data }) => gotByPlain.push(String(data))).ready
  const before = await ringStats(publisher)
  const small = 'x'.repeat(16 * 1024 - 1)
  // Each of its characters might have taken three bytes.
  publisher.publish('data', small)
  publisher.publish('data', Buffer.from(small))
  plain.publish('data', `${small}yz`)
  await settled(publisher, plain, subscriber)
  t.is((await ringStats(publisher)).committed, before.committed)
  publisher.publish('data', `${small}y`)
  await settled(publisher, plain, subscriber)
  t.deepEqual(got.toSorted(), [small, small, `${small}y`, `${small}yz`])
  t.deepEqual(gotByPlain.toSorted(), got.toSorted())
  const after = await ringStats(publisher)
  t.is(after.committed, before.committed + 1)
})

test('a threshold of the client takes the place of the advice of the broker', async (t) => {
  const { publisher, subscriber } = await ringPair(t, {}, { ring: { threshold: 100 } })
  const got: unknown[] = []
  await subscriber.subscribe('data', ({ data }) => got.push(String(data))).ready
  const before = await ringStats(publisher)
  publisher.publish('data', 'x'.repeat(99))
  publisher.publish('data', 'x'.repeat(100))
  await settled(publisher, subscriber)
  t.deepEqual(got, ['x'.repeat(99), 'x'.repeat(100)])
  t.is((await ringStats(publisher)).committed, before.committed + 1)
})

test('options of rings are checked', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  for (const ring of [{ threshold: 0 }, { treshold: 1 }, { threshold: 2 ** 31 }, 'yes']) {
    await t.throwsAsync(clientOf(t, path, { ring: ring as never }), { code: 'INVALID_ARGUMENT' })
  }
  t.throws(() => bus.subscribe('a', { view: 1 as never }), { code: 'INVALID_ARGUMENT' })
  t.throws(() => bus.serve('a', () => {}, { view: 1 as never }), { code: 'INVALID_ARGUMENT' })
  await t.throwsAsync(bus.request('a', 1, { view: 1 as never }), { code: 'INVALID_ARGUMENT' })
})

test('[RING-11] messages of mixed sizes keep their order, by ring and inline', async (t) => {
  const { publisher, subscriber } = await ringPair(t, { ringBytes: 1024 * 1024 })
  const got: number[] = []
  await subscriber.subscribe('data', ({ bytes }) => got.push(bytes.readUInt32LE())).ready
  const count = 2000
  for (let number = 0; number < count; number++) {
    const data = Buffer.alloc(number % 3 === 0 ? 10 : 16_000 + (number % 7) * 10_000)
    data.writeUInt32LE(number)
    if (!publisher.publish('data', data)) await publisher.ready('data')
  }
  await until(() => got.length === count)
  t.deepEqual(
    got,
    Array.from({ length: count }, (_, number) => number),
  )
  const { committed, delivered } = await ringStats(publisher)
  t.true(committed > 1000, `${committed} went by ring`)
  t.true(delivered > 100, `${delivered} came by ring`)
  await allReleased(publisher)
})

test('a copy that was handed over stays as it is while the ring goes on', async (t) => {
  const { publisher, subscriber } = await ringPair(t, { ringBytes: 256 * 1024 })
  const kept: Message<Buffer>[] = []
  await subscriber.subscribe<Buffer>('data', (message) => kept.push(message)).ready
  for (let number = 0; number < 100; number++) {
    publisher.publish('data', Buffer.alloc(LARGE_BYTES, number))
    await settled(publisher, subscriber)
  }
  t.true(kept.every(({ data }, number) => data.every((byte) => byte === number)))
  const array = kept[0]!
  t.is(array.data, array.bytes)
  t.notThrows(() => array.release())
  t.is(array.data.length, LARGE_BYTES, 'release does nothing to a copy')
})

test('[RING-3] a payload that is larger than the ring gets a larger one', async (t) => {
  const { publisher, subscriber } = await ringPair(t, { ringBytes: 256 * 1024 })
  const got: number[] = []
  await subscriber.subscribe('data', ({ bytes }) => got.push(bytes.length)).ready
  const bytes = 300 * 1024
  publisher.publish('data', Buffer.alloc(bytes))
  await settled(publisher, subscriber)
  t.deepEqual(got, [bytes], 'inline, while the larger ring is not there')
  await openRing(publisher, bytes)
  const { committed } = await ringStats(publisher)
  publisher.publish('data', Buffer.alloc(bytes))
  publisher.publish('data', Buffer.alloc(LARGE_BYTES))
  await until(() => got.length === 3)
  t.deepEqual(got, [bytes, bytes, LARGE_BYTES])
  t.is((await ringStats(publisher)).committed, committed + 2)
  await eventually(async () => (await segments(publisher)).length === 1)
  t.is((await segments(publisher))[0]!.bytes, 512 * 1024)
})

test('a payload that fits neither a frame nor the ring is refused, with a hint', async (t) => {
  const limits = { payloadBytesMax: 64 * 1024, ringBytes: 256 * 1024, ringBytesMax: 1024 * 1024 }
  const { publisher } = await ringPair(t, limits)
  t.throws(() => publisher.publish('data', Buffer.alloc(300 * 1024)), {
    code: 'MESSAGE_TOO_LARGE',
    message: /`loan`/,
  })
  const error = t.throws(() => publisher.publish('data', Buffer.alloc(1024 * 1024 + 1)), {
    code: 'MESSAGE_TOO_LARGE',
  })
  t.notRegex(error!.message, /`loan`/)
  await t.throwsAsync(publisher.request('data', Buffer.alloc(64 * 1024 + 1)), { code: 'MESSAGE_TOO_LARGE' })
})

test('[RING-7] what is dropped without being handled is released', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  const data = Buffer.alloc(LARGE_BYTES)
  let handled = 0
  let proceed = () => {}
  const blocked = new Promise<void>((resolve) => {
    proceed = resolve
  })
  const left = subscriber.subscribe('left', () => blocked.then(() => handled++))
  const expired = subscriber.subscribe('expired', () => blocked.then(() => handled++))
  await subscriber.flush()
  for (let number = 0; number < 5; number++) {
    publisher.publish('left', data)
    publisher.publish('expired', data, { ttl: number === 0 ? 60_000 : 1 })
  }
  await settled(publisher, subscriber)
  await eventually(async () => (await leases(publisher)) > 0)
  left.unsubscribe()
  proceed()
  await until(() => handled === 2)
  await allReleased(publisher)
  t.is(handled, 2)
  expired.unsubscribe()
})

test('everything is released again when subscriptions come and go amid a stream', async (t) => {
  const { publisher, subscriber } = await ringPair(t, { ringBytes: 1024 * 1024 })
  let handled = 0
  for (let round = 0; round < 20; round++) {
    const subscription = subscriber.subscribe('data', { concurrency: 2 }, async () => {
      handled += 1
      await null
    })
    await subscription.ready
    for (let number = 0; number < 10; number++) publisher.publish('data', Buffer.alloc(LARGE_BYTES))
    if (round % 2 === 0) await publisher.flush()
    subscription.unsubscribe()
  }
  t.true(handled > 0)
  await allReleased(publisher)
  await openRing(publisher)
})
