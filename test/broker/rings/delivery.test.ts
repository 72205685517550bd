import test from 'ava'
import { Encoding, packValue, SegmentRole } from '../../../protocol/index.js'
import { HOUR_NS, passTime, startBench } from '../fixtures.js'
import { credit, publish, subscribe, topic, unsubscribe } from '../frames.js'
import { native, patterned, RingClient, ringRows, ringStats } from '../ring-client.js'
import { decline, mapped, publishByRing, release } from '../ring-frames.js'

const KIB = 1024
const WIDE = { window: 2 ** 30 }

/** So small that a test fills it. */
const SMALL = { ringBytes: 64 * KIB }

test('[RING-10] [RING-11] messages wait in order until the segment is mapped, inline ones among them', async (t) => {
  const { path } = await startBench(t)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  reader.send(subscribe(1, 'a', WIDE))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), publish(0, 'before'), publishByRing(0, ring.put(patterned(1000, 1))))
  owner.send(
    publish(0, 'between'),
    publishByRing(0, ring.put(patterned(2000, 2))),
    publish(0, 'urgent', { priority: 9 }),
  )
  await owner.expectNothing()
  await reader.expect('MESSAGE', { text: 'before' })
  const offer = await reader.expectOffer(SegmentRole.READER)
  // What waits for a segment holds up its own priority alone.
  await reader.expect('MESSAGE', { text: 'urgent' })
  await reader.expectNothing()
  await reader.map(offer)
  const first = await reader.expect('MESSAGE')
  t.true(reader.read(first).equals(patterned(1000, 1)))
  await reader.expect('MESSAGE', { text: 'between' })
  const second = await reader.expect('MESSAGE')
  t.true(reader.read(second).equals(patterned(2000, 2)))
  await reader.expectNothing()
})

test('[RING-11] a client that declines gets exactly the bytes inline, and is not asked again', async (t) => {
  const { client, path } = await startBench(t)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const observer = await client()
  reader.send(subscribe(1, 'a', WIDE), subscribe(2, '>', WIDE))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  const options = { headers: packValue({ h: 1 }), sentAtNs: 5, encoding: Encoding.UTF8, priority: 3 }
  owner.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(1001, 1)), options))
  const offer = await reader.expectOffer(SegmentRole.READER)
  reader.send(decline(offer.id))
  const [first, again] = [await reader.expect('MESSAGE'), await reader.expect('MESSAGE')]
  t.deepEqual([first.consumer, again.consumer].sort(), [1, 2])
  const expected = publish(first.topic, patterned(1001, 1), options)
  t.true(first.frame.equals(expected.subarray(0, first.length)))
  t.true(again.frame.equals(first.frame))
  owner.send(publishByRing(0, ring.put(patterned(3, 2))))
  t.true((await reader.expect('MESSAGE')).payload.equals(patterned(3, 2)))
  await reader.expect('MESSAGE')
  await reader.expectNothing()
  t.like(await ringStats(observer), { declined: 1, delivered: 0, inlined: 4 })
  t.is((await reader.fetch(offer.id)).code, 'ATTACH_REFUSED')
  t.like(await ringRows(observer), [{ records: 0 }])
  owner.hangUp()
  // Nothing is to be unmapped.
  while ((await ringRows(observer)).length > 0);
  await reader.expectNothing()
})

test('[RING-10] [RING-11] who takes too long gets its payloads inline, and by ring once it has mapped the segment', async (t) => {
  const { path } = await startBench(t, { attachTimeoutMs: 50 })
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  reader.send(subscribe(1, 'a', WIDE))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(1000, 1))), publish(0, 'next'))
  const offer = await reader.expectOffer(SegmentRole.READER)
  const late = await reader.expect('MESSAGE')
  t.true(late.payload.equals(patterned(1000, 1)))
  await reader.expect('MESSAGE', { text: 'next' })
  await reader.map(offer)
  await reader.expectNothing()
  owner.send(publishByRing(0, ring.put(patterned(2000, 2))))
  const received = await reader.expect('MESSAGE')
  t.true(reader.isByRing(received))
  t.true(reader.read(received).equals(patterned(2000, 2)))
})

test('[RING-2] [RING-11] a client without the capability, or of another layout, is told nothing of rings', async (t) => {
  const { client, path } = await startBench(t)
  const [owner, other] = [
    await RingClient.open(t, path),
    await RingClient.open(t, path, 'other', { ring: 2 }),
  ]
  const plain = await client()
  for (const reader of [plain, other]) {
    reader.send(subscribe(1, 'a', WIDE))
    await reader.expectNothing()
  }
  const ring = await owner.openRing(1)
  const payload = patterned(30 * KIB, 4)
  owner.send(topic(0, 'a'), publishByRing(0, ring.put(payload)))
  for (const reader of [plain, other]) {
    const received = await reader.expect('MESSAGE')
    t.is(received.flags, 0)
    t.true(received.payload.equals(payload))
    await reader.expectNothing()
  }
})

