import test from 'ava'
import type { Message } from '../../client/index.js'
import { brokerIn, clientOf, eventOf, settled, until } from './fixtures.js'
import { collectUntil } from './garbage.js'
import { allReleased, LARGE_BYTES, openRing, ringPair, ringStats, segments } from './ring-fixtures.js'

const KIBIBYTE = 1024

test('a loan is published from where it was written, and its memory is taken away', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  const got: unknown[] = []
  await subscriber.subscribe<Buffer>('frames', { view: true }, ({ data, priority, headers, encoding }) => {
    got.push({ sum: data.reduce((sum, byte) => sum + byte, 0), priority, headers, encoding })
  }).ready
  const { committed } = await ringStats(publisher)
  const loan = await publisher.loan('frames', LARGE_BYTES)
  t.is(loan.topic, 'frames')
  t.is(loan.bytes.length, LARGE_BYTES)
  t.is(loan.array, undefined)
  loan.bytes.fill(2)
  t.true(loan.publish({ priority: 7, headers: { camera: 3 }, ttl: 60_000 }))
  t.is(loan.bytes.length, 0)
  await until(() => got.length === 1)
  t.deepEqual(got, [{ sum: 2 * LARGE_BYTES, priority: 7, headers: { camera: 3 }, encoding: 'bytes' }])
  t.is((await ringStats(publisher)).committed, committed + 1)
  t.throws(() => loan.publish(), { code: 'INVALID_ARGUMENT', message: /published or discarded before/ })
  t.throws(() => loan.discard(), { code: 'INVALID_ARGUMENT' })
  await allReleased(publisher)
})

test('a loan with `dtype` and `shape` is a typed array at both ends', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  const got: Message[] = []
  await subscriber.subscribe('frames', (message) => got.push(message)).ready
  const loan = await publisher.loan('frames', { dtype: 'float32', shape: [100, 100] })
  t.true(loan.array instanceof Float32Array)
  t.is(loan.array.length, 10_000)
  t.true(loan.array.buffer === loan.bytes.buffer)
  for (let index = 0; index < 10_000; index++) loan.array[index] = index / 4
  loan.publish({ headers: { n: 1 } })
  t.is(loan.array.length, 0)
  const small = await publisher.loan('frames', { dtype: 'int64', shape: [2] })
  small.array.set([1n, -1n])
  small.publish()
  await until(() => got.length === 2)
  t.deepEqual(
    got[0]!.data,
    new Float32Array(10_000).map((_, index) => index / 4),
  )
  t.deepEqual(got[0]!.shape, [100, 100])
  t.deepEqual(got[0]!.headers, { n: 1 })
  t.deepEqual(got[1]!.data, new BigInt64Array([1n, -1n]))
})

test('what cannot be lent is refused at once', async (t) => {
  const limits = { payloadBytesMax: 64 * KIBIBYTE, ringBytes: 256 * KIBIBYTE, ringBytesMax: 1024 * KIBIBYTE }
  const { publisher } = await ringPair(t, limits)
  const refused = (topic: unknown, size: unknown, code: string, options?: unknown) =>
    t.throwsAsync(publisher.loan(topic as string, size as number, options as object), { code })
  await refused('a..b', 1, 'BAD_TOPIC')
  await refused(7, 1, 'BAD_TOPIC')
  await refused('$SYS.x', 1, 'TOPIC_RESERVED')
  await refused('a', -1, 'INVALID_ARGUMENT')
  await refused('a', 1.5, 'INVALID_ARGUMENT')
  await refused('a', null, 'INVALID_ARGUMENT')
  await refused('a', { dtype: 'float16', shape: [1] }, 'INVALID_ARGUMENT')
  await refused('a', { dtype: 'int8', shape: [-1] }, 'INVALID_ARGUMENT')
  await refused('a', { dtype: 'int8', shape: [2 ** 30, 2 ** 30] }, 'INVALID_ARGUMENT')
  await refused('a', { dtype: 'int8' }, 'INVALID_ARGUMENT')
  await refused('a', 1, 'INVALID_ARGUMENT', { signal: 1 })
  await refused('a', 1, 'INVALID_ARGUMENT', { timeout: 1 })
  await refused('a', 1024 * KIBIBYTE + 1, 'MESSAGE_TOO_LARGE')
  const loan = await publisher.loan('a', LARGE_BYTES)
  t.throws(() => loan.publish({ priority: 99 }), { code: 'INVALID_ARGUMENT' })
  t.throws(() => loan.publish({ encoding: 'utf8' } as object), { code: 'INVALID_ARGUMENT' })
  t.throws(() => loan.publish({ headers: { $x: 1 } }), { code: 'ENCODE_FAILED' })
  t.is(loan.bytes.length, LARGE_BYTES, 'it is as it was')
  t.true(loan.publish())
})

