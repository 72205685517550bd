import test from 'ava'
import { Kind, SegmentRole } from '../../../protocol/index.js'
import { startBench } from '../fixtures.js'
import { subscribe, topic, unsubscribe } from '../frames.js'
import { native, patterned, RingClient, ringRows, ringStats } from '../ring-client.js'
import { abort, decline, detached, mapped, open, publishByRing, retired, ringHello } from '../ring-frames.js'

const KIB = 1024
const WIDE = { window: 2 ** 30 }

/** So small that a test fills it. */
const SMALL = { ringBytes: 64 * KIB }

test('[RING-2] WELCOME tells of rings, and gives a token', async (t) => {
  const { client, path } = await startBench(t, { ringThresholdBytes: 5000, ringBytesMax: 128 * KIB })
  const user = await RingClient.open(t, path)
  t.like(user.limits, { ringThresholdBytes: 5000, ringPayloadBytesMax: 128 * KIB })
  t.is(user.token.length, 16)
  const stranger = await (await startBench(t)).stranger()
  stranger.send(ringHello('features'))
  const { features } = (await stranger.expect('WELCOME')).body as { features: string[] }
  t.deepEqual(features.slice(0, 2), ['ring', 'ring-requests'])
  t.like(await ringStats(await client()), { offered: true, segments: 0, segmentBytes: 0, reservedBytes: 0 })
})

test('[RING-3] [RING-7] [RING-10] [RING-11] a ring is opened, its payload read from memory, released, and all of it given back', async (t) => {
  const { client, path } = await startBench(t, SMALL)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const [plain, observer] = [await client(), await client()]
  for (const subscriber of [reader, plain]) {
    subscriber.send(subscribe(1, 'a', WIDE))
    await subscriber.expectNothing()
  }
  const ring = await owner.openRing(10_000)
  const payload = patterned(10_000, 1)
  const descriptor = ring.put(payload)
  owner.send(topic(0, 'a'), publishByRing(0, descriptor, { priority: 7, encoding: 0 }))
  const offer = await reader.mapOffered()
  t.deepEqual(offer, { id: ring.id, bytes: 64 * KIB })
  const received = await reader.expect('MESSAGE', { name: 'a', priority: 7 })
  t.true(reader.isByRing(received))
  t.true(reader.read(received).equals(payload))
  const inline = await plain.expect('MESSAGE', { name: 'a', priority: 7 })
  t.deepEqual([inline.flags, inline.payload.equals(payload)], [0, true])
  t.like(await ringStats(observer), {
    committed: 1,
    delivered: 1,
    inlined: 1,
    segments: 1,
    segmentBytes: 64 * KIB,
  })
  t.like(await ringRows(observer), [
    {
      segment: ring.id,
      client: owner.clientId,
      state: 'active',
      records: 1,
      occupiedBytes: 157 * 64,
      readers: 1,
    },
  ])
  reader.release(received)
  await reader.expectNothing()
  t.like(await ringRows(observer), [{ records: 0, occupiedBytes: 0 }])
  t.truthy(ring.claim(ring.bytes))
  owner.hangUp()
  await reader.expect('DETACH', { topic: ring.id })
  t.like(await ringRows(observer), [{ client: null, state: 'closed', readers: 1 }])
  reader.detach(ring.id)
  await reader.expectNothing()
  t.like(await ringStats(observer), { segments: 0, segmentBytes: 0, reservedBytes: 0 })
})

test('[RING-8] SPACE comes once when what the owner waits for is there, and not before', async (t) => {
  const { path } = await startBench(t, SMALL)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  reader.send(subscribe(1, 'a', WIDE))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'))
  for (const seed of [1, 2]) owner.send(publishByRing(0, ring.put(patterned(8 * KIB, seed))))
  await reader.mapOffered()
  const [first, second] = [await reader.expect('MESSAGE'), await reader.expect('MESSAGE')]
  t.is(ring.claim(64 * KIB), undefined)
  t.false(ring.want(64 * KIB))
  reader.release(first)
  await reader.expectNothing()
  await owner.expectNothing()
  reader.release(second)
  await owner.expect('SPACE', { topic: ring.id })
  const all = ring.claim(64 * KIB)!
  t.is(ring.claim(1), undefined)
  owner.send(abort(ring.id, all))
  await owner.expectNothing()
  // Nobody waits: nobody is told.
  t.truthy(ring.claim(64 * KIB))
})

test('[RING-6] [RING-7] a commit that nobody wants is over at once, and claims that are aborted as well', async (t) => {
  const { client, path } = await startBench(t, SMALL)
  const [owner, observer] = [await RingClient.open(t, path), await client()]
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), topic(1, '$SYS.x'))
  const spans = [1000, 2000, 3000, 4000].map((length) => ring.claim(length)!)
  // In any order: those behind wait for the first.
  owner.send(publishByRing(0, spans[3]!), abort(ring.id, spans[2]!), publishByRing(1, spans[1]!))
  await owner.expectRefusal('TOPIC_RESERVED', Kind.MESSAGE, 0)
  t.like(await ringRows(observer), [{ records: 0, occupiedBytes: (16 + 32 + 47 + 63) * 64 }])
  t.is(ring.claim(64 * KIB), undefined)
  owner.send(abort(ring.id, spans[0]!))
  await owner.expectNothing()
  t.like(await ringRows(observer), [{ records: 0, occupiedBytes: 0 }])
  t.is(ring.claim(64 * KIB)?.restarted, true)
  t.like(await ringStats(observer), { committed: 2, delivered: 0, inlined: 0 })
})