test('[RING-7] a client is sent a quarter of a ring at a time, what comes behind waits in order', async (t) => {
  const { path } = await startBench(t, SMALL)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  reader.send(subscribe(1, 'a', WIDE))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'))
  for (let seed = 0; seed < 7; seed++) owner.send(publishByRing(0, ring.put(patterned(4 * KIB, seed))))
  owner.send(publish(0, 'last'))
  await reader.mapOffered()
  const first = [
    await reader.expect('MESSAGE'),
    await reader.expect('MESSAGE'),
    await reader.expect('MESSAGE'),
  ]
  first.push(await reader.expect('MESSAGE'))
  await reader.expectNothing()
  t.deepEqual(
    first.map((frame) => reader.read(frame)),
    [0, 1, 2, 3].map((seed) => patterned(4 * KIB, seed)),
  )
  reader.release(first[2]!)
  t.true(reader.read(await reader.expect('MESSAGE')).equals(patterned(4 * KIB, 4)))
  await reader.expectNothing()
  reader.release(first[0]!, first[1]!)
  for (const seed of [5, 6])
    t.true(reader.read(await reader.expect('MESSAGE')).equals(patterned(4 * KIB, seed)))
  await reader.expect('MESSAGE', { text: 'last' })
})

test('[RING-7] a record beyond that quarter is sent alone, to each subscription in its turn', async (t) => {
  const { path } = await startBench(t, SMALL)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  reader.send(subscribe(1, 'a', WIDE), subscribe(2, '*', WIDE))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  const payload = patterned(30 * KIB, 1)
  owner.send(topic(0, 'a'), publishByRing(0, ring.put(payload)))
  await reader.mapOffered()
  const first = await reader.expect('MESSAGE')
  await reader.expectNothing()
  reader.release(first)
  const second = await reader.expect('MESSAGE')
  t.not(first.consumer, second.consumer)
  t.true(reader.read(second).equals(payload))
  reader.release(second)
  await reader.expectNothing()
  t.truthy(ring.claim(64 * KIB))
})

test('[RING-7] two deliveries of a record are two leases, both of which must end', async (t) => {
  const { client, path } = await startBench(t)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const observer = await client()
  reader.send(subscribe(1, 'a', WIDE), subscribe(2, '*', WIDE))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  const descriptor = ring.put(patterned(100, 1))
  owner.send(topic(0, 'a'), publishByRing(0, descriptor))
  await reader.mapOffered()
  await reader.expect('MESSAGE')
  await reader.expect('MESSAGE')
  reader.send(release(ring.id, descriptor.position))
  await reader.expectNothing()
  t.like(await ringRows(observer), [{ records: 1 }])
  const { rows } = await observer.ask<{ rows: { client: number; rings: object }[] }>('$SYS.clients')
  t.like(rows.find(({ client }) => client === reader.clientId)!.rings, {
    attached: 1,
    owned: 0,
    leasedBytes: 100,
  })
  reader.send(release(ring.id, descriptor.position))
  await reader.expectNothing()
  t.like(await ringRows(observer), [{ records: 0 }])
  reader.send(release(ring.id, descriptor.position))
  await reader.expectFatal('LEASE_UNKNOWN')
})

test('[RING-7] leases end with the end of the client’s own stream', async (t) => {
  const { client, path } = await startBench(t, SMALL)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const observer = await client()
  reader.send(subscribe(1, 'a', WIDE))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'))
  for (let seed = 0; seed < 6; seed++) owner.send(publishByRing(0, ring.put(patterned(4 * KIB, seed))))
  await reader.mapOffered()
  for (let seed = 0; seed < 4; seed++) await reader.expect('MESSAGE')
  t.like(await ringRows(observer), [{ records: 6, readers: 1 }])
  reader.hangUp()
  while ((await ringRows(observer))[0]!.records > 0);
  t.like(await ringRows(observer), [{ records: 0, readers: 0, abandoned: false, state: 'active' }])
  t.truthy(ring.claim(64 * KIB))
})

