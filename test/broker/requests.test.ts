import test, { type ExecutionContext } from 'ava'
import type { BrokerOptions } from '../../broker/index.js'
import { CONCURRENCY_MAX, type ErrorCode, Flag, Kind, Offset, writeU32 } from '../../protocol/index.js'
import { startBench } from './fixtures.js'
import { cancel, failure, publish, reply, request, serve, subscribe, topic, unserve } from './frames.js'
import type { Client } from './transcript.js'

/** A requester whose alias 0 is `svc`, and a responder that serves it as service 1. */
async function startService(t: ExecutionContext, concurrency = 1, options: BrokerOptions = {}) {
  const bench = await startBench(t, options)
  const [requester, responder] = [await bench.client('requester'), await bench.client('responder')]
  requester.send(topic(0, 'svc'))
  await requester.expectNothing()
  responder.send(serve(1, 'svc', concurrency))
  await responder.expectNothing()
  return { ...bench, requester, responder }
}

async function expectFailure(client: Client, id: number, code: ErrorCode): Promise<string> {
  const { body } = await client.expect('FAILURE', { id })
  if (body['code'] !== code) throw new Error(`Expected ${code}, got ${JSON.stringify(body)}`)
  return body['message'] as string
}

/** Waits until the broker has seen that a client is gone. */
async function afterHangUp(observer: Client, gone: Client): Promise<void> {
  observer.send(subscribe(99, '$SYS.client.disconnected'))
  await observer.expectNothing()
  gone.hangUp()
  await observer.expect('MESSAGE', { name: '$SYS.client.disconnected' })
}

test('[REQUEST-1] [REQUEST-2] [REQUEST-4] a request gets one reply, by ids that each side chose', async (t) => {
  const { requester, responder } = await startService(t)
  requester.send(request(0, 7, 'question', { priority: 9, encoding: 1 }))
  const asked = await responder.expect('REQUEST', {
    text: 'question',
    priority: 9,
    encoding: 1,
    name: 'svc',
    consumer: 1,
  })
  responder.send(reply(asked.id, 'answer', { encoding: 1 }))
  await requester.expect('REPLY', { id: 7, text: 'answer', encoding: 1, flags: 0, priority: 9 })
  await requester.expectNothing()
  requester.send(request(0, 7, 'again'))
  await responder.expect('REQUEST', { text: 'again' })
})

test('[REQUEST-1] an id of a request under way is a fatal fault', async (t) => {
  const { requester } = await startService(t)
  requester.send(request(0, 7), request(0, 7))
  await requester.expectFatal('ID_IN_USE')
})

test('[REQUEST-1] beyond requestsMax the answer is REQUEST_LIMIT, and a place is free again after a reply', async (t) => {
  const { requester, responder } = await startService(t, 10, { requestsMax: 2 })
  requester.send(request(0, 1), request(0, 2), request(0, 3))
  await expectFailure(requester, 3, 'REQUEST_LIMIT')
  const { id } = await responder.expect('REQUEST')
  await responder.expect('REQUEST')
  responder.send(reply(id, ''))
  await requester.expect('REPLY', { id: 1 })
  requester.send(request(0, 4, 'fits'))
  await responder.expect('REQUEST', { text: 'fits' })
})

test('[REQUEST-7] nobody serves: NO_RESPONDERS at once, and the id is free', async (t) => {
  const { client } = await startBench(t)
  const requester = await client()
  requester.send(topic(0, 'svc'), request(0, 1), request(0, 2))
  t.regex(await expectFailure(requester, 1, 'NO_RESPONDERS'), /svc/)
  await expectFailure(requester, 2, 'NO_RESPONDERS')
  requester.send(request(0, 1))
  await expectFailure(requester, 1, 'NO_RESPONDERS')
})

test('[REQUEST-2] a failure of the responder passes through as it is', async (t) => {
  const { requester, responder } = await startService(t)
  requester.send(request(0, 7))
  const { id } = await responder.expect('REQUEST')
  responder.send(failure(id, 'HANDLER_ERROR', 'division by zero', { name: 'RangeError' }))
  const { body } = await requester.expect('FAILURE', { id: 7 })
  t.deepEqual(body, { code: 'HANDLER_ERROR', message: 'division by zero', details: { name: 'RangeError' } })
})

