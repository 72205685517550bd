import test from 'ava'
import { startBench } from '../fixtures.js'
import { credit, publish, subscribe, topic } from '../frames.js'
import { patterned, RingClient, ringRows, ringStats, ringStatsWhen } from '../ring-client.js'
import { publishByRing, retired } from '../ring-frames.js'

const KIB = 1024
const WIDE = { window: 2 ** 30 }

/** So small that a test fills it. */
const SMALL = { ringBytes: 64 * KIB }

test('[RING-11] what only queues hold is copied out of a ring that is more than half full, and arrives in order', async (t) => {
  const { client, path } = await startBench(t, SMALL)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const [plain, observer] = [await client(), await client()]
  for (const subscriber of [reader, plain]) {
    subscriber.send(subscribe(1, 'a', { window: 0 }))
    await subscriber.expectNothing()
  }
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'))
  for (let seed = 0; seed < 4; seed++) owner.send(publishByRing(0, ring.put(patterned(8 * KIB, seed))))
  await owner.expectNothing()
  t.like(await ringStats(observer), { copiedOut: 0, copiedBytes: 0 })
  for (let seed = 4; seed < 20; seed++) {
    const descriptor = ring.put(patterned(8 * KIB, seed))
    owner.send(publishByRing(0, descriptor), publish(0, `behind ${seed}`))
    await owner.expectNothing()
  }
  t.like(await ringStats(observer), { copiedOut: 16, copiedBytes: 16 * 8 * KIB })
  t.like(await ringRows(observer), [{ occupiedBytes: 32 * KIB, records: 4 }])
  for (const subscriber of [reader, plain]) subscriber.send(credit(1, 2 ** 29))
  const expected = Array.from({ length: 20 }, (_, seed) => patterned(8 * KIB, seed))
  for (const [seed, payload] of expected.entries()) {
    t.true((await plain.expect('MESSAGE')).payload.equals(payload))
    t.true((await reader.nextPayload()).equals(payload))
    if (seed < 4) continue
    await plain.expect('MESSAGE', { text: `behind ${seed}` })
    t.is((await reader.nextPayload()).toString(), `behind ${seed}`)
  }
  await reader.expectNothing()
  t.like(await ringStats(observer), { committed: 20, copiedBytes: 0, delivered: 4, inlined: 36 })
  t.like(await ringRows(observer), [{ occupiedBytes: 0, records: 0 }])
})

test('a ring whose last records were copied closes with its owner, before they are delivered', async (t) => {
  const { client, path } = await startBench(t, SMALL)
  const [owner, plain, observer] = [await RingClient.open(t, path), await client(), await client()]
  plain.send(subscribe(1, 'a', { window: 0 }))
  await plain.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'))
  for (const seed of [1, 2]) {
    owner.send(publishByRing(0, ring.put(patterned(40 * KIB, seed))))
    await owner.expectNothing()
  }
  t.like(await ringStats(observer), { copiedOut: 2, copiedBytes: 80 * KIB })
  owner.hangUp()
  await ringStatsWhen(observer, ({ reservedBytes }) => reservedBytes === 0)
  plain.send(credit(1, 2 ** 29))
  for (const seed of [1, 2]) t.true((await plain.expect('MESSAGE')).payload.equals(patterned(40 * KIB, seed)))
  t.like(await ringStats(observer), { segments: 0, segmentBytes: 0, copiedBytes: 0 })
})

test('copies have a bound of their own: beyond it the ring fills up', async (t) => {
  const { client, path } = await startBench(t, { ...SMALL, ringCopyBytesMax: 20 * KIB })
  const [owner, plain, observer] = [await RingClient.open(t, path), await client(), await client()]
  plain.send(subscribe(1, 'a', { window: 0 }))
  await plain.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'))
  for (let seed = 0; seed < 10; seed++) {
    owner.send(publishByRing(0, ring.put(patterned(8 * KIB, seed))))
    await owner.expectNothing()
  }
  t.like(await ringStats(observer), { copiedOut: 2, copiedBytes: 16 * KIB })
  t.is(ring.claim(8 * KIB), undefined)
  plain.send(credit(1, 2 ** 29))
  for (let seed = 0; seed < 10; seed++) {
    t.true((await plain.expect('MESSAGE')).payload.equals(patterned(8 * KIB, seed)))
  }
  t.like(await ringStats(observer), { copiedBytes: 0 })
  t.truthy(ring.claim(64 * KIB))
})

