import test, { type ExecutionContext } from 'ava'
import { Flag, SegmentRole } from '../../../protocol/index.js'
import { type Bench, startBench } from '../fixtures.js'
import { cancel, pull, reply, request, serve, topic } from '../frames.js'
import { patterned, RingClient, ringRows, ringStats, type TestRing } from '../ring-client.js'
import { replyByRing, requestByRing } from '../ring-frames.js'
import type { Client } from '../transcript.js'

const KIB = 1024
const SMALL = { ringBytes: 64 * KIB }

interface Parties extends Bench {
  readonly requester: RingClient
  readonly responder: RingClient
  readonly observer: Client
  /** The requester's. */
  readonly ring: TestRing
}

/** A responder that serves `svc`, one request at a time, and a requester with a ring. */
async function startParties(t: ExecutionContext, options = {}): Promise<Parties> {
  const bench = await startBench(t, { ...SMALL, ...options })
  const requester = await RingClient.open(t, bench.path, 'requester')
  const responder = await RingClient.open(t, bench.path, 'responder')
  const observer = await bench.client('observer')
  responder.send(serve(1, 'svc'))
  await responder.expectNothing()
  requester.send(topic(0, 'svc'))
  return { ...bench, requester, responder, observer, ring: await requester.openRing(1) }
}

/** Puts a first request through, after which the responder has the requester's ring mapped. */
async function acquaint(t: ExecutionContext, { requester, responder, ring }: Parties): Promise<void> {
  requester.send(requestByRing(0, 1, ring.put(patterned(10, 1))))
  const offer = await responder.expectOffer(SegmentRole.READER)
  // Nobody lets a requester wait for a map: the first request goes inline.
  const first = await responder.expect('REQUEST')
  t.is(first.flags, 0)
  t.true(first.payload.equals(patterned(10, 1)))
  await responder.map(offer)
  responder.send(reply(first.id, 'done'))
  await requester.expect('REPLY', { id: 1 })
}

test('[RING-2] [RING-7] requests and replies go by ring, in both directions', async (t) => {
  const parties = await startParties(t)
  const { requester, responder, observer, ring } = parties
  await acquaint(t, parties)
  requester.send(requestByRing(0, 2, ring.put(patterned(5000, 2)), { priority: 4 }))
  const asked = await responder.expect('REQUEST', { name: 'svc', priority: 4 })
  t.true(responder.isByRing(asked))
  t.true(responder.read(asked).equals(patterned(5000, 2)))
  const replies = await responder.openRing(1)
  responder.send(replyByRing(asked.id, replies.put(patterned(6000, 3))))
  const offer = await requester.expectOffer(SegmentRole.READER)
  const inline = await requester.expect('REPLY', { id: 2, priority: 4, flags: 0 })
  t.true(inline.payload.equals(patterned(6000, 3)))
  await requester.map(offer)
  // The request's own lease goes on for as long as the responder likes.
  t.true(responder.read(asked).equals(patterned(5000, 2)))
  responder.release(asked)
  requester.send(request(0, 3))
  const third = await responder.expect('REQUEST')
  responder.send(replyByRing(third.id, replies.put(patterned(7000, 4))))
  const answered = await requester.expect('REPLY', { id: 3 })
  t.true(requester.isByRing(answered))
  t.true(requester.read(answered).equals(patterned(7000, 4)))
  t.like(await ringRows(observer), [
    { segment: ring.id, records: 0 },
    { segment: replies.id, records: 1 },
  ])
  requester.release(answered)
  await requester.expectNothing()
  t.like(await ringRows(observer), [{ records: 0 }, { records: 0 }])
})

test('[RING-7] requests that are held keep their payload, until they are given, cancelled or refused', async (t) => {
  const parties = await startParties(t, { heldRequestsMax: 3 })
  const { requester, responder, observer, ring } = parties
  await acquaint(t, parties)
  for (let id = 2; id <= 6; id++) requester.send(requestByRing(0, id, ring.put(patterned(1000 * id, id))))
  const second = await responder.expect('REQUEST')
  t.is((await requester.expect('FAILURE', { id: 6 })).body['code'], 'OVERLOADED')
  t.like(await ringRows(observer), [{ records: 4 }])
  requester.send(cancel(4))
  await requester.expectNothing()
  t.like(await ringRows(observer), [{ records: 3 }])
  responder.release(second)
  responder.send(reply(second.id, ''))
  await requester.expect('REPLY', { id: 2 })
  const third = await responder.expect('REQUEST')
  t.true(responder.read(third).equals(patterned(3000, 3)))
  t.like(await ringRows(observer), [{ records: 2 }])
  responder.release(third)
  requester.send(cancel(3))
  await responder.expect('CANCEL')
  t.like(await ringRows(observer), [{ records: 1 }])
  requester.hangUp()
  while ((await ringRows(observer))[0]?.records === 1);
  responder.send(reply(third.id, ''))
  await responder.expect('DETACH', { topic: ring.id })
  responder.detach(ring.id)
  await responder.expectNothing()
  t.like(await ringStats(observer), { segments: 0 })
})