test('[REQUEST-3] concurrency is respected, and what is held goes out by priority', async (t) => {
  const { requester, responder } = await startService(t, 2)
  const priorities = [0, 0, 3, 31, 3, 0]
  requester.send(...priorities.map((priority, id) => request(0, id, `${priority}/${id}`, { priority })))
  const given = [await responder.expect('REQUEST'), await responder.expect('REQUEST')]
  t.deepEqual(
    given.map(({ text }) => text),
    ['0/0', '0/1'],
  )
  await responder.expectNothing()
  const order: string[] = []
  for (let link = given[1]!.id; order.length < 4; ) {
    responder.send(reply(link, ''))
    const next = await responder.expect('REQUEST')
    await responder.expectNothing()
    order.push(next.text)
    link = next.id
  }
  t.deepEqual(order, ['31/3', '3/2', '3/4', '0/5'])
})

test('[REQUEST-3] concurrency beyond its range is a fatal fault', async (t) => {
  const { client } = await startBench(t)
  for (const concurrency of [0, CONCURRENCY_MAX + 1]) {
    const responder = await client()
    responder.send(serve(1, 'svc', concurrency))
    await responder.expectFatal('BAD_FRAME')
  }
})

test('[REQUEST-3] SERVE is refused as SUBSCRIBE is, and the client goes on', async (t) => {
  const { client } = await startBench(t, { servicesMax: 1 })
  const responder = await client()
  responder.send(
    serve(1, 'a..b'),
    serve(1, '$SYS.stats'),
    serve(0, 'a'),
    serve(1, 'a'),
    serve(1, 'b'),
    serve(2, 'c'),
  )
  await responder.expectRefusal('BAD_PATTERN', Kind.SERVE, 1)
  await responder.expectRefusal('TOPIC_RESERVED', Kind.SERVE, 1)
  await responder.expectRefusal('ID_IN_USE', Kind.SERVE, 0)
  await responder.expectRefusal('ID_IN_USE', Kind.SERVE, 1)
  await responder.expectRefusal('SERVICE_LIMIT', Kind.SERVE, 2)
  responder.send(topic(0, 'a'), request(0, 5, 'to myself'))
  await responder.expect('REQUEST', { text: 'to myself' })
})

test('[REQUEST-3] each request goes to one service of those that match, and responders share the load', async (t) => {
  const { requester, client } = await startService(t, 10)
  const [second, wild] = [await client(), await client()]
  second.send(serve(1, 'svc', 10))
  wild.send(serve(1, '*', 10))
  await second.expectNothing()
  await wild.expectNothing()
  requester.send(...Array.from({ length: 9 }, (_, id) => request(0, id)))
  await requester.expectNothing()
  const rows = await requester.ask<{ rows: { pattern: string; inFlight: number }[] }>('$SYS.services')
  t.is(
    rows.rows.reduce((sum, { inFlight }) => sum + inFlight, 0),
    9,
  )
  const ofPattern = rows.rows.filter(({ pattern }) => pattern === 'svc').map(({ inFlight }) => inFlight)
  t.true(Math.abs(ofPattern[0]! - ofPattern[1]!) <= 1, String(ofPattern))
})

test('[REQUEST-3] a pattern that comes or goes counts from the next request on', async (t) => {
  const { client } = await startBench(t)
  const [requester, wide, narrow] = [await client(), await client(), await client()]
  requester.send(topic(0, 'svc.a'), request(0, 1))
  await expectFailure(requester, 1, 'NO_RESPONDERS')
  wide.send(serve(1, 'svc.*', 1))
  await wide.expectNothing()
  requester.send(request(0, 1))
  const first = await wide.expect('REQUEST')
  narrow.send(serve(1, 'svc.a', 1))
  await narrow.expectNothing()
  requester.send(request(0, 2))
  const second = await narrow.expect('REQUEST')
  narrow.send(unserve(1), reply(second.id, ''))
  await requester.expect('REPLY', { id: 2 })
  await narrow.expect('DRAINED')
  wide.send(reply(first.id, ''))
  await requester.expect('REPLY', { id: 1 })
  requester.send(request(0, 3))
  const third = await wide.expect('REQUEST')
  wide.send(reply(third.id, ''), unserve(1))
  await requester.expect('REPLY', { id: 3 })
  await wide.expect('DRAINED')
  requester.send(request(0, 4))
  await expectFailure(requester, 4, 'NO_RESPONDERS')
})