test('[RING-7] [RING-9] a ring that a client holds up is given up: its owner is asked to retire it, its memory never given out', async (t) => {
  const { client, path } = await startBench(t, { ...SMALL, leaseTimeoutMs: 100 })
  const [owner, holder, reader] = [
    await RingClient.open(t, path),
    await RingClient.open(t, path),
    await RingClient.open(t, path),
  ]
  const observer = await client()
  for (const subscriber of [holder, reader]) {
    subscriber.send(subscribe(1, 'a', WIDE))
    await subscriber.expectNothing()
  }
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(20 * KIB, 1))))
  await holder.mapOffered()
  await reader.mapOffered()
  const held = await holder.expect('MESSAGE')
  reader.release(await reader.expect('MESSAGE'))
  t.false(ring.want(64 * KIB))
  await owner.expect('RETIRE', { topic: ring.id })
  t.like(await ringStats(observer), { abandoned: 1 })
  t.like(await ringRows(observer), [{ state: 'retiring', abandoned: true }])
  t.like(await holderRow(), { heldBytes: 64 * KIB, leases: 1 })
  owner.send(retired(ring.id))
  t.true(holder.read(held).equals(patterned(20 * KIB, 1)))
  holder.release(held)
  await holder.expect('DETACH', { topic: ring.id })
  // What was released meanwhile was not posted to the semaphore.
  t.is(ring.claim(50 * KIB), undefined)
  for (const subscriber of [holder, reader]) subscriber.detach(ring.id)
  await reader.expect('DETACH', { topic: ring.id })
  await holder.expectNothing()
  await reader.expectNothing()
  t.like(await ringStats(observer), { segments: 0, segmentBytes: 0 })

  async function holderRow(): Promise<object> {
    const { rows } = await observer.ask<{ rows: { client: number; rings: object }[] }>('$SYS.clients')
    return rows.find(({ client }) => client === holder.clientId)!.rings
  }
})

test('[RING-7] a record may be held for as long as one likes while nobody waits for its memory', async (t) => {
  const { client, path } = await startBench(t, { ...SMALL, leaseTimeoutMs: 1 })
  const [owner, holder, observer] = [
    await RingClient.open(t, path),
    await RingClient.open(t, path),
    await client(),
  ]
  holder.send(subscribe(1, 'a', WIDE))
  await holder.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(15 * KIB, 1))))
  await holder.mapOffered()
  await holder.expect('MESSAGE')
  // Two rounds of whoever looks after the rings.
  await new Promise((resolve) => setTimeout(resolve, 1200))
  await owner.expectNothing()
  t.like(await ringStats(observer), { abandoned: 0 })
  t.false(ring.want(64 * KIB))
  await owner.expect('RETIRE', { topic: ring.id })
})

test('[RING-11] who keeps what was sent to it gets the rest of a ring that was given up inline', async (t) => {
  const { path } = await startBench(t, { ...SMALL, leaseTimeoutMs: 10 })
  const [owner, holder] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  holder.send(subscribe(1, 'a', WIDE))
  await holder.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'))
  for (const seed of [1, 2]) owner.send(publishByRing(0, ring.put(patterned(15 * KIB, seed))))
  await holder.mapOffered()
  t.true(holder.isByRing(await holder.expect('MESSAGE')))
  await holder.expectNothing()
  t.false(ring.want(64 * KIB))
  t.true((await holder.expect('MESSAGE', { flags: 0 })).payload.equals(patterned(15 * KIB, 2)))
  await owner.expect('RETIRE', { topic: ring.id })
})

test('[RING-7] the time to release a record begins when it is sent, however long it has waited for credit', async (t) => {
  const leaseTimeoutMs = 1500
  const { client, path } = await startBench(t, { ...SMALL, leaseTimeoutMs })
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const observer = await client()
  reader.send(subscribe(1, 'a', { window: 1 }))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(100, 0))))
  await reader.mapOffered()
  reader.release(await reader.expect('MESSAGE'))
  await reader.expectNothing()
  // Waits for longer than anybody may hold it.
  const committedMs = Date.now()
  owner.send(publishByRing(0, ring.put(patterned(16 * KIB, 1))))
  await owner.expectNothing()
  await new Promise((resolve) => setTimeout(resolve, leaseTimeoutMs + 200))
  t.false(ring.want(60 * KIB))
  reader.send(credit(1, 1000))
  const received = await reader.expect('MESSAGE')
  const sentMs = Date.now()
  t.true(sentMs - committedMs > leaseTimeoutMs)
  // Two rounds of whoever looks after the rings, and it would be given up.
  await new Promise((resolve) => setTimeout(resolve, 1100))
  const { abandoned } = await ringStats(observer)
  if (Date.now() - sentMs < leaseTimeoutMs) t.is(abandoned, 0)
  reader.release(received)
  const next = await owner.next()
  t.true(next.kind === 'SPACE' || Date.now() - sentMs >= leaseTimeoutMs)
})