test('[RING-7] a member of a group gets a record that others do not, and its release is the end of it', async (t) => {
  const { client, path } = await startBench(t, SMALL)
  const owner = await RingClient.open(t, path)
  const members = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const observer = await client()
  for (const member of members) {
    member.send(subscribe(1, 'a', { ...WIDE, group: 'g' }))
    await member.expectNothing()
  }
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'))
  for (const seed of [1, 2]) {
    owner.send(publishByRing(0, ring.put(patterned(1000 * seed, seed))))
    await owner.expectNothing()
  }
  const received: Buffer[] = []
  for (const member of members) {
    await member.mapOffered()
    const message = await member.expect('MESSAGE')
    received.push(member.read(message))
    await member.expectNothing()
    member.release(message)
    await member.expectNothing()
  }
  t.deepEqual(received.map(({ length }) => length).sort(), [1000, 2000])
  for (const payload of received) t.true(payload.equals(patterned(payload.length, payload.length / 1000)))
  t.like(await ringRows(observer), [{ records: 0, readers: 2 }])
})

test('[RING-7] records that are dropped on the way are free: expired, unsubscribed, a queue that is full', async (t) => {
  const { client, path } = await startBench(t, { ...SMALL, backlogMessagesMax: 2 })
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const observer = await client()
  reader.send(subscribe(1, 'a', { window: 0, overflow: 'drop-newest' }))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'))
  const records = async () => (await ringRows(observer))[0]!.records
  const expiryNs = Number(process.hrtime.bigint()) + HOUR_NS
  for (const seed of [1, 2, 3]) {
    owner.send(publishByRing(0, ring.put(patterned(1000, seed)), { expiryNs }))
    await owner.expectNothing()
  }
  t.is(await records(), 2)
  passTime(t, HOUR_NS)
  reader.send(credit(1, 1))
  await reader.expectNothing()
  t.is(await records(), 0)
  reader.send(subscribe(2, 'b', { window: 0 }))
  await reader.expectNothing()
  owner.send(topic(0, 'b'))
  for (const seed of [1, 2]) owner.send(publishByRing(0, ring.put(patterned(2000, seed))))
  await owner.expectNothing()
  t.is(await records(), 2)
  reader.send(unsubscribe(2))
  await reader.expect('DRAINED', { id: 2 })
  t.is(await records(), 0)
  t.truthy(ring.claim(64 * KIB))
  t.like(await ringStats(observer), { committed: 5, delivered: 0, inlined: 0 })
})

test('[RING-11] a payload counts in full towards what may be queued for a subscription', async (t) => {
  const { client, path } = await startBench(t, { backlogBytesMax: 10_000 })
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const observer = await client()
  reader.send(subscribe(1, 'a', { window: 0, overflow: 'drop-newest' }))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'))
  for (const seed of [1, 2, 3]) owner.send(publishByRing(0, ring.put(patterned(4000, seed))))
  await owner.expectNothing()
  const { rows } = await observer.ask<{ rows: object[] }>('$SYS.subscriptions')
  t.like(rows, [{ matched: 3, queued: 2, queuedBytes: 512 + 2 * (16 + 32 + 4000), dropped: 1 }])
  reader.send(credit(1, 1000))
  await reader.mapOffered()
  for (const seed of [1, 2]) t.true(reader.read(await reader.expect('MESSAGE')).equals(patterned(4000, seed)))
  await reader.expectNothing()
  const { rows: after } = await observer.ask<{ rows: object[] }>('$SYS.subscriptions')
  // Of credit a frame by ring takes what it has itself, not its payload.
  t.like(after, [{ queued: 0, queuedBytes: 0, creditBytes: 1000 - 2 * 48 }])
})

test('[RING-10] an owner that subscribes to itself maps its ring a second time, to read', async (t) => {
  const { path } = await startBench(t)
  const both = await RingClient.open(t, path)
  both.send(subscribe(1, 'a', WIDE))
  await both.expectNothing()
  const ring = await both.openRing(1)
  both.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(500, 1))))
  const offer = await both.mapOffered()
  t.is(offer.id, ring.id)
  const received = await both.expect('MESSAGE')
  t.true(both.read(received).equals(patterned(500, 1)))
  both.release(received)
  await both.expectNothing()
})

test('[RING-5] until its owner has mapped it, nobody else is offered a segment, nor afterwards a writable map', async (t) => {
  const { path } = await startBench(t)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  reader.send(subscribe(1, 'a', WIDE))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(500, 1))))
  const offer = await reader.expectOffer(SegmentRole.READER)
  const { fd } = await reader.fetch(offer.id)
  const error = t.throws(() => native.ringMap(fd, offer.bytes)) as NodeJS.ErrnoException
  t.is(error.code, 'EACCES')
  reader.send(mapped(offer.id))
  await reader.expect('MESSAGE')
})
