import test from 'ava'
import { Flag, Kind, SegmentRole } from '../../../protocol/index.js'
import { startBench } from '../fixtures.js'
import { subscribe, topic } from '../frames.js'
import { patterned, RingClient, ringRows, ringStats } from '../ring-client.js'
import { abort, decline, mapped, open, publishByRing, retired } from '../ring-frames.js'

const KIB = 1024
const WIDE = { window: 2 ** 30 }
const SMALL = { ringBytes: 64 * KIB }

test('[RING-2] [RING-3] OPEN is refused without the capability, and by a broker without rings', async (t) => {
  const { client, path } = await startBench(t)
  const plain = await client()
  plain.send(open(1))
  await plain.expectRefusal('FEATURE_UNSUPPORTED', Kind.OPEN, 0)
  const other = await RingClient.open(t, path, 'other', { ring: 2 })
  other.send(open(1))
  await other.expectRefusal('FEATURE_UNSUPPORTED', Kind.OPEN, 0)
  const without = await startBench(t, { rings: false })
  const user = await RingClient.open(t, without.path)
  user.send(
    open(1),
    topic(0, 'a'),
    publishByRing(0, { segment: 1, position: 0, length: 1, padding: 0, restarted: false }),
  )
  await user.expectRefusal('FEATURE_UNSUPPORTED', Kind.OPEN, 0)
  await user.expectRefusal('FEATURE_UNSUPPORTED', Kind.MESSAGE, 0)
  await user.expectNothing()
  t.like(await ringStats(user), { offered: false, segments: 0 })
})

test('[RING-3] a ring is as large as asked for, in steps, from ringBytes to ringBytesMax', async (t) => {
  const { path } = await startBench(t, { ringBytes: 100_000, ringBytesMax: 1_000_000, ringSegmentsMax: 10 })
  const owner = await RingClient.open(t, path)
  for (const [asked, bytes] of [
    [0, 2 * 65_536],
    [100_000, 2 * 65_536],
    [200_000, 4 * 65_536],
    [1_000_000, 16 * 65_536],
  ] as const) {
    owner.send(open(asked))
    t.is((await owner.expectOffer(SegmentRole.OWNER)).bytes, bytes)
  }
  for (const asked of [1_000_001, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
    owner.send(open(asked))
    await owner.expectRefusal('RING_LIMIT', Kind.OPEN, 0)
  }
})

test('[RING-3] a client has no more than ringSegmentsMax rings, those included that are not empty', async (t) => {
  const { client, path } = await startBench(t, { ...SMALL, ringSegmentsMax: 2 })
  const [owner, observer] = [await RingClient.open(t, path), await client()]
  const first = await owner.openRing(1)
  owner.send(open(1))
  await owner.expect('RETIRE', { topic: first.id })
  const second = await owner.expectOffer(SegmentRole.OWNER)
  owner.send(mapped(second.id), open(1))
  await owner.expect('RETIRE', { topic: second.id })
  await owner.expectRefusal('RING_LIMIT', Kind.OPEN, 0)
  owner.send(retired(first.id), open(1))
  await owner.expectOffer(SegmentRole.OWNER)
  t.like(await ringStats(observer), { segments: 2 })
})

test('[RING-3] the rings of one user, and of all, have a bound; what is given back may be had again', async (t) => {
  for (const limits of [{ ringUserBytesMax: 128 * KIB }, { ringTotalBytesMax: 128 * KIB }]) {
    const { client, path } = await startBench(t, { ...SMALL, ...limits })
    const [owner, other, observer] = [
      await RingClient.open(t, path),
      await RingClient.open(t, path),
      await client(),
    ]
    await owner.openRing(1)
    const ring = await other.openRing(1)
    const third = await RingClient.open(t, path)
    third.send(open(1))
    await third.expectRefusal('RING_LIMIT', Kind.OPEN, 0)
    t.like(await ringStats(observer), { segments: 2, segmentBytes: 128 * KIB })
    owner.hangUp()
    while ((await ringStats(observer)).segments > 1);
    third.send(open(100_000))
    await third.expectRefusal('RING_LIMIT', Kind.OPEN, 0)
    await third.openRing(1)
    t.deepEqual(
      (await ringRows(observer)).map(({ client }) => client),
      [other.clientId, third.clientId],
    )
    t.truthy(ring.claim(1))
  }
})

test('[RING-2] a message by ring has no more than ringPayloadBytesMax bytes, wherever it fits', async (t) => {
  const { path } = await startBench(t, { ringBytes: 64 * KIB, ringBytesMax: 100_000 })
  const owner = await RingClient.open(t, path)
  t.is(owner.limits['ringPayloadBytesMax'], 100_000)
  owner.send(subscribe(1, 'a', WIDE))
  await owner.expectNothing()
  const ring = await owner.openRing(100_000)
  t.is(ring.bytes, 128 * KIB)
  owner.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(1000, 1))))
  await owner.mapOffered()
  owner.release(await owner.expect('MESSAGE'))
  owner.send(publishByRing(0, ring.put(patterned(100_000, 2))))
  const largest = await owner.expect('MESSAGE', { flags: Flag.RING })
  t.true(owner.read(largest).equals(patterned(100_000, 2)))
  owner.release(largest)
  await owner.expectNothing()
  owner.send(publishByRing(0, ring.put(patterned(100_001, 1))))
  await owner.expectFatal('MESSAGE_TOO_LARGE')
})