test('[REQUEST-3] of the free responders the one with the fewest requests on its hands is next', async (t) => {
  const { requester, responder, client } = await startService(t, 10)
  requester.send(...[1, 2, 3, 4].map((id) => request(0, id)))
  for (let count = 0; count < 4; count++) await responder.expect('REQUEST')
  const idle = await client()
  idle.send(serve(1, 'svc', 10))
  await idle.expectNothing()
  requester.send(...[5, 6, 7].map((id) => request(0, id, String(id))))
  for (const text of ['5', '6', '7']) await idle.expect('REQUEST', { text })
  await responder.expectNothing()
})

test('[REQUEST-3] UNSERVE: no request follows DRAINED, those given are still answered, held ones find another', async (t) => {
  const { requester, responder, client } = await startService(t)
  requester.send(request(0, 1, 'given'), request(0, 2, 'held'))
  const { id } = await responder.expect('REQUEST', { text: 'given' })
  const other = await client()
  other.send(serve(1, '*'))
  await other.expectNothing()
  responder.send(unserve(1))
  await responder.expect('DRAINED', { id: 1 })
  await other.expect('REQUEST', { text: 'held' })
  requester.send(request(0, 3, 'late'))
  await responder.expectNothing()
  responder.send(reply(id, 'answer'))
  await requester.expect('REPLY', { id: 1, text: 'answer' })
  await responder.expectNothing()
  responder.send(serve(1, 'svc'))
  await responder.expectNothing()
  requester.send(request(0, 4, 'new'))
  await responder.expect('REQUEST', { text: 'new', consumer: 1 })
})

test('[REQUEST-7] held requests whose last responder unserves get NO_RESPONDERS', async (t) => {
  const { requester, responder } = await startService(t)
  requester.send(request(0, 1), request(0, 2), request(0, 3))
  await responder.expect('REQUEST')
  responder.send(unserve(1))
  await expectFailure(requester, 2, 'NO_RESPONDERS')
  await expectFailure(requester, 3, 'NO_RESPONDERS')
  await requester.expectNothing()
})

test('[REQUEST-7] the responder that has the request dies: RESPONDER_LOST; what waits goes to another', async (t) => {
  const { requester, responder, client } = await startService(t)
  requester.send(request(0, 1, 'given'), request(0, 2, 'held'))
  await responder.expect('REQUEST', { text: 'given' })
  const other = await client()
  other.send(serve(5, '*'))
  await other.expectNothing()
  responder.hangUp()
  await expectFailure(requester, 1, 'RESPONDER_LOST')
  const { id } = await other.expect('REQUEST', { text: 'held' })
  other.send(reply(id, 'answered'))
  await requester.expect('REPLY', { id: 2, text: 'answered' })
})

test('[REQUEST-7] a held request is never handed to another service of the responder that dies', async (t) => {
  const { requester, responder } = await startService(t)
  requester.send(request(0, 1, 'given'), request(0, 2, 'held'))
  await responder.expect('REQUEST', { text: 'given' })
  responder.send(serve(2, '*'))
  await responder.expectNothing()
  responder.hangUp()
  await expectFailure(requester, 1, 'RESPONDER_LOST')
  await expectFailure(requester, 2, 'NO_RESPONDERS')
})

test('[REQUEST-7] a responder that unserved and dies with a request in its hands is lost all the same', async (t) => {
  const { requester, responder } = await startService(t)
  requester.send(request(0, 1))
  await responder.expect('REQUEST')
  responder.send(unserve(1))
  await responder.expect('DRAINED')
  responder.hangUp()
  await expectFailure(requester, 1, 'RESPONDER_LOST')
})

for (const [limit, options] of [
  ['requests', { heldRequestsMax: 2 }],
  ['bytes', { heldBytesMax: 250 }],
] as const) {
  test(`[REQUEST-7] more ${limit} wait than may wait: OVERLOADED`, async (t) => {
    const { requester, responder } = await startService(t, 1, options)
    requester.send(...[1, 2, 3, 4].map((id) => request(0, id, '.'.repeat(100))))
    await expectFailure(requester, 4, 'OVERLOADED')
    const { id } = await responder.expect('REQUEST')
    responder.send(reply(id, ''))
    await requester.expect('REPLY', { id: 1 })
    requester.send(request(0, 5, '.'))
    await requester.expectNothing()
  })
}

