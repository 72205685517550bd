import test from 'ava'
import { loadNative, type NativeHost } from '../../shmring/index.js'
import { errorsOf, settled, until } from './fixtures.js'
import { collectUntil } from './garbage.js'
import {
  allReleased,
  eventually,
  LARGE_BYTES,
  leases,
  ringPair,
  ringStats,
  segments,
} from './ring-fixtures.js'

type Replaceable = { -readonly [Name in keyof NativeHost]: NativeHost[Name] }

const native = loadNative() as Replaceable

/** Runs with a function of the addon replaced; tests that do so run one after another. */
async function withNative<Name extends keyof NativeHost>(
  name: Name,
  replacement: NativeHost[Name],
  run: () => Promise<void>,
): Promise<void> {
  const original = native[name]
  native[name] = replacement
  try {
    await run()
  } finally {
    native[name] = original
  }
}

test.serial('where the runtime forbids foreign memory, views are copies with the same manners', async (t) => {
  await withNative(
    'readerView',
    () => undefined,
    async () => {
      const { publisher, subscriber } = await ringPair(t)
      const got: Buffer[] = []
      const released: number[] = []
      await subscriber.subscribe<Buffer>('data', { view: true }, (message) => {
        got.push(message.data)
        message.release()
        released.push(message.data.length)
      }).ready
      publisher.publish('data', Buffer.alloc(LARGE_BYTES, 3))
      await until(() => released.length === 1)
      await allReleased(publisher)
      t.deepEqual(got, [Buffer.alloc(LARGE_BYTES, 3)])
      t.deepEqual(released, [LARGE_BYTES])
    },
  )
})

test.serial('where the runtime forbids foreign memory, loans are copied into the ring', async (t) => {
  await withNative(
    'ringLoan',
    () => undefined,
    async () => {
      const { publisher, subscriber } = await ringPair(t)
      const got: Buffer[] = []
      await subscriber.subscribe<Buffer>('data', ({ data }) => got.push(data)).ready
      const { committed } = await ringStats(publisher)
      const loan = await publisher.loan('data', LARGE_BYTES)
      loan.bytes.fill(4)
      loan.publish()
      t.is(loan.bytes.length, 0)
      const discarded = await publisher.loan('data', LARGE_BYTES)
      discarded.discard()
      t.is(discarded.bytes.length, 0)
      const moved = await publisher.loan('data', LARGE_BYTES)
      structuredClone(moved.bytes.buffer, { transfer: [moved.bytes.buffer as ArrayBuffer] })
      t.throws(() => moved.publish(), { code: 'INVALID_ARGUMENT', message: /transferred elsewhere/ })
      await until(() => got.length === 1)
      t.deepEqual(got, [Buffer.alloc(LARGE_BYTES, 4)])
      t.is((await ringStats(publisher)).committed, committed + 1)
    },
  )
})

test.serial('a view that is in other hands as it is released is released when it is collected', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  const errors = errorsOf(subscriber)
  const kept: Buffer[] = []
  await subscriber.subscribe<Buffer>('data', { view: true }, ({ data }) => kept.push(data)).ready
  await withNative(
    'readerRelease',
    () => false,
    async () => {
      publisher.publish('data', Buffer.alloc(LARGE_BYTES, 2))
      await until(() => kept.length === 1)
      await settled(publisher, subscriber)
    },
  )
  t.deepEqual(kept[0], Buffer.alloc(LARGE_BYTES, 2))
  t.is(await leases(publisher), 1)
  kept.length = 0
  await collectUntil(async () => (await leases(publisher)) === 0)
  t.deepEqual(errors, [], 'it was not forgotten')
})

test.serial('a loan that is in other hands cannot be published, and its ring is replaced', async (t) => {
  const { publisher } = await ringPair(t, { ringBytes: 256 * 1024 })
  const loan = await publisher.loan('data', LARGE_BYTES)
  const before = await segments(publisher)
  await withNative(
    'ringEndLoan',
    () => false,
    async () => {
      t.throws(() => loan.publish(), { code: 'INVALID_ARGUMENT', message: /transferred elsewhere/ })
    },
  )
  t.throws(() => loan.publish(), { code: 'INVALID_ARGUMENT' })
  await eventually(async () => (await segments(publisher)).some(({ state }) => state === 'active'))
  const after = await segments(publisher)
  t.deepEqual(
    after.map(({ segment, state }) => [segment, state]),
    [
      [before[0]!.segment, 'retiring'],
      [before[0]!.segment + 1, 'active'],
    ],
  )
  const next = await publisher.loan('data', LARGE_BYTES)
  t.true(next.publish())
})

test.serial('while the system has no memory for claims, everything goes inline', async (t) => {
  const { publisher, subscriber } = await ringPair(t)
  const got: unknown[] = []
  await subscriber.subscribe('data', ({ data }) => got.push(data)).ready
  const { committed } = await ringStats(publisher)
  const exhausted = () => {
    throw Object.assign(new Error('no memory'), { code: 'ENOMEM' })
  }
  let claims = 0
  const claim = () => {
    claims += 1
    return exhausted()
  }
  await withNative('ringClaim', claim, async () => {
    t.true(publisher.publish('data', Buffer.alloc(LARGE_BYTES, 1)))
    t.true(publisher.publish('data', Buffer.alloc(LARGE_BYTES, 2)))
    const loan = await publisher.loan('data', LARGE_BYTES)
    loan.bytes.fill(3)
    loan.publish()
  })
  await until(() => got.length === 3)
  t.deepEqual(
    got,
    [1, 2, 3].map((byte) => Buffer.alloc(LARGE_BYTES, byte)),
  )
  t.is(claims, 1, 'it is not asked again at once')
  t.is((await ringStats(publisher)).committed, committed)
  await eventually(async () => {
    publisher.publish('nobody', Buffer.alloc(LARGE_BYTES))
    return (await ringStats(publisher)).committed > committed
  })
})
