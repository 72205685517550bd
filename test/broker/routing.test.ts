import { randomBytes } from 'node:crypto'
import test from 'ava'
import { Flag, Kind, Offset, packValue, writeU32 } from '../../protocol/index.js'
import { startBench } from './fixtures.js'
import { credit, flush, publish, request, serve, subscribe, topic, unserve, unsubscribe } from './frames.js'

test('[SUB-1] [TOPIC-5] exact patterns, * and > get what they match', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  const patterns = ['orders.eu', 'orders.*', '*.eu', 'orders.>', '>', 'orders', '*']
  subscriber.send(...patterns.map((pattern, index) => subscribe(index + 1, pattern)))
  await subscriber.expectNothing()
  const matches: Record<string, string[]> = {}
  for (const name of ['orders.eu', 'orders', 'orders.eu.x', 'x.eu', 'y']) {
    publisher.send(topic(0, name), publish(0, ''))
    await publisher.expectNothing()
    const arrived = await subscriber.arrived()
    t.true(arrived.every((message) => message.name === name))
    matches[name] = arrived.map((message) => patterns[message.consumer! - 1]!).sort()
  }
  t.deepEqual(matches, {
    'orders.eu': ['*.eu', '>', 'orders.*', 'orders.>', 'orders.eu'],
    orders: ['*', '>', 'orders'],
    'orders.eu.x': ['>', 'orders.>'],
    'x.eu': ['*.eu', '>'],
    y: ['*', '>'],
  })
})

test('[TOPIC-5] [SYS-2] wildcards in first place do not reach the topics of the broker', async (t) => {
  const { client } = await startBench(t)
  const [wild, watcher] = [await client(), await client()]
  wild.send(subscribe(1, '>'), subscribe(2, '*.client.connected'), subscribe(3, '*.>'))
  watcher.send(subscribe(1, '$SYS.>'), subscribe(2, '$SYS.client.*'))
  await wild.expectNothing()
  await watcher.expectNothing()
  await client()
  const [first, second] = [await watcher.expect('MESSAGE'), await watcher.expect('MESSAGE')]
  t.deepEqual([first.consumer, second.consumer].sort(), [1, 2])
  await wild.expectNothing()
})

test('[SUB-4] [SUB-5] NAME and DELIVER precede the first frame, and are not repeated', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(5, 'a.*'), subscribe(6, 'b'))
  await subscriber.expectNothing()
  publisher.send(topic(0, 'a.x'), topic(1, 'b'))
  publisher.send(publish(0, '1'), publish(0, '2'), publish(1, '3'), publish(0, '4'))
  const kinds: string[] = []
  let messages = 0
  while (messages < 4) {
    const frame = await subscriber.next()
    const what = { NAME: frame.text, DELIVER: String(frame.id), MESSAGE: frame.text }[frame.kind as 'NAME']
    kinds.push(`${frame.kind} ${what}`)
    if (frame.kind === 'MESSAGE') messages += 1
  }
  const before = (count: number) => kinds.splice(0, kinds.findIndex((kind) => kind.endsWith(` ${count}`)) + 1)
  t.deepEqual(before(1).sort(), ['DELIVER 5', 'MESSAGE 1', 'NAME a.x'])
  t.deepEqual(before(2), ['MESSAGE 2'])
  t.deepEqual(before(3).sort(), ['DELIVER 6', 'MESSAGE 3', 'NAME b'])
  t.deepEqual(before(4), ['DELIVER 5', 'MESSAGE 4'])
})

test('[SUB-6] overlapping subscriptions are a delivery each, also for the publisher; requests are none', async (t) => {
  const { client } = await startBench(t)
  const [both, responder] = [await client(), await client()]
  both.send(subscribe(1, 'a'), subscribe(2, 'a'), subscribe(3, '>'))
  responder.send(serve(1, 'a'))
  await responder.expectNothing()
  both.send(topic(0, 'a'), publish(0, 'm'), request(0, 1, 'r'))
  await responder.expect('REQUEST', { text: 'r' })
  const arrived = await both.arrived()
  t.deepEqual(arrived.map((message) => message.consumer).sort(), [1, 2, 3])
  t.true(arrived.every((message) => message.text === 'm'))
})