test('[REQUEST-6] a held request that is cancelled reaches nobody', async (t) => {
  const { requester, responder } = await startService(t)
  requester.send(request(0, 1), request(0, 2, 'cancelled'), request(0, 3, 'kept'), cancel(2))
  const { id } = await responder.expect('REQUEST')
  responder.send(reply(id, ''))
  await requester.expect('REPLY', { id: 1 })
  await responder.expect('REQUEST', { text: 'kept' })
  await requester.expectNothing()
})

test('[REQUEST-6] a given request: CANCEL reaches the responder, whose place is taken until it ends it', async (t) => {
  const { requester, responder } = await startService(t)
  requester.send(request(0, 1, 'first'))
  const { id } = await responder.expect('REQUEST', { text: 'first' })
  requester.send(cancel(1), request(0, 1, 'same id'))
  await responder.expect('CANCEL', { id })
  await responder.expectNothing()
  responder.send(reply(id, 'nobody wants it'))
  const next = await responder.expect('REQUEST', { text: 'same id' })
  await requester.expectNothing()
  responder.send(reply(next.id, 'wanted'))
  await requester.expect('REPLY', { id: 1, text: 'wanted' })
})

test('[REQUEST-6] a failure gives the place of a cancelled request back as well', async (t) => {
  const { requester, responder } = await startService(t)
  requester.send(request(0, 1))
  const { id } = await responder.expect('REQUEST')
  requester.send(cancel(1), request(0, 2, 'next'))
  await responder.expect('CANCEL', { id })
  responder.send(failure(id, 'CANCELLED', 'stopped'))
  await responder.expect('REQUEST', { text: 'next' })
  await requester.expectNothing()
})

test('[REQUEST-6] CANCEL for what is over is ignored; more of them than requests are a fault', async (t) => {
  const { requester, responder } = await startService(t)
  requester.send(request(0, 1))
  const { id } = await responder.expect('REQUEST')
  responder.send(reply(id, ''))
  await requester.expect('REPLY', { id: 1 })
  requester.send(cancel(1))
  await requester.expectNothing()
  await responder.expectNothing()
  requester.send(cancel(1))
  await requester.expectFatal('ID_UNKNOWN')
})

test('[REQUEST-6] [WIRE-2.7] a requester that hangs up cancels what it asked', async (t) => {
  const { requester, responder, client } = await startService(t)
  requester.send(request(0, 1, 'given'), request(0, 2, 'held'))
  const { id } = await responder.expect('REQUEST', { text: 'given' })
  requester.hangUp()
  await responder.expect('CANCEL', { id })
  responder.send(reply(id, ''))
  await responder.expectNothing()
  t.like(await (await client()).ask('$SYS.stats'), { requestsInFlight: 0 })
})

test('[REQUEST-4] late, repeated and foreign replies are ignored', async (t) => {
  const { requester, responder, client } = await startService(t)
  const thief = await client()
  requester.send(request(0, 1))
  const first = await responder.expect('REQUEST')
  thief.send(reply(first.id, 'stolen'), failure(first.id, 'HANDLER_ERROR', 'stolen'))
  await thief.expectNothing()
  responder.send(reply(0xffff_ffff, 'nobody'), reply(first.id, 'right'), reply(first.id, 'twice'))
  await requester.expect('REPLY', { id: 1, text: 'right' })
  requester.send(request(0, 2))
  const second = await responder.expect('REQUEST')
  t.not(second.id, first.id)
  responder.send(reply(first.id, 'late'), failure(first.id, 'HANDLER_ERROR', 'late'))
  await responder.expectNothing()
  await requester.expectNothing()
  responder.send(reply(second.id, 'in time'))
  await requester.expect('REPLY', { id: 2, text: 'in time' })
})

test('[WIRE-3.6] a reply by ring is refused where there is no ring, and the request goes on', async (t) => {
  const { requester, responder } = await startService(t, 1, { rings: false })
  requester.send(request(0, 1))
  const { id } = await responder.expect('REQUEST')
  responder.send(reply(id, Buffer.alloc(32), { flags: Flag.RING }))
  await responder.expectRefusal('FEATURE_UNSUPPORTED', Kind.REPLY, id)
  responder.send(reply(id, 'inline'))
  await requester.expect('REPLY', { id: 1, text: 'inline' })
})