test('loans may be published in another order than they were made', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  const got: number[] = []
  await subscriber.subscribe<Buffer>('frames', { view: true }, ({ data }) => got.push(data[0]!)).ready
  const loans = await Promise.all([1, 2, 3].map(() => publisher.loan('frames', LARGE_BYTES)))
  for (const [index, loan] of loans.entries()) loan.bytes.fill(index)
  loans[2]!.publish()
  loans[0]!.publish()
  loans[1]!.publish()
  publisher.publish('frames', Buffer.alloc(LARGE_BYTES, 3))
  await until(() => got.length === 4)
  t.deepEqual(got, [2, 0, 1, 3])
  await allReleased(publisher)
})

test('[RING-6] a loan that is discarded gives its memory back', async (t) => {
  const { publisher } = await ringPair(t, { ringBytes: 256 * KIBIBYTE })
  const { committed } = await ringStats(publisher)
  for (let round = 0; round < 50; round++) {
    using disposed = await publisher.loan('nobody', 100 * KIBIBYTE)
    t.is(disposed.bytes.length, 100 * KIBIBYTE)
    const discarded = await publisher.loan('nobody', 100 * KIBIBYTE)
    discarded.discard()
    t.is(discarded.bytes.length, 0)
  }
  {
    using published = await publisher.loan('nobody', 100 * KIBIBYTE)
    published.publish()
  }
  t.is((await ringStats(publisher)).committed, committed + 1)
})

test('a loan that was forgotten gives its memory back when it is collected', async (t) => {
  const { publisher } = await ringPair(t, { ringBytes: 256 * KIBIBYTE })
  const { bytes } = await publisher.loan('nobody', 200 * KIBIBYTE)
  const waiting = publisher.loan('nobody', 200 * KIBIBYTE)
  let isServed = false
  const served = waiting.then(() => {
    isServed = true
  })
  await collectUntil(() => isServed)
  await served
  t.is(bytes.length, 0, 'nobody could have published it')
})

test('a payload in memory that threads share goes by ring as any other', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  const got: unknown[] = []
  await subscriber.subscribe('data', ({ data }) => got.push(data)).ready
  const shared = new Uint8Array(new SharedArrayBuffer(LARGE_BYTES)).fill(3)
  t.true(publisher.publish('data', shared))
  await until(() => got.length === 1)
  t.deepEqual(got, [Buffer.alloc(LARGE_BYTES, 3)])
})

test('the first loan waits until the ring is there, and one that is larger than the ring for a larger one', async (t) => {
  const limits = { payloadBytesMax: 64 * KIBIBYTE, ringBytes: 256 * KIBIBYTE }
  const path = await brokerIn(t, limits)
  const publisher = await clientOf(t, path)
  const subscriber = await clientOf(t, path)
  const got: number[] = []
  await subscriber.subscribe<Buffer>('frames', ({ data }) => got.push(data.length)).ready
  const first = await publisher.loan('frames', 100 * KIBIBYTE)
  first.publish()
  const larger = await publisher.loan('frames', 700 * KIBIBYTE)
  larger.publish()
  await until(() => got.length === 2)
  t.deepEqual(got, [100 * KIBIBYTE, 700 * KIBIBYTE])
  const { committed } = await ringStats(publisher)
  t.is(committed, 2)
  const sizes = (await segments(publisher)).map(({ bytes }) => bytes)
  t.true(sizes.includes(1024 * KIBIBYTE), String(sizes))
})

test('loans wait in turn for space', async (t) => {
  const { publisher } = await ringPair(t, { ringBytes: 256 * KIBIBYTE })
  const held = await publisher.loan('nobody', 200 * KIBIBYTE)
  const order: string[] = []
  const large = publisher.loan('nobody', 200 * KIBIBYTE)
  const small = publisher.loan('nobody', LARGE_BYTES)
  void large.then(() => order.push('large'))
  void small.then(() => order.push('small'))
  await settled(publisher)
  t.deepEqual(order, [], 'the small one does not overtake, though there is room for it')
  held.publish()
  const second = await large
  second.publish()
  const third = await small
  t.is(third.bytes.length, LARGE_BYTES)
  third.discard()
  t.deepEqual(order, ['large', 'small'])
})