test('[SUB-5] [WIRE-3.7] every subscriber gets the same bytes, and only the topic is not the publisher’s', async (t) => {
  const { client } = await startBench(t)
  const [publisher, first, second] = [await client(), await client(), await client()]
  first.send(subscribe(1, '>'))
  second.send(subscribe(77, 'noise'), subscribe(9, 'a.b'))
  await first.expectNothing()
  await second.expectNothing()
  const sent = publish(3, Buffer.from([1, 2, 3]), {
    priority: 19,
    encoding: 2,
    expiryNs: 4e18,
    sentAtNs: 12345,
    headers: packValue({ trace: 'x' }),
  })
  publisher.send(topic(3, 'a.b'), sent)
  const [one, two] = [await first.expect('MESSAGE'), await second.expect('MESSAGE')]
  t.deepEqual(one.frame, two.frame)
  const expected = Buffer.from(sent.subarray(0, one.length))
  writeU32(expected, Offset.TOPIC, one.topic)
  t.deepEqual(one.frame, expected)
})

test('[TOPIC-6] an alias is bound anew in the order of the stream', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, '>'))
  await subscriber.expectNothing()
  publisher.send(
    topic(4, 'a'),
    publish(4, '1'),
    topic(4, 'b'),
    publish(4, '2'),
    topic(4, 'a'),
    publish(4, '3'),
  )
  await subscriber.expect('MESSAGE', { name: 'a', text: '1' })
  await subscriber.expect('MESSAGE', { name: 'b', text: '2' })
  await subscriber.expect('MESSAGE', { name: 'a', text: '3' })
})

test('[TOPIC-4] a message on a topic of the broker is refused and dropped, and the client goes on', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, '$SYS.mine'), subscribe(2, 'a'))
  await subscriber.expectNothing()
  publisher.send(topic(0, '$SYS.mine'), topic(1, 'a'), publish(0, 'forged'), publish(1, 'fine'))
  await publisher.expectRefusal('TOPIC_RESERVED', Kind.MESSAGE, 0)
  await publisher.expectNothing()
  t.deepEqual(await subscriber.texts(1), ['fine'])
})

test('[WIRE-3.6] RING is refused where the broker does not offer it, and nothing else is', async (t) => {
  const { client } = await startBench(t, { rings: false })
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, '>'), serve(2, 'a'))
  await subscriber.expectNothing()
  const descriptor = Buffer.alloc(32)
  publisher.send(
    topic(0, 'a'),
    publish(0, descriptor, { flags: Flag.RING }),
    publish(0, descriptor, { flags: Flag.RING | Flag.RETAIN }),
    request(0, 5, descriptor, { flags: Flag.RING }),
    publish(0, 'plain'),
  )
  await publisher.expectRefusal('FEATURE_UNSUPPORTED', Kind.MESSAGE, 0)
  await publisher.expectRefusal('FEATURE_UNSUPPORTED', Kind.MESSAGE, 0)
  const { body } = await publisher.expect('FAILURE', { id: 5 })
  t.is(body['code'], 'FEATURE_UNSUPPORTED')
  t.like(await publisher.ask('$SYS.stats'), { retained: { messages: 0 } })
  await publisher.expectNothing()
  t.deepEqual(
    (await subscriber.arrived()).map((message) => message.text),
    ['plain'],
  )
})

test('[SUB-2] refusals repeat kind and id, and the client goes on', async (t) => {
  const { client } = await startBench(t, { subscriptionsMax: 2 })
  const refused = await client()
  refused.send(subscribe(1, 'a'), subscribe(1, 'b'))
  await refused.expectRefusal('ID_IN_USE', Kind.SUBSCRIBE, 1)
  refused.send(subscribe(0, 'a'))
  await refused.expectRefusal('ID_IN_USE', Kind.SUBSCRIBE, 0)
  for (const pattern of ['', 'a..b', '.a', 'a b', 'a.>.b', 'a*', 'x'.repeat(256), '\u0000'.repeat(60_000)]) {
    refused.send(subscribe(2, pattern))
    await refused.expectRefusal('BAD_PATTERN', Kind.SUBSCRIBE, 2)
  }
  refused.send(subscribe(2, 'a', { group: 'a group' }))
  await refused.expectRefusal('BAD_PATTERN', Kind.SUBSCRIBE, 2)
  refused.send(subscribe(2, 'b'), subscribe(3, 'c'))
  await refused.expectRefusal('SUBSCRIPTION_LIMIT', Kind.SUBSCRIBE, 3)
  refused.send(topic(0, 'a'), publish(0, 'still here'))
  t.deepEqual(
    (await refused.arrived()).map(({ consumer, text }) => [consumer, text]),
    [[1, 'still here']],
  )
})

