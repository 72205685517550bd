import test from 'ava'
import { HEADER_BYTES } from '../../protocol/index.js'
import { startBench } from './fixtures.js'
import { flush, publish, reply, request, serve, subscribe, topic } from './frames.js'
import type { Client, Received } from './transcript.js'

/** Reads up to the fatal ERROR; returns its code and how many frames came before it. */
async function readToError(client: Client): Promise<{ code: unknown; before: Received[] }> {
  const before: Received[] = []
  for (;;) {
    const frame = await client.next()
    if (frame.kind === 'ERROR') return { code: frame.body['code'], before }
    before.push(frame)
  }
}

test('[ERR-3] CONTROL_OVERFLOW for a client that floods with FLUSH and reads no answer', async (t) => {
  const { client } = await startBench(t, { refusedLingerMs: 20_000 })
  const [flooder, bystander] = [await client(), await client()]
  bystander.send(subscribe(1, '$SYS.client.disconnected'))
  await bystander.expectNothing()
  flooder.pause()
  for (let round = 0; round < 100; round++) {
    flooder.send(...Array.from({ length: 2000 }, (_, id) => flush(id)))
  }
  await bystander.expect('MESSAGE', { name: '$SYS.client.disconnected' })
  flooder.resume()
  const { code, before } = await readToError(flooder)
  t.is(code, 'CONTROL_OVERFLOW')
  t.true(before.length > 0 && before.length < 200_000)
  t.true(before.every(({ kind }) => kind === 'FLUSHED'))
  await flooder.expectEnd()
  await bystander.expectNothing()
})

test('[ERR-3] answers that are read do not add up to CONTROL_OVERFLOW', async (t) => {
  const { client } = await startBench(t)
  const busy = await client()
  const ids = Array.from({ length: 2000 }, (_, id) => id)
  for (let round = 0; round < 20; round++) {
    busy.send(...ids.map((id) => flush(id)))
    for (const id of ids) {
      const frame = await busy.next()
      if (frame.id !== id || frame.kind !== 'FLUSHED') t.fail(`${frame.kind} ${frame.id}`)
    }
  }
  await busy.expectNothing()
})

test('[ERR-3] OUTBOX_OVERFLOW for a client that does not read its replies; its responder goes on', async (t) => {
  const { client } = await startBench(t, { outboxBytesMax: 200_000, refusedLingerMs: 20_000 })
  const [requester, responder, other] = [await client(), await client(), await client()]
  other.send(subscribe(1, '$SYS.client.disconnected'))
  await other.expectNothing()
  responder.send(serve(1, 'svc', 100))
  await responder.expectNothing()
  requester.pause()
  requester.send(topic(0, 'svc'), ...Array.from({ length: 60 }, (_, id) => request(0, id)))
  const links: number[] = []
  while (links.length < 60) links.push((await responder.expect('REQUEST')).id)
  responder.send(...links.map((id) => reply(id, Buffer.alloc(500_000))))
  await other.expect('MESSAGE', { name: '$SYS.client.disconnected' })
  requester.resume()
  const { code } = await readToError(requester)
  t.is(code, 'OUTBOX_OVERFLOW')
  await requester.expectEnd()
  other.send(topic(0, 'svc'), request(0, 1, 'unharmed'))
  for (;;) {
    const frame = await responder.next()
    if (frame.kind !== 'REQUEST' || frame.text !== 'unharmed') continue
    responder.send(reply(frame.id, 'yes'))
    break
  }
  await other.expect('REPLY', { id: 1, text: 'yes' })
})

test('[ERR-3] short questions to the broker with long answers count as what they bring out', async (t) => {
  const { client } = await startBench(t, { outboxBytesMax: 2_000_000, refusedLingerMs: 20_000 })
  const [asker, bystander] = [await client(), await client()]
  asker.send(...Array.from({ length: 1000 }, (_, index) => subscribe(index + 1, `topic.${index}`)))
  await asker.expectNothing()
  asker.pause()
  // All in one write: 24 KB of questions, each of which has some 200 KB for an answer.
  asker.send(topic(0, '$SYS.subscriptions'), ...Array.from({ length: 1000 }, (_, id) => request(0, id)))
  await bystander.expectNothing()
  asker.resume()
  const { code, before } = await readToError(asker)
  t.is(code, 'OUTBOX_OVERFLOW')
  t.true(before.length < 100, `${before.length} answers were made`)
})

test('[ERR-3] PARTIAL_LIMIT for the client whose unfinished frame has waited longest', async (t) => {
  const { client } = await startBench(t, { partialBytesMax: 1_000_000 })
  const [idle, writer, subscriber] = [await client(), await client(), await client()]
  subscriber.send(subscribe(1, 'a'))
  await subscriber.expectNothing()
  const large = publish(0, Buffer.alloc(700_000, 'x'))
  const most = large.subarray(0, 600_000)
  idle.send(topic(0, 'a'), most)
  await subscriber.expectNothing()
  writer.send(topic(0, 'a'), most)
  await idle.expectFatal('PARTIAL_LIMIT')
  writer.send(large.subarray(most.length))
  t.is((await subscriber.expect('MESSAGE')).length, 700_000 + HEADER_BYTES)
  await writer.expectNothing()
})

test('[ERR-3] frames that are finished, or whose client is gone, do not count for PARTIAL_LIMIT', async (t) => {
  const { client } = await startBench(t, { partialBytesMax: 1_000_000 })
  const large = publish(0, Buffer.alloc(700_000, 'x'))
  const [writer, watcher] = [await client(), await client()]
  watcher.send(subscribe(1, '$SYS.client.disconnected'))
  await watcher.expectNothing()
  writer.send(topic(0, 'a'))
  for (let count = 0; count < 4; count++) writer.send(large)
  await writer.expectNothing()
  for (let count = 0; count < 4; count++) {
    const dying = await client()
    dying.send(topic(0, 'a'), large.subarray(0, 600_000))
    await writer.expectNothing()
    dying.hangUp()
    await watcher.expect('MESSAGE')
  }
  await writer.expectNothing()
})

test('[CREDIT-2] overlapping subscriptions multiply what one read brings out, within the limits of each', async (t) => {
  const { client } = await startBench(t, { backlogBytesMax: 100_000 })
  const [publisher, subscriber] = [await client(), await client()]
  const ids = Array.from({ length: 200 }, (_, index) => index + 1)
  subscriber.send(...ids.map((id) => subscribe(id, 'a', { window: 2 ** 30, overflow: 'drop-newest' })))
  await subscriber.expectNothing()
  subscriber.pause()
  publisher.send(topic(0, 'a'), ...Array.from({ length: 50 }, () => publish(0, Buffer.alloc(4000))))
  await publisher.expectNothing()
  const { rows } = await publisher.ask<{ rows: Record<string, number>[] }>('$SYS.subscriptions')
  // 200 × 50 × 4 KB: most of it cannot have left.
  t.true(rows.reduce((sum, row) => sum + row['dropped']! + row['queued']!, 0) > 5000)
  t.true(rows.every((row) => row['queuedBytes']! <= 100_000))
  subscriber.resume()
  let arrived = 0
  for (const row of rows) arrived += 50 - row['dropped']!
  while (arrived > 0) if ((await subscriber.next()).kind === 'MESSAGE') arrived -= 1
  await subscriber.expectNothing()
})