test('[WIRE-1.8] whatever stands in the topic of a reply is ignored, also where replies queue', async (t) => {
  const { requester, responder } = await startService(t, 100)
  requester.pause()
  requester.send(...Array.from({ length: 20 }, (_, id) => request(0, id)))
  for (let count = 0; count < 20; count++) {
    const { id } = await responder.expect('REQUEST')
    const frame =
      count % 2 === 0 ? reply(id, Buffer.alloc(500_000)) : failure(id, 'HANDLER_ERROR', 'x'.repeat(50_000))
    writeU32(frame, Offset.TOPIC, 0xdead_beef)
    responder.send(frame)
  }
  await responder.expectNothing()
  requester.resume()
  for (let count = 0; count < 20; count++) {
    const { topic } = await requester.expect(count % 2 === 0 ? 'REPLY' : 'FAILURE', { id: count })
    t.is(topic, 0)
  }
})

test('[CREDIT-5] a client whose socket is full is given no request: another takes it, or it is held', async (t) => {
  const { requester, responder, client } = await startService(t)
  responder.send(subscribe(2, 'data', { window: 2 ** 30 }))
  await responder.expectNothing()
  responder.pause()
  requester.send(topic(1, 'data'), ...Array.from({ length: 40 }, () => publish(1, Buffer.alloc(100_000))))
  requester.send(request(0, 1, 'waits', { priority: 1 }))
  await requester.expectNothing()
  const { rows } = await requester.ask<{ rows: Record<string, number>[] }>('$SYS.services')
  t.like(rows[0], { inFlight: 0, held: 1 })
  const other = await client()
  other.send(serve(1, 'svc'))
  await other.expect('REQUEST', { text: 'waits' })
  requester.send(request(0, 2, 'after'))
  await requester.expectNothing()
  other.hangUp()
  await expectFailure(requester, 1, 'RESPONDER_LOST')
  responder.resume()
  for (let frame = await responder.next(); frame.kind !== 'REQUEST'; frame = await responder.next()) {
    t.not(frame.kind, 'ERROR')
  }
})

test('requesters cannot have a responder let go by cancelling while it does not read', async (t) => {
  const { requester, responder } = await startService(t, 10_000)
  // Their CANCELs are more than the 64 KiB of unread answers at which a client is let go.
  const ids = Array.from({ length: 6000 }, (_, id) => id)
  requester.send(...ids.map((id) => request(0, id)))
  for (const _ of ids) await responder.expect('REQUEST')
  responder.send(subscribe(2, 'data', { window: 2 ** 30 }))
  await responder.expectNothing()
  responder.pause()
  requester.send(topic(1, 'data'), ...Array.from({ length: 40 }, () => publish(1, Buffer.alloc(100_000))))
  requester.send(...ids.map((id) => cancel(id)))
  await requester.expectNothing()
  responder.resume()
  for (let cancelled = 0, messages = 0; cancelled < 6000 || messages < 40; ) {
    const frame = await responder.next()
    if (frame.kind === 'CANCEL') cancelled += 1
    else if (frame.kind === 'MESSAGE') messages += 1
    else t.true(frame.kind === 'NAME' || frame.kind === 'DELIVER', frame.kind)
  }
})

test('[WIRE-2.7] what a responder sent before it hung up counts', async (t) => {
  const { requester, responder } = await startService(t, 2)
  requester.send(request(0, 1), request(0, 2))
  const { id } = await responder.expect('REQUEST')
  await responder.expect('REQUEST')
  responder.socket.end(reply(id, 'last words'))
  await requester.expect('REPLY', { id: 1, text: 'last words' })
  await expectFailure(requester, 2, 'RESPONDER_LOST')
})

test('[REQUEST-7] the broker’s table of requests is empty once every one has ended', async (t) => {
  const { requester, responder, client } = await startService(t, 3)
  const observer = await client()
  requester.send(...[1, 2, 3, 4, 5].map((id) => request(0, id)), cancel(2), cancel(5))
  const { id } = await responder.expect('REQUEST', {})
  responder.send(reply(id, ''))
  await requester.expect('REPLY', { id: 1 })
  await afterHangUp(observer, responder)
  await expectFailure(requester, 3, 'RESPONDER_LOST')
  await expectFailure(requester, 4, 'RESPONDER_LOST')
  await requester.expectNothing()
  t.like(await observer.ask('$SYS.stats'), { requestsInFlight: 0, services: 0 })
})
