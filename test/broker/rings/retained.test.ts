import test from 'ava'
import { Encoding, Flag, Kind, packValue, SegmentRole } from '../../../protocol/index.js'
import { startBench } from '../fixtures.js'
import { subscribe, topic } from '../frames.js'
import { patterned, RingClient, ringRows, ringStats } from '../ring-client.js'
import { publishByRing } from '../ring-frames.js'

const KIB = 1024
const GREETED = { window: 2 ** 30, retained: true }

/** A message to be kept whose payload lies in a ring. */
function keepByRing(...[alias, descriptor, options]: Parameters<typeof publishByRing>): Buffer {
  return publishByRing(alias, descriptor, { ...options, flags: Flag.RETAIN })
}

test('[RETAIN-1] [RING-11] a payload by ring is kept as a copy, which greets by socket and holds up no ring', async (t) => {
  const { client, path } = await startBench(t)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const observer = await client()
  reader.send(subscribe(1, 'a', { window: 2 ** 30 }))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  const options = {
    headers: packValue({ h: 1 }),
    encoding: Encoding.UTF8,
    priority: 3,
    expiryNs: Number(process.hrtime.bigint()) + 3600e9,
  }
  const payload = patterned(40_001, 1)
  owner.send(topic(0, 'a'), keepByRing(0, ring.put(payload), options))
  await reader.mapOffered()
  const live = await reader.expect('MESSAGE')
  t.true(reader.isByRing(live))
  t.is(live.flags & Flag.RETAIN, 0)
  t.true(reader.read(live).equals(payload))
  reader.release(live)
  while ((await ringRows(observer)).some(({ records }) => records !== 0));
  // The memory is used again: what was kept must not lie there.
  for (let seed = 2; seed < 6; seed++) {
    owner.send(publishByRing(0, ring.put(patterned(40_001, seed))))
    const next = await reader.expect('MESSAGE')
    reader.release(next)
  }
  observer.send(subscribe(1, '>', GREETED))
  const kept = await observer.expect('MESSAGE', { name: 'a', priority: 3, encoding: Encoding.UTF8 })
  t.is(kept.flags & (Flag.RETAIN | Flag.RING), Flag.RETAIN)
  t.true(kept.payload.equals(payload))
  const late = await RingClient.open(t, path)
  late.send(subscribe(1, 'a', GREETED))
  t.true((await late.expect('MESSAGE')).payload.equals(payload))
  await late.expectNothing()
  t.like(await ringStats(observer), { copiedBytes: 0 })
})

test('[RETAIN-1] a payload by ring that is too large to be kept is delivered, and refused', async (t) => {
  const { path } = await startBench(t, { payloadBytesMax: 64 * KIB, retainedBytesMax: 200 * KIB })
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  reader.send(subscribe(1, '>', { window: 2 ** 30 }))
  await reader.expectNothing()
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), topic(1, 'b'), topic(2, 'c'), topic(3, 'd'))
  // The first could not be sent by socket, and for the last there is no room.
  owner.send(keepByRing(0, ring.put(patterned(64 * KIB + 1, 1))))
  for (const alias of [0, 1, 2]) owner.send(keepByRing(alias, ring.put(patterned(60 * KIB, alias))))
  owner.send(keepByRing(3, ring.put(patterned(60 * KIB, 3))))
  await owner.expectRefusal('RETAIN_LIMIT', Kind.MESSAGE, 0)
  await owner.expectRefusal('RETAIN_LIMIT', Kind.MESSAGE, 0)
  await owner.expectNothing()
  await reader.mapOffered()
  for (let count = 0; count < 5; count++) reader.release(await reader.expect('MESSAGE'))
  const late = await RingClient.open(t, path)
  late.send(subscribe(1, '>', GREETED))
  const names = (await late.arrived()).map(({ name }) => name)
  t.deepEqual(names.sort(), ['a', 'b', 'c'])
})

test('[RETAIN-2] [RING-10] a greeting does not wait for a ring that live messages wait for', async (t) => {
  const { path } = await startBench(t)
  const [owner, late] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const ring = await owner.openRing(1)
  owner.send(topic(0, 'a'), keepByRing(0, ring.put(patterned(20_000, 1))))
  await owner.expectNothing()
  late.send(subscribe(1, 'a', GREETED))
  t.true((await late.expect('MESSAGE', { flags: Flag.RETAIN })).payload.equals(patterned(20_000, 1)))
  owner.send(publishByRing(0, ring.put(patterned(20_000, 2))))
  const offer = await late.expectOffer(SegmentRole.READER)
  late.send(subscribe(2, 'a', GREETED))
  // Another subscription is greeted meanwhile: its queue is its own.
  await late.expect('MESSAGE', { flags: Flag.RETAIN, consumer: 2 })
  await late.map(offer)
  t.true(late.read(await late.expect('MESSAGE', { consumer: 1 })).equals(patterned(20_000, 2)))
})