test('while a loan waits, publish goes inline and asks for a pause, which ends after the loan', async (t) => {
  const { publisher, subscriber } = await ringPair(t, { ringBytes: 256 * KIBIBYTE })
  let got = 0
  await subscriber.subscribe('data', () => got++).ready
  const { committed } = await ringStats(publisher)
  const held = await publisher.loan('nobody', 200 * KIBIBYTE)
  const waiting = publisher.loan('nobody', 250 * KIBIBYTE)
  t.false(publisher.publish('data', Buffer.alloc(LARGE_BYTES)))
  let isReady = false
  const ready = publisher.ready('data').then(() => {
    isReady = true
  })
  await settled(publisher, subscriber)
  t.is(got, 1)
  t.is((await ringStats(publisher)).committed, committed)
  t.false(isReady)
  held.discard()
  const loan = await waiting
  await settled(publisher)
  t.false(isReady, 'the loan has taken the room')
  loan.discard()
  await ready
  t.true(publisher.publish('data', Buffer.alloc(LARGE_BYTES)))
  await until(() => got === 2)
})

test('a signal ends the wait for a loan, and those behind it go on', async (t) => {
  const { publisher } = await ringPair(t, { ringBytes: 256 * KIBIBYTE })
  const held = await publisher.loan('nobody', 200 * KIBIBYTE)
  const controller = new AbortController()
  const { signal } = controller
  const large = publisher.loan('nobody', 200 * KIBIBYTE, { signal })
  const small = publisher.loan('nobody', LARGE_BYTES, { signal: new AbortController().signal })
  controller.abort(new Error('enough'))
  const error = await t.throwsAsync(large, { code: 'CANCELLED' })
  t.is((error!.cause as Error).message, 'enough')
  const loan = await small
  await t.throwsAsync(publisher.loan('nobody', LARGE_BYTES, { signal }), { code: 'CANCELLED' })
  loan.discard()
  held.discard()
})

test('publish returns false when the ring has no room for another, and `ready` and `drain` say when it has', async (t) => {
  const { publisher, subscriber } = await ringPair(t, { ringBytes: 256 * KIBIBYTE })
  let release = () => {}
  let got = 0
  await subscriber.subscribe('data', { view: true }, async () => {
    got += 1
    if (got > 1) return
    await new Promise<void>((resolve) => {
      release = resolve
    })
  }).ready
  const { committed } = await ringStats(publisher)
  t.true(publisher.publish('data', Buffer.alloc(100 * KIBIBYTE)))
  t.false(publisher.publish('data', Buffer.alloc(100 * KIBIBYTE)))
  t.is((await ringStats(publisher)).committed, committed + 2, 'both went by ring')
  t.false(publisher.publish('data', Buffer.alloc(100 * KIBIBYTE)))
  t.is((await ringStats(publisher)).committed, committed + 2, 'and this one inline')
  t.true(publisher.publish('small', 'x'))
  await publisher.ready('small')
  let isReady = false
  const ready = publisher.ready('data').then(() => {
    isReady = true
  })
  const drained = eventOf(publisher, 'drain')
  await settled(publisher, subscriber)
  t.is(got, 1)
  t.false(isReady)
  release()
  await ready
  t.is(await drained, 'data')
  await until(() => got === 3)
  await allReleased(publisher)
  t.true(publisher.publish('data', Buffer.alloc(100 * KIBIBYTE)))
  await until(() => got === 4)
  t.is((await ringStats(publisher)).committed, committed + 3)
})

test('a payload that fits no frame is refused with BACKPRESSURE while the ring is full', async (t) => {
  const { publisher } = await ringPair(t, { ringBytes: 256 * KIBIBYTE, payloadBytesMax: 64 * KIBIBYTE })
  const held = await publisher.loan('nobody', 200 * KIBIBYTE)
  t.throws(() => publisher.publish('data', Buffer.alloc(100 * KIBIBYTE)), {
    code: 'BACKPRESSURE',
    message: /await ready\("data"\)/,
  })
  const ready = publisher.ready('data')
  held.discard()
  await ready
  t.notThrows(() => publisher.publish('data', Buffer.alloc(100 * KIBIBYTE)))
})