test('[RING-7] a responder that is lost gives its leases back, and what was held for it fails', async (t) => {
  const parties = await startParties(t)
  const { requester, responder, observer, ring } = parties
  await acquaint(t, parties)
  for (const id of [2, 3]) requester.send(requestByRing(0, id, ring.put(patterned(1000, id))))
  await responder.expect('REQUEST')
  t.like(await ringRows(observer), [{ records: 2 }])
  responder.hangUp()
  const codes = [await requester.expect('FAILURE'), await requester.expect('FAILURE')]
  t.deepEqual(
    codes.map(({ id, body }) => [id, body['code']]),
    [
      [2, 'RESPONDER_LOST'],
      [3, 'NO_RESPONDERS'],
    ],
  )
  while ((await ringRows(observer))[0]!.records > 0);
  t.truthy(ring.claim(64 * KIB))
})

test('[RING-11] a held request goes inline to a responder without rings', async (t) => {
  const { client, path } = await startBench(t, SMALL)
  const requester = await RingClient.open(t, path)
  const [responder, observer] = [await client(), await client()]
  responder.send(serve(1, 'svc'))
  await responder.expectNothing()
  const ring = await requester.openRing(1)
  requester.send(topic(0, 'svc'))
  for (const id of [1, 2]) requester.send(requestByRing(0, id, ring.put(patterned(20 * KIB, id))))
  for (const id of [1, 2]) {
    const asked = await responder.expect('REQUEST', { flags: 0 })
    t.true(asked.payload.equals(patterned(20 * KIB, id)))
    responder.send(reply(asked.id, ''))
    await requester.expect('REPLY', { id })
  }
  t.like(await ringRows(observer), [{ records: 0 }])
  t.like(await ringStats(observer), { committed: 2, inlined: 2, delivered: 0 })
})

test('[RING-11] a held request is copied out of a ring that it holds up, and stays what it is', async (t) => {
  const parties = await startParties(t)
  const { requester, responder, observer, ring } = parties
  await acquaint(t, parties)
  requester.send(request(0, 2))
  const busy = await responder.expect('REQUEST')
  // An alias of the same number as the id that the broker has for the topic: only the link tells the frames apart.
  const alias = busy.topic
  requester.send(topic(alias, 'svc'))
  for (const id of [3, 4]) {
    requester.send(requestByRing(alias, id, ring.put(patterned(25 * KIB, id))))
    await requester.expectNothing()
  }
  t.like(await ringStats(observer), { copiedOut: 1, copiedBytes: 25 * KIB })
  let finished = busy
  for (const id of [3, 4]) {
    responder.send(reply(finished.id, ''))
    await requester.expect('REPLY', { id: id - 1 })
    finished = await responder.expect('REQUEST')
    t.is(responder.isByRing(finished), id === 4)
    t.not(finished.id, id)
    t.true(responder.read(finished).equals(patterned(25 * KIB, id)))
  }
  t.like(await ringStats(observer), { copiedBytes: 0 })
})

