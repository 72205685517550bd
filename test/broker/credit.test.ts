import test from 'ava'
import { CREDIT_BYTES_MAX, HEADER_BYTES } from '../../protocol/index.js'
import { startBench } from './fixtures.js'
import { credit, publish, reply, request, serve, subscribe, topic, unsubscribe } from './frames.js'
import type { Client } from './transcript.js'

/** A message whose frame has this many bytes. */
function frameOf(length: number, mark = 'x'): Buffer {
  return publish(0, mark.padEnd(length - HEADER_BYTES, '.'))
}

async function publishAll(publisher: Client, ...frames: Buffer[]): Promise<void> {
  publisher.send(topic(0, 'a'), ...frames)
  await publisher.expectNothing()
}

test('[CREDIT-1] [CREDIT-2] nothing is sent beyond the window but one frame', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 100 }))
  await subscriber.expectNothing()
  await publishAll(publisher, ...['1', '2', '3', '4'].map((mark) => frameOf(60, mark)))
  // 100 − 60 − 60 = −20
  t.is((await subscriber.arrived()).length, 2)
  subscriber.send(credit(1, 20))
  await subscriber.expectNothing()
  subscriber.send(credit(1, 1))
  t.is((await subscriber.arrived()).length, 1)
  subscriber.send(credit(1, 59))
  await subscriber.expectNothing()
  subscriber.send(credit(1, 1))
  t.is((await subscriber.arrived()).length, 1)
})

test('[CREDIT-2] a frame larger than the window comes through; a window of 0 lets nothing through', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 1 }), subscribe(2, 'a', { window: 0 }))
  await subscriber.expectNothing()
  await publishAll(publisher, frameOf(1_000_000), frameOf(20))
  t.like(await subscriber.expect('MESSAGE'), { consumer: 1, length: 1_000_000 })
  await subscriber.expectNothing()
  subscriber.send(credit(2, 1))
  t.like(await subscriber.expect('MESSAGE'), { consumer: 2, length: 1_000_000 })
  await subscriber.expectNothing()
})

test('[CREDIT-2] each priority has a reserve of 2,048 bytes beyond the one below, which that cannot use up', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 1 }))
  await subscriber.expectNothing()
  const prioritiesOf = async () => (await subscriber.arrived()).map(({ priority }) => priority)
  const framesAt = (priority: number, count: number) =>
    Array.from({ length: count }, () => publish(0, 'x'.repeat(1008), { priority }))
  // The first one takes the balance to −1,023.
  await publishAll(publisher, ...framesAt(0, 3))
  t.deepEqual(await prioritiesOf(), [0])
  await publishAll(publisher, ...framesAt(1, 3))
  t.deepEqual(await prioritiesOf(), [1, 1])
  await publishAll(publisher, ...framesAt(2, 5))
  t.deepEqual(await prioritiesOf(), [2, 2])
  await publishAll(publisher, ...framesAt(31, 1))
  t.deepEqual(await prioritiesOf(), [31])
  subscriber.send(credit(1, 4 * 1024))
  t.deepEqual(await prioritiesOf(), [2, 2, 2])
})

test('[CREDIT-2] who has granted nothing is not sent what is urgent either', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 0 }))
  await subscriber.expectNothing()
  await publishAll(publisher, publish(0, 'x', { priority: 31 }), publish(0, 'y', { priority: 31 }))
  await subscriber.expectNothing()
  subscriber.send(credit(1, 1))
  t.is((await subscriber.arrived()).length, 2)
})

test('[CREDIT-1] one subscription without credit does not hold up another of its client', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 0 }), subscribe(2, 'a'))
  await subscriber.expectNothing()
  await publishAll(publisher, frameOf(20), frameOf(20))
  t.deepEqual(
    (await subscriber.arrived()).map(({ consumer }) => consumer),
    [2, 2],
  )
})

test('[ORDER-3] what is queued leaves by priority, and in order within one', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 0 }))
  await subscriber.expectNothing()
  const frames: Buffer[] = []
  const expected: string[] = []
  for (let level = 0; level < 32; level++) {
    for (const order of [0, 1, 2]) frames.push(publish(0, `${level}.${order}`, { priority: level }))
    expected.unshift(`${level}.0`, `${level}.1`, `${level}.2`)
  }
  await publishAll(publisher, ...frames)
  subscriber.send(credit(1, 1_000_000))
  t.deepEqual(await subscriber.texts(expected.length), expected)
})

test('[ORDER-3] a more urgent message overtakes whatever the credit still holds back', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 1 }))
  await subscriber.expectNothing()
  await publishAll(publisher, publish(0, 'first'), publish(0, 'calm 1'), publish(0, 'calm 2'))
  subscriber.send(credit(1, 21))
  t.deepEqual(await subscriber.texts(2), ['first', 'calm 1'])
  await publishAll(publisher, publish(0, 'urgent', { priority: 31 }))
  subscriber.send(credit(1, 1000))
  t.deepEqual(await subscriber.texts(2), ['urgent', 'calm 2'])
})