test('[SUB-3] subscriptions and services share one space of ids, and an id is free after DRAINED', async (t) => {
  const { client } = await startBench(t)
  const user = await client()
  user.send(subscribe(1, 'a'), serve(1, 'b'), serve(2, 'c'), subscribe(2, 'd'))
  await user.expectRefusal('ID_IN_USE', Kind.SERVE, 1)
  await user.expectRefusal('ID_IN_USE', Kind.SUBSCRIBE, 2)
  user.send(unsubscribe(1), unserve(2), serve(1, 'b'), subscribe(2, 'd'))
  await user.expect('DRAINED', { id: 1 })
  await user.expect('DRAINED', { id: 2 })
  user.send(topic(0, 'a'), topic(1, 'b'), topic(2, 'd'))
  user.send(publish(0, 'gone'), publish(2, 'new'), request(1, 9, 'asked'))
  await user.expect('MESSAGE', { consumer: 2, text: 'new' })
  await user.expect('REQUEST', { consumer: 1, text: 'asked' })
  await user.expectNothing()
})

test('[SUB-9] UNSUBSCRIBE and UNSERVE of an id that is not there are refused, and the client goes on', async (t) => {
  const { client } = await startBench(t)
  const user = await client()
  user.send(subscribe(1, 'a'), serve(2, 'b'), unsubscribe(3), unsubscribe(2), unserve(3), unserve(1))
  await user.expectRefusal('ID_UNKNOWN', Kind.UNSUBSCRIBE, 3)
  await user.expectRefusal('ID_UNKNOWN', Kind.UNSUBSCRIBE, 2)
  await user.expectRefusal('ID_UNKNOWN', Kind.UNSERVE, 3)
  await user.expectRefusal('ID_UNKNOWN', Kind.UNSERVE, 1)
  user.send(topic(0, 'a'), publish(0, 'm'))
  t.deepEqual(await user.texts(1), ['m'])
})

test('[FLUSH-1] FLUSHED follows the refusals and the routing of everything before it', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  publisher.send(
    topic(0, '$SYS.x'),
    subscribe(1, 'bad..pattern'),
    publish(0, ''),
    flush(0xffff_ffff),
    flush(2),
  )
  await publisher.expectRefusal('BAD_PATTERN', Kind.SUBSCRIBE, 1)
  await publisher.expectRefusal('TOPIC_RESERVED', Kind.MESSAGE, 0)
  await publisher.expect('FLUSHED', { id: 0xffff_ffff })
  await publisher.expect('FLUSHED', { id: 2 })
  // What is routed by FLUSHED does not reach a subscription that begins after it.
  publisher.send(topic(1, 'a'), publish(1, 'before'), flush(3))
  await publisher.expect('FLUSHED', { id: 3 })
  subscriber.send(subscribe(1, 'a'))
  await subscriber.expectNothing()
  publisher.send(publish(1, 'after'))
  t.deepEqual(await subscriber.texts(1), ['after'])
})

test('[ORDER-1] [ORDER-2] one publisher’s messages arrive in their order, on the direct path and queued', async (t) => {
  const { client } = await startBench(t)
  const [publisher, direct, queued] = [await client(), await client(), await client()]
  direct.send(subscribe(1, 'a'))
  queued.send(subscribe(1, '>', { window: 1 }))
  await direct.expectNothing()
  await queued.expectNothing()
  const numbers = Array.from({ length: 5000 }, (_, index) => String(index))
  publisher.send(topic(0, 'a'), ...numbers.map((number) => publish(0, number)))
  t.deepEqual(await direct.texts(numbers.length), numbers)
  t.deepEqual(await queued.texts(1), ['0'])
  queued.send(credit(1, 1024 * 1024))
  t.deepEqual(await queued.texts(numbers.length - 1), numbers.slice(1))
})

test('[ORDER-1] a subscription that follows a message does not get it, one that precedes it does', async (t) => {
  const { client } = await startBench(t)
  const user = await client()
  user.send(
    topic(0, 'a'),
    publish(0, '1'),
    subscribe(1, 'a'),
    publish(0, '2'),
    unsubscribe(1),
    publish(0, '3'),
  )
  t.deepEqual(await user.texts(1), ['2'])
  await user.expect('DRAINED')
  await user.expectNothing()
})

test('a large message passes between small ones, whole', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 2 ** 30 }))
  await subscriber.expectNothing()
  const large = randomBytes(9 * 1024 * 1024 + 1)
  publisher.send(topic(0, 'a'), publish(0, 'before'), publish(0, large), publish(0, 'after'))
  t.deepEqual(await subscriber.texts(1), ['before'])
  const { payload } = await subscriber.expect('MESSAGE')
  t.true(payload.equals(large))
  t.deepEqual(await subscriber.texts(1), ['after'])
})