test('[RING-2] [RING-7] parts of a stream go by ring; its credit counts their payloads', async (t) => {
  const parties = await startParties(t)
  const { requester, responder, observer, ring } = parties
  await acquaint(t, parties)
  requester.send(request(0, 2, '', { flags: Flag.STREAM }))
  const asked = await responder.expect('REQUEST')
  const replies = await responder.openRing(256 * KIB)
  responder.send(replyByRing(asked.id, replies.put(patterned(100, 1)), Flag.STREAM))
  const offer = await requester.expectOffer(SegmentRole.READER)
  await requester.expect('REPLY', { flags: Flag.STREAM })
  await requester.map(offer)
  const big = patterned(256 * KIB - 200, 2)
  responder.send(replyByRing(asked.id, replies.put(big), Flag.STREAM))
  const part = await requester.expect('REPLY', { flags: Flag.STREAM | Flag.RING })
  t.true(requester.read(part).equals(big))
  requester.release(part)
  requester.send(pull(2, 1000))
  await responder.expect('PULL')
  responder.send(
    replyByRing(asked.id, replies.put(patterned(50, 3)), Flag.STREAM),
    replyByRing(asked.id, replies.put(patterned(9, 4))),
  )
  const [last, end] = [await requester.expect('REPLY'), await requester.expect('REPLY')]
  t.true(requester.read(last).equals(patterned(50, 3)))
  t.true(requester.read(end).equals(patterned(9, 4)))
  requester.release(last, end)
  await requester.expectNothing()
  t.like(await ringRows(observer), [
    { segment: ring.id, records: 0 },
    { segment: replies.id, records: 0 },
  ])
})

test('[RING-2] a part of a stream by ring beyond the credit is a fault of the responder', async (t) => {
  const parties = await startParties(t)
  const { requester, responder } = parties
  await acquaint(t, parties)
  requester.send(request(0, 2, '', { flags: Flag.STREAM }))
  const asked = await responder.expect('REQUEST')
  const replies = await responder.openRing(512 * KIB)
  responder.send(replyByRing(asked.id, replies.put(patterned(256 * KIB, 1)), Flag.STREAM))
  responder.send(replyByRing(asked.id, replies.put(patterned(1, 2)), Flag.STREAM))
  await responder.expectFatal('CREDIT_EXCEEDED')
})

test('[RING-6] a reply by ring to a request that is over is booked, and over as well', async (t) => {
  const parties = await startParties(t)
  const { requester, responder, observer } = parties
  await acquaint(t, parties)
  requester.send(request(0, 2))
  const asked = await responder.expect('REQUEST')
  const replies = await responder.openRing(1)
  requester.send(cancel(2))
  await responder.expect('CANCEL')
  responder.send(
    replyByRing(asked.id, replies.put(patterned(5000, 1))),
    replyByRing(99, replies.put(patterned(5000, 1))),
  )
  await responder.expectNothing()
  await requester.expectNothing()
  t.like(await ringRows(observer), [{ records: 0 }, { segment: replies.id, records: 0, occupiedBytes: 0 }])
  t.truthy(replies.claim(64 * KIB))
})

test('[RING-2] a request or reply by ring is no larger than an inline one may be', async (t) => {
  const parties = await startParties(t, { payloadBytesMax: 10_000 })
  const { requester, responder, observer, ring } = parties
  await acquaint(t, parties)
  requester.send(requestByRing(0, 2, ring.put(patterned(10_000, 2))))
  const asked = await responder.expect('REQUEST')
  const replies = await responder.openRing(1)
  responder.send(replyByRing(asked.id, replies.put(patterned(10_001, 1))))
  await responder.expectFatal('MESSAGE_TOO_LARGE')
  t.is((await requester.expect('FAILURE', { id: 2 })).body['code'], 'RESPONDER_LOST')
  requester.send(requestByRing(0, 3, ring.put(patterned(10_001, 2))))
  await requester.expectFatal('MESSAGE_TOO_LARGE')
  responder.hangUp()
  requester.hangUp()
  while ((await ringStats(observer)).segments > 0);
  t.pass()
})

test('[RING-11] replies that a client leaves unread keep their payloads, and go with it', async (t) => {
  const parties = await startParties(t)
  const { requester, responder, observer } = parties
  await acquaint(t, parties)
  const replies = await responder.openRing(1)
  requester.pause()
  // Fills the requester's socket with replies inline; those behind them wait in the broker.
  const filler = patterned(1024 * KIB, 9)
  for (let id = 2; id < 8; id++) {
    requester.send(request(0, id))
    const asked = await responder.expect('REQUEST')
    responder.send(reply(asked.id, filler))
  }
  requester.send(request(0, 8))
  const asked = await responder.expect('REQUEST')
  responder.send(replyByRing(asked.id, replies.put(patterned(1000, 8))))
  await responder.expectNothing()
  const row = (await ringRows(observer)).find(({ segment }) => segment === replies.id)
  t.like(row, { records: 1 })
  requester.hangUp()
  while ((await ringRows(observer)).find(({ segment }) => segment === replies.id)!.records > 0);
  t.truthy(replies.claim(64 * KIB))
})