test('[RING-3] a larger ring replaces the one that there is, whose records stay until they are over', async (t) => {
  const { client, path } = await startBench(t, SMALL)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const observer = await client()
  reader.send(subscribe(1, 'a', WIDE))
  await reader.expectNothing()
  const small = await owner.openRing(1)
  owner.send(topic(0, 'a'), publishByRing(0, small.put(patterned(100, 1))))
  await reader.mapOffered()
  const old = await reader.expect('MESSAGE')
  owner.send(open(100_000))
  await owner.expect('RETIRE', { topic: small.id })
  const offer = await owner.expectOffer(SegmentRole.OWNER)
  t.deepEqual(offer, { id: small.id + 1, bytes: 128 * KIB })
  // What was claimed before may still be committed.
  owner.send(publishByRing(0, small.put(patterned(200, 2))), retired(small.id))
  const late = await reader.expect('MESSAGE')
  t.true(reader.read(late).equals(patterned(200, 2)))
  t.like(await ringRows(observer), [
    { segment: small.id, state: 'draining', records: 2, client: null },
    { segment: offer.id, state: 'offered', records: 0, client: owner.clientId },
  ])
  t.true(reader.read(old).equals(patterned(100, 1)))
  reader.release(old, late)
  await reader.expect('DETACH', { topic: small.id })
  reader.detach(small.id)
  await reader.expectNothing()
  t.like(await ringRows(observer), [{ segment: offer.id }])
})

test('[RING-9] a ring that nobody uses is asked back, though nothing else happens', async (t) => {
  const { path } = await startBench(t, { ...SMALL, ringIdleMs: 50 })
  const owner = await RingClient.open(t, path)
  const ring = await owner.openRing(1)
  const open = ring.claim(100)!
  // Nothing reaches the broker that would have it send what waits.
  await owner.expect('RETIRE', { topic: ring.id })
  owner.send(abort(ring.id, open), retired(ring.id))
  await owner.expectNothing()
  t.like(await ringStats(owner), { segments: 0, segmentBytes: 0 })
  owner.send(retired(ring.id))
  await owner.expectFatal('SEGMENT_UNKNOWN')
})

test('[RING-9] a ring with a record in it is not idle', async (t) => {
  const { client, path } = await startBench(t, { ...SMALL, ringIdleMs: 1000 })
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const observer = await client()
  reader.send(subscribe(1, 'a', WIDE))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(100, 1))))
  await reader.mapOffered()
  const received = await reader.expect('MESSAGE')
  // That time, and two rounds of whoever looks after the rings.
  await new Promise((resolve) => setTimeout(resolve, 2200))
  t.like(await ringRows(observer), [{ state: 'active', records: 1 }])
  reader.release(received)
  await owner.expect('RETIRE', { topic: ring.id })
})

test('[RING-7] [RING-9] what an owner leaves at its hang-up is delivered; its open claims are void', async (t) => {
  const { client, path } = await startBench(t, SMALL)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const observer = await client()
  reader.send(subscribe(1, 'a', WIDE))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'))
  t.truthy(ring.claim(1000))
  owner.send(publishByRing(0, ring.put(patterned(3000, 1))))
  const offer = await reader.expectOffer(SegmentRole.READER)
  owner.hangUp()
  let rows = await ringRows(observer)
  while (rows[0]!.client !== null) rows = await ringRows(observer)
  t.like(rows, [{ state: 'draining', records: 1 }])
  await reader.map(offer)
  const received = await reader.expect('MESSAGE')
  t.true(reader.isByRing(received))
  t.true(reader.read(received).equals(patterned(3000, 1)))
  reader.release(received)
  await reader.expect('DETACH', { topic: ring.id })
  t.like(await ringStats(observer), { segments: 1, segmentBytes: 64 * KIB })
  reader.detach(ring.id)
  await reader.expectNothing()
  t.like(await ringStats(observer), { segments: 0, segmentBytes: 0 })
})

test('[RING-10] an offer that is taken back meanwhile: MAPPED and DETACHED follow, or DECLINE alone', async (t) => {
  const { client, path } = await startBench(t, SMALL)
  const observer = await client()
  for (const answer of ['MAPPED', 'DECLINE'] as const) {
    const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
    reader.send(subscribe(1, 'a', WIDE))
    await reader.expectNothing()
    const ring = await owner.openRing(1)
    owner.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(100, 1))))
    const offer = await reader.expectOffer(SegmentRole.READER)
    // Nobody waits for the record any longer: the segment closes with its owner.
    const { fd } = await reader.fetch(offer.id)
    native.closeDescriptor(fd)
    owner.hangUp()
    reader.send(unsubscribe(1))
    await reader.expect('DETACH', { topic: ring.id })
    await reader.expect('DRAINED')
    t.is((await reader.fetch(offer.id)).code, 'ATTACH_REFUSED')
    if (answer === 'MAPPED') reader.send(mapped(ring.id), detached(ring.id))
    else reader.send(decline(ring.id))
    await reader.expectNothing()
    t.like(await ringStats(observer), { segments: 0, segmentBytes: 0 })
    reader.send(detached(ring.id))
    await reader.expectFatal('SEGMENT_UNKNOWN')
  }
})