test('[RING-11] what is larger than an inline payload may be is dropped for whoever cannot map it, and counted', async (t) => {
  const { client, path } = await startBench(t, { ...SMALL, payloadBytesMax: 20_000 })
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const plain = await client()
  for (const subscriber of [reader, plain]) {
    subscriber.send(subscribe(1, 'a', WIDE))
    await subscriber.expectNothing()
  }
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'))
  for (const length of [20_001, 20_000]) owner.send(publishByRing(0, ring.put(patterned(length, length))))
  await reader.mapOffered()
  for (const length of [20_001, 20_000]) {
    const received = await reader.expect('MESSAGE')
    t.true(reader.read(received).equals(patterned(length, length)))
    reader.release(received)
  }
  t.true((await plain.expect('MESSAGE')).payload.equals(patterned(20_000, 20_000)))
  const { rows } = await owner.ask<{ rows: object[] }>('$SYS.subscriptions')
  t.like(rows, [
    { client: reader.clientId, matched: 2, dropped: 0, inFlight: 2 },
    { matched: 2, dropped: 1, inFlight: 1 },
  ])
})

test('a ring with more records than ringRecordsMax is offered to nobody new', async (t) => {
  const { path } = await startBench(t, { ...SMALL, ringRecordsMax: 3 })
  const [owner, early, late] = [
    await RingClient.open(t, path),
    await RingClient.open(t, path),
    await RingClient.open(t, path),
  ]
  early.send(subscribe(1, 'a', WIDE))
  await early.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'))
  for (let seed = 0; seed < 4; seed++) owner.send(publishByRing(0, ring.put(patterned(100, seed))))
  await early.mapOffered()
  const held = [
    await early.nextMessage(),
    await early.nextMessage(),
    await early.nextMessage(),
    await early.nextMessage(),
  ]
  late.send(subscribe(1, 'a', WIDE))
  await late.expectNothing()
  owner.send(publishByRing(0, ring.put(patterned(100, 5))))
  t.true((await late.expect('MESSAGE', { flags: 0 })).payload.equals(patterned(100, 5)))
  held.push(await early.expect('MESSAGE'))
  early.release(...held)
  await early.expectNothing()
  owner.send(publishByRing(0, ring.put(patterned(100, 6))))
  await late.mapOffered()
  await late.expect('MESSAGE', { flags: Flag.RING })
})

