import test, { type ExecutionContext } from 'ava'
import { CREDIT_BYTES_MAX, Flag, STREAM_WINDOW_BYTES } from '../../protocol/index.js'
import { startBench } from './fixtures.js'
import {
  cancel,
  failure,
  publish,
  pull,
  reply,
  replyPart,
  request,
  requestStream,
  serve,
  subscribe,
  topic,
} from './frames.js'

/** A stream that has been asked for by request 7, and the link id under which its responder has it. */
async function startStream(t: ExecutionContext) {
  const bench = await startBench(t)
  const [requester, responder] = [await bench.client('requester'), await bench.client('responder')]
  responder.send(serve(1, 'logs'))
  await responder.expectNothing()
  requester.send(topic(0, 'logs'), requestStream(0, 7))
  const { id: link } = await responder.expect('REQUEST', { flags: Flag.STREAM })
  return { ...bench, requester, responder, link }
}

test('[REQUEST-5] parts bear STREAM, and an empty reply without it ends the stream', async (t) => {
  const { requester, responder, link } = await startStream(t)
  responder.send(replyPart(link, '1'), replyPart(link, '2'), reply(link, ''))
  await requester.expect('REPLY', { id: 7, text: '1', flags: Flag.STREAM })
  await requester.expect('REPLY', { id: 7, text: '2', flags: Flag.STREAM })
  await requester.expect('REPLY', { id: 7, text: '', flags: 0 })
  responder.send(replyPart(link, 'late'))
  await responder.expectNothing()
  await requester.expectNothing()
  requester.send(requestStream(0, 7))
  await responder.expect('REQUEST')
})

test('[REQUEST-5] [REQUEST-2] a failure ends a stream in the middle', async (t) => {
  const { requester, responder, link } = await startStream(t)
  responder.send(replyPart(link, '1'), failure(link, 'HANDLER_ERROR', 'disk full'))
  await requester.expect('REPLY', { text: '1' })
  await requester.expect('FAILURE', { id: 7 })
})

test('[REQUEST-5] parts go beyond the window by one, and the next is CREDIT_EXCEEDED', async (t) => {
  const { requester, responder, link } = await startStream(t)
  const half = Buffer.alloc(STREAM_WINDOW_BYTES / 2)
  // The window, less twice half a window and two headers: 32 bytes below 0.
  responder.send(replyPart(link, half), replyPart(link, half))
  await responder.expectNothing()
  responder.send(replyPart(link, 'too much'))
  await responder.expectFatal('CREDIT_EXCEEDED')
  await requester.expect('REPLY', { flags: Flag.STREAM })
  await requester.expect('REPLY', { flags: Flag.STREAM })
  const { body } = await requester.expect('FAILURE', { id: 7 })
  t.is(body['code'], 'RESPONDER_LOST')
})

test('[REQUEST-5] PULL reaches the responder, and grants as much as it says', async (t) => {
  const { requester, responder, link } = await startStream(t)
  responder.send(replyPart(link, Buffer.alloc(STREAM_WINDOW_BYTES - 16)))
  await requester.expect('REPLY')
  requester.send(pull(7, 1))
  t.deepEqual((await responder.expect('PULL', { id: link })).body, { bytes: 1 })
  responder.send(replyPart(link, 'fits'))
  await requester.expect('REPLY', { text: 'fits' })
  responder.send(replyPart(link, 'does not'))
  await responder.expectFatal('CREDIT_EXCEEDED')
})

test('[REQUEST-5] a part for a request without STREAM is BAD_FRAME', async (t) => {
  const { client } = await startBench(t)
  const [requester, responder] = [await client(), await client()]
  responder.send(serve(1, 'svc'))
  await responder.expectNothing()
  requester.send(topic(0, 'svc'), request(0, 1))
  const { id } = await responder.expect('REQUEST', { flags: 0 })
  responder.send(replyPart(id, 'part'))
  await responder.expectFatal('BAD_FRAME')
  await requester.expect('FAILURE', { id: 1 })
})

test('[REQUEST-5] PULL for a stream that is over is ignored; beyond the bound of credit it is a fault', async (t) => {
  const { requester, responder, link } = await startStream(t)
  requester.send(pull(8, 100), pull(7, CREDIT_BYTES_MAX - STREAM_WINDOW_BYTES))
  await responder.expect('PULL', { id: link })
  responder.send(reply(link, ''))
  await requester.expect('REPLY')
  requester.send(pull(7, 2 ** 50))
  await requester.expectNothing()
  requester.send(requestStream(0, 7))
  await responder.expect('REQUEST')
  requester.send(pull(7, CREDIT_BYTES_MAX - STREAM_WINDOW_BYTES + 1))
  await requester.expectFatal('CREDIT_EXCEEDED')
})

test('[REQUEST-5] what is pulled while the request is held reaches the responder with it', async (t) => {
  const { requester, responder, link } = await startStream(t)
  requester.send(requestStream(0, 8), pull(8, 10), pull(8, 20))
  await requester.expectNothing()
  responder.send(reply(link, ''))
  const { id } = await responder.expect('REQUEST')
  t.deepEqual((await responder.expect('PULL', { id })).body, { bytes: 30 })
})

test('[REQUEST-6] CANCEL of a stream: parts go nowhere, and its place is free when it ends', async (t) => {
  const { requester, responder, link } = await startStream(t)
  requester.send(cancel(7), request(0, 8, 'next'))
  await responder.expect('CANCEL', { id: link })
  responder.send(replyPart(link, 'a'), replyPart(link, 'b'))
  await responder.expectNothing()
  await requester.expectNothing()
  responder.send(reply(link, ''))
  await responder.expect('REQUEST', { text: 'next' })
  await requester.expectNothing()
})

test('a requester cannot have a responder let go by pulling while it does not read', async (t) => {
  const { requester, responder, link } = await startStream(t)
  responder.send(subscribe(2, 'data', { window: 2 ** 30 }))
  await responder.expectNothing()
  responder.pause()
  requester.send(topic(1, 'data'), ...Array.from({ length: 40 }, () => publish(1, Buffer.alloc(100_000))))
  // More than the 64 KiB of unread answers at which a client is let go.
  for (let count = 0; count < 5000; count++) requester.send(pull(7, 1))
  await requester.expectNothing()
  responder.resume()
  let pulled = 0
  let frames = 0
  for (let messages = 0; messages < 40 || pulled < 5000; ) {
    const frame = await responder.next()
    t.not(frame.kind, 'ERROR')
    if (frame.kind === 'MESSAGE') messages += 1
    if (frame.kind !== 'PULL') continue
    t.is(frame.id, link)
    pulled += frame.body['bytes'] as number
    frames += 1
  }
  t.is(pulled, 5000)
  // They have added up, rather than waited one by one.
  t.true(frames < 100, `${frames} frames`)
  await responder.expectNothing()
})