test('[ORDER-3] across subscriptions of one client priority counts before turn', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 0 }), subscribe(2, 'b', { window: 0 }))
  await subscriber.expectNothing()
  publisher.send(topic(1, 'b'), publish(1, 'b5', { priority: 5 }), publish(1, 'b3', { priority: 3 }))
  await publishAll(publisher, publish(0, 'a4', { priority: 4 }), publish(0, 'a3', { priority: 3 }))
  subscriber.send(credit(1, 1000), credit(2, 1000))
  const texts = await subscriber.texts(4)
  t.deepEqual(texts.slice(0, 2), ['b5', 'a4'])
  t.deepEqual(texts.slice(2).sort(), ['a3', 'b3'])
})

test('[ORDER-3] what comes on the direct path does not overtake what the same read has set free', async (t) => {
  const { client } = await startBench(t)
  const user = await client()
  user.send(subscribe(1, 'a', { window: 0 }), subscribe(2, 'b'))
  user.send(topic(0, 'a'), topic(1, 'b'), publish(0, 'urgent', { priority: 31 }))
  await user.expectNothing()
  user.send(credit(1, 1000), publish(1, 'calm'))
  t.deepEqual(await user.texts(2), ['urgent', 'calm'])
})

test('subscriptions of one client take turns within a priority', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(...[1, 2, 3].map((id) => subscribe(id, 'a', { window: 0 })))
  await subscriber.expectNothing()
  await publishAll(publisher, ...Array.from({ length: 60 }, () => frameOf(4096)))
  subscriber.send(...[1, 2, 3].map((id) => credit(id, 1_000_000)))
  const consumers: (number | undefined)[] = []
  while (consumers.length < 180) consumers.push((await subscriber.expect('MESSAGE')).consumer)
  // Four frames of 4 KiB are a turn: within any three turns each has had its own.
  for (let first = 0; first + 15 <= 180; first++) {
    t.is(new Set(consumers.slice(first, first + 15)).size, 3, `from frame ${first}`)
  }
})

test('[FLOW-1] past its limit of messages drop-newest drops the newest, and counts them', async (t) => {
  const { client } = await startBench(t, { backlogMessagesMax: 3 })
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 0, overflow: 'drop-newest' }))
  await subscriber.expectNothing()
  await publishAll(publisher, ...['1', '2', '3', '4', '5'].map((mark) => publish(0, mark)))
  subscriber.send(credit(1, 1000))
  t.deepEqual(await subscriber.texts(3), ['1', '2', '3'])
  await publishAll(publisher, publish(0, '6'))
  t.deepEqual(await subscriber.texts(1), ['6'])
  subscriber.send(unsubscribe(1))
  const { body } = await subscriber.expect('DRAINED', { id: 1 })
  t.deepEqual(body, { matched: 6, dropped: 2 })
})

test('[FLOW-1] past its limit of bytes drop-newest drops the newest, but one message always finds room', async (t) => {
  const { client } = await startBench(t, { backlogBytesMax: 2000 })
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 0, overflow: 'drop-newest' }))
  await subscriber.expectNothing()
  await publishAll(publisher, frameOf(5000, 'large'), frameOf(20, 'small'))
  subscriber.send(credit(1, 1))
  t.is((await subscriber.expect('MESSAGE')).length, 5000)
  await subscriber.expectNothing()
  const { rows } = await publisher.ask<{ rows: Record<string, number>[] }>('$SYS.subscriptions')
  t.like(rows[0], { matched: 2, dropped: 1, queued: 0, inFlight: 1 })
})

test('[WIRE-3.2] a message whose expiry passes in the backlog is dropped and counted', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 0 }))
  await subscriber.expectNothing()
  const now = Number(process.hrtime.bigint())
  await publishAll(
    publisher,
    publish(0, 'brief', { expiryNs: now + 1e6 }),
    publish(0, 'long', { expiryNs: now + 1e15 }),
    publish(0, 'brief too', { expiryNs: now + 1e6, priority: 9 }),
    publish(0, 'for ever'),
  )
  while (Number(process.hrtime.bigint()) < now + 2e6) await new Promise(setImmediate)
  subscriber.send(credit(1, 1000))
  t.deepEqual(await subscriber.texts(2), ['long', 'for ever'])
  await subscriber.expectNothing()
  const { rows } = await publisher.ask<{ rows: Record<string, unknown>[] }>('$SYS.subscriptions')
  t.like(rows[0], { matched: 4, dropped: 2, droppedBy: { expired: 2 }, inFlight: 2 })
  subscriber.send(unsubscribe(1))
  const { body } = await subscriber.expect('DRAINED')
  t.deepEqual(body, { matched: 4, dropped: 2 })
})