test('[RING-6] a ring has no more than 262,144 spans at a time, finished or not', async (t) => {
  const { client, path } = await startBench(t, { ringBytes: 32 * KIB * KIB })
  const [owner, observer] = [await RingClient.open(t, path), await client()]
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'))
  // The first is never declared, so that nothing behind it can retire.
  t.truthy(ring.claim(1))
  for (let sent = 0; sent < 262_144; sent += 1024) {
    owner.send(...Array.from({ length: 1024 }, () => abort(ring.id, ring.claim(1)!)))
    await owner.expectNothing()
  }
  t.like(await ringRows(observer), [{ occupiedBytes: 262_145 * 64 }])
  owner.send(publishByRing(0, ring.claim(1)!))
  await owner.expectFatal('BAD_DESCRIPTOR')
})

test('who holds on to rings that were given up is offered no more of them than ringHeldBytesMax, and gets the rest inline', async (t) => {
  const options = { ...SMALL, ringHeldBytesMax: 128 * KIB, leaseTimeoutMs: 10, ringSegmentsMax: 10 }
  const { client, path } = await startBench(t, options)
  const [owner, holder, observer] = [
    await RingClient.open(t, path),
    await RingClient.open(t, path),
    await client(),
  ]
  holder.send(subscribe(1, 'a', WIDE))
  await holder.expectNothing()
  owner.send(topic(0, 'a'))
  for (const heldBytes of [64 * KIB, 128 * KIB]) {
    const ring = await owner.openRing(1)
    owner.send(publishByRing(0, ring.put(patterned(10 * KIB, 1))))
    await holder.mapOffered()
    await holder.expect('MESSAGE', { flags: Flag.RING })
    t.false(ring.want(64 * KIB))
    await owner.expect('RETIRE', { topic: ring.id })
    owner.send(retired(ring.id))
    await owner.expectNothing()
    const { rows } = await observer.ask<{ rows: { client: number; rings: object }[] }>('$SYS.clients')
    t.like(rows.find(({ client }) => client === holder.clientId)!.rings, { heldBytes })
  }
  const ring = await owner.openRing(1)
  owner.send(publishByRing(0, ring.put(patterned(10 * KIB, 3))))
  t.true((await holder.expect('MESSAGE', { flags: 0 })).payload.equals(patterned(10 * KIB, 3)))
  t.like(await ringStats(observer), { abandoned: 2, segments: 3, inlined: 1 })
})

test('who keeps segments of owners that have left holds on to them just the same', async (t) => {
  const { client, path } = await startBench(t, { ...SMALL, ringHeldBytesMax: 128 * KIB })
  const [holder, observer] = [await RingClient.open(t, path), await client()]
  holder.send(subscribe(1, 'a', WIDE))
  await holder.expectNothing()
  // One keeps a lease, the other does not say that it has unmapped the segment.
  for (const keepsLease of [true, false]) {
    const owner = await RingClient.open(t, path)
    const ring = await owner.openRing(1)
    owner.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(10 * KIB, 1))))
    await holder.mapOffered()
    const received = await holder.expect('MESSAGE', { flags: Flag.RING })
    if (!keepsLease) holder.release(received)
    owner.hangUp()
    if (!keepsLease) await holder.expect('DETACH', { topic: ring.id })
    else while ((await ringRows(observer))[0]!.state !== 'draining');
  }
  const owner = await RingClient.open(t, path)
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(10 * KIB, 2))))
  t.true((await holder.expect('MESSAGE', { flags: 0 })).payload.equals(patterned(10 * KIB, 2)))
})

test('[RING-3] a ring that its owner never maps is given back when the owner declines or leaves', async (t) => {
  const { client, path } = await startBench(t, SMALL)
  const [owner, observer] = [await RingClient.open(t, path), await client()]
  owner.send(open(1))
  const { id } = await owner.expectOffer(SegmentRole.OWNER)
  t.like(await ringRows(observer), [{ segment: id, state: 'offered' }])
  owner.hangUp()
  while ((await ringStats(observer)).segments > 0);
  const other = await RingClient.open(t, path)
  other.send(open(1))
  const offer = await other.expectOffer(SegmentRole.OWNER)
  t.not(offer.id, id)
  other.send(decline(offer.id))
  await other.expectNothing()
  t.like(await ringStats(observer), { segments: 0, segmentBytes: 0, declined: 1 })
})