test('[RING-7] who is refused and does not hang up may read on: its segments are given up with its connection', async (t) => {
  const { client, path } = await startBench(t, { ...SMALL, refusedLingerMs: 100 })
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const observer = await client()
  reader.send(subscribe(1, 'a', WIDE))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(1000, 1))))
  await reader.mapOffered()
  const received = await reader.expect('MESSAGE')
  reader.send(publish(9, 'no such alias'))
  const { body } = await reader.expect('ERROR')
  t.is(body['code'], 'ALIAS_UNBOUND')
  // It has been told, and its lease stands as long as its stream does.
  t.like(await ringRows(observer), [{ state: 'active', records: 1, abandoned: false }])
  await owner.expect('RETIRE', { topic: ring.id })
  t.like(await ringStats(observer), { abandoned: 1 })
  t.like(await ringRows(observer), [{ state: 'retiring', records: 0, abandoned: true, readers: 0 }])
  t.is(ring.claim(64 * KIB), undefined)
  owner.send(retired(ring.id))
  await owner.expectNothing()
  t.true(reader.read(received).equals(patterned(1000, 1)))
  t.like(await ringStats(observer), { segments: 0 })
})

test('[RING-7] who is refused and hangs up has its leases ended by that', async (t) => {
  const { client, path } = await startBench(t, { ...SMALL, refusedLingerMs: 60_000 })
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const observer = await client()
  reader.send(subscribe(1, 'a', WIDE))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(1000, 1))))
  await reader.mapOffered()
  const received = await reader.expect('MESSAGE')
  reader.send(publish(9, 'no such alias'))
  await reader.expect('ERROR')
  // What it says now, nobody hears.
  reader.release(received)
  t.like(await ringRows(observer), [{ records: 1 }])
  reader.hangUp()
  while ((await ringRows(observer))[0]!.records > 0);
  t.like(await ringStats(observer), { abandoned: 0 })
  t.truthy(ring.claim(64 * KIB))
})

test('[RING-9] a ring that has become far too large is asked back while it is in use', async (t) => {
  const { client, path } = await startBench(t, { ringBytes: 8 * KIB * KIB, ringIdleMs: 700 })
  const [owner, observer] = [await RingClient.open(t, path), await client()]
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), publishByRing(0, ring.put(patterned(5 * KIB * KIB, 1))))
  await owner.expectNothing()
  t.true((await ringStats(observer)).reservedBytes >= 5 * KIB * KIB)
  // Small payloads, without a pause that would be as long as idleness takes.
  const publishing = setInterval(() => owner.send(publishByRing(0, ring.put(patterned(100, 2)))), 20)
  await owner.expect('RETIRE', { topic: ring.id })
  clearInterval(publishing)
  owner.send(retired(ring.id))
  await owner.expectNothing()
  t.like(await ringStats(observer), { segments: 0, reservedBytes: 0 })
})

test('[RING-8] an owner that waits again and again, and reads nothing, is let go', async (t) => {
  const { client, path } = await startBench(t, { ...SMALL, refusedLingerMs: 100 })
  const [owner, observer] = [await RingClient.open(t, path), await client()]
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), subscribe(1, 'flood', WIDE))
  await owner.expectNothing()
  owner.pause()
  // Fills its own socket, so that whatever comes must wait in the broker.
  owner.send(topic(1, 'flood'))
  for (let index = 0; index < 40; index++) owner.send(publish(1, 'x'.repeat(60_000)))
  for (let index = 0; index < 20_000; index++) {
    const descriptor = ring.claim(64 * KIB)
    if (descriptor === undefined) {
      await new Promise(setImmediate)
      continue
    }
    if (ring.claim(1) === undefined) ring.want(1)
    owner.send(publishByRing(0, descriptor))
  }
  let refused = 0
  do ({ clientsRefused: refused } = await observer.ask<{ clientsRefused: number }>('$SYS.stats'))
  while (refused === 0)
  t.is(refused, 1)
})