test('[CREDIT-3] CREDIT for an id that is not there, or not any more, is ignored', async (t) => {
  const { client } = await startBench(t)
  const subscriber = await client()
  subscriber.send(subscribe(1, 'a'), unsubscribe(1), credit(1, 100, 5), credit(99, 2 ** 40, 1), serve(3, 'b'))
  subscriber.send(credit(3, 100, 1))
  await subscriber.expect('DRAINED', { id: 1 })
  await subscriber.expectNothing()
})

test('[CREDIT-3] more messages reported than are in flight are a fault', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a'))
  await subscriber.expectNothing()
  await publishAll(publisher, publish(0, '1'), publish(0, '2'))
  await subscriber.texts(2)
  subscriber.send(credit(1, 17, 1), credit(1, 17, 0, 1))
  await subscriber.expectNothing()
  subscriber.send(credit(1, 17, 1))
  await subscriber.expectFatal('CREDIT_EXCEEDED')
})

test('[CREDIT-4] no balance rises above its bound', async (t) => {
  const { client } = await startBench(t)
  const [wide, greedy] = [await client(), await client()]
  wide.send(subscribe(1, 'a', { window: CREDIT_BYTES_MAX }))
  await wide.expectNothing()
  wide.send(credit(1, 1))
  await wide.expectFatal('CREDIT_EXCEEDED')
  greedy.send(subscribe(1, 'a', { window: CREDIT_BYTES_MAX + 1 }))
  await greedy.expectFatal('CREDIT_EXCEEDED')
  const huge = await client()
  huge.send(subscribe(1, 'a', { window: 0 }), credit(1, 2 ** 53 - 1))
  await huge.expectFatal('CREDIT_EXCEEDED')
})

test('[CREDIT-5] requests, replies, failures and control frames need no credit of bytes', async (t) => {
  const { client } = await startBench(t)
  const [publisher, starved] = [await client(), await client()]
  starved.send(subscribe(1, 'a', { window: 0 }), serve(2, 'svc'))
  await starved.expectNothing()
  await publishAll(publisher, frameOf(100))
  publisher.send(topic(1, 'svc'), request(1, 7, 'ask'))
  const asked = await starved.expect('REQUEST', { text: 'ask' })
  starved.send(reply(asked.id, 'answer'), topic(0, 'nobody'), request(0, 1))
  await starved.expect('FAILURE', { id: 1 })
  await publisher.expect('REPLY', { id: 7, text: 'answer' })
  await starved.expectNothing()
})

test('[SUB-8] UNSUBSCRIBE drops what is queued, counts it, and DRAINED is the last of it', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 1 }))
  await subscriber.expectNothing()
  await publishAll(publisher, ...['1', '2', '3'].map((mark) => publish(0, mark)))
  subscriber.send(unsubscribe(1), credit(1, 1000))
  t.deepEqual(await subscriber.texts(1), ['1'])
  const { body } = await subscriber.expect('DRAINED', { id: 1 })
  t.deepEqual(body, { matched: 3, dropped: 2 })
  await publishAll(publisher, publish(0, '4'))
  await subscriber.expectNothing()
})

test('[SUB-8] with drain what is queued is still delivered as credit allows, and nothing new', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 1 }))
  await subscriber.expectNothing()
  await publishAll(publisher, ...['1', '2', '3'].map((mark) => publish(0, mark)))
  subscriber.send(unsubscribe(1, { drain: true }))
  t.deepEqual(await subscriber.texts(1), ['1'])
  await subscriber.expectNothing()
  await publishAll(publisher, publish(0, 'late'))
  subscriber.send(credit(1, 17, 1))
  t.deepEqual(await subscriber.texts(1), ['2'])
  await subscriber.expectNothing()
  subscriber.send(credit(1, 1000))
  t.deepEqual(await subscriber.texts(1), ['3'])
  const { body } = await subscriber.expect('DRAINED', { id: 1 })
  t.deepEqual(body, { matched: 3, dropped: 0 })
  subscriber.send(subscribe(1, 'a'))
  await subscriber.expectNothing()
  await publishAll(publisher, publish(0, 'new'))
  t.deepEqual(await subscriber.texts(1), ['new'])
})

test('[SUB-8] with drain and nothing queued DRAINED comes at once, and a drain can be cut short', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a'), unsubscribe(1, { drain: true }))
  await subscriber.expect('DRAINED', { id: 1 })
  subscriber.send(subscribe(2, 'a', { window: 0 }))
  await subscriber.expectNothing()
  await publishAll(publisher, publish(0, '1'), publish(0, '2'))
  subscriber.send(unsubscribe(2, { drain: true }), unsubscribe(2, { drain: true }), unsubscribe(2))
  const { body } = await subscriber.expect('DRAINED', { id: 2 })
  t.deepEqual(body, { matched: 2, dropped: 2 })
  await subscriber.expectNothing()
})