test('without a ring, a loan is ordinary memory with the same manners', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path, { ring: false })
  const got: unknown[] = []
  await bus.subscribe('frames', ({ data }) => got.push(data)).ready
  const loan = await bus.loan('frames', 3 * LARGE_BYTES)
  t.true(loan.bytes.every((byte) => byte === 0))
  loan.bytes.fill(1)
  loan.publish()
  t.is(loan.bytes.length, 0)
  t.throws(() => loan.publish(), { code: 'INVALID_ARGUMENT' })
  const array = await bus.loan('frames', { dtype: 'uint16', shape: [2, 2] })
  array.array.set([1, 2, 3, 4])
  array.publish()
  const empty = await bus.loan('frames', 0)
  empty.publish()
  const discarded = await bus.loan('frames', 10)
  discarded.discard()
  t.is(discarded.bytes.length, 0)
  const moved = await bus.loan('frames', 10)
  structuredClone(moved.bytes.buffer, { transfer: [moved.bytes.buffer as ArrayBuffer] })
  t.throws(() => moved.publish(), { code: 'INVALID_ARGUMENT', message: /transferred elsewhere/ })
  t.throws(() => moved.publish(), { code: 'INVALID_ARGUMENT' })
  await until(() => got.length === 3)
  t.deepEqual(got, [Buffer.alloc(3 * LARGE_BYTES, 1), new Uint16Array([1, 2, 3, 4]), Buffer.alloc(0)])
  await t.throwsAsync(bus.loan('frames', 65 * KIBIBYTE * KIBIBYTE), { code: 'MESSAGE_TOO_LARGE' })
  t.is((await ringStats(bus)).committed, 0)
})

test('a loan below the threshold, or of nothing, takes none of the ring', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  const got: number[] = []
  await subscriber.subscribe<Buffer>('frames', ({ data }) => got.push(data.length)).ready
  const { committed } = await ringStats(publisher)
  for (const bytes of [0, 1, 16 * KIBIBYTE - 1]) (await publisher.loan('frames', bytes)).publish()
  await until(() => got.length === 3)
  t.deepEqual(got, [0, 1, 16 * KIBIBYTE - 1])
  t.is((await ringStats(publisher)).committed, committed)
})

test('a client that is closed lends nothing, and takes back what it has lent', async (t) => {
  const { publisher } = await ringPair(t, { ringBytes: 256 * KIBIBYTE })
  const ring = await publisher.loan('nobody', 200 * KIBIBYTE)
  const inline = await publisher.loan('nobody', 100)
  const waiting = publisher.loan('nobody', 200 * KIBIBYTE)
  publisher.destroy()
  await t.throwsAsync(waiting, { code: 'CLOSED' })
  await t.throwsAsync(publisher.loan('nobody', 1), { code: 'CLOSED' })
  t.is(ring.bytes.length, 0)
  t.throws(() => ring.publish(), { code: 'CLOSED' })
  t.throws(() => inline.publish(), { code: 'CLOSED' })
  t.notThrows(() => ring.discard())
  t.notThrows(() => inline.discard())
})

test('[RING-9] a loan that is open when the ring retires can still be published', async (t) => {
  const { publisher, subscriber } = await ringPair(t, { ringIdleMs: 100 })
  const got: Buffer[] = []
  await subscriber.subscribe<Buffer>('frames', ({ data }) => got.push(data)).ready
  const loan = await publisher.loan('frames', LARGE_BYTES)
  // One that was used before may be retiring as well.
  const ring = Math.max(...(await segments(publisher)).map(({ segment }) => segment))
  const isRetiring = async () =>
    (await segments(publisher)).some(({ segment, state }) => segment === ring && state === 'retiring')
  while (!(await isRetiring())) await settled(publisher)
  const next = await publisher.loan('frames', LARGE_BYTES)
  t.true(await isRetiring())
  t.true((await segments(publisher)).some(({ segment }) => segment > ring))
  next.bytes.fill(2)
  next.publish()
  loan.bytes.fill(1)
  loan.publish()
  await until(() => got.length === 2)
  t.deepEqual(got, [Buffer.alloc(LARGE_BYTES, 2), Buffer.alloc(LARGE_BYTES, 1)])
  while (await isRetiring()) await settled(publisher)
  await openRing(publisher)
  t.pass()
})
