import test, { type ExecutionContext } from 'ava'
import { Kind } from '../../protocol/index.js'
import { startBench } from './fixtures.js'
import { credit, publish, serve, subscribe, topic, unsubscribe } from './frames.js'
import type { Client } from './transcript.js'

type Row = Record<string, unknown>

async function rowsOf(observer: Client): Promise<Row[]> {
  return (await observer.ask<{ rows: Row[] }>('$SYS.subscriptions')).rows
}

async function publishMarks(publisher: Client, ...marks: string[]): Promise<void> {
  publisher.send(topic(0, 'a'), ...marks.map((mark) => publish(0, mark)))
  await publisher.expectNothing()
}

/** Publishes on two topics by turns, with priorities. */
async function publishPrices(
  publisher: Client,
  ...prices: [alias: number, text: string, priority: number][]
) {
  publisher.send(topic(0, 'eur'), topic(1, 'usd'))
  publisher.send(...prices.map(([alias, text, priority]) => publish(alias, text, { priority })))
  await publisher.expectNothing()
}

async function pair(t: ExecutionContext, limits = {}): Promise<[publisher: Client, subscriber: Client]> {
  const { client } = await startBench(t, limits)
  return [await client('publisher'), await client('subscriber')]
}

test('[FLOW-1] a subscription has the limits that it asked for, but not more than the broker allows', async (t) => {
  const [observer, subscriber] = await pair(t, { backlogBytesMax: 5000, backlogMessagesMax: 50 })
  subscriber.send(
    subscribe(1, 'a', { overflow: 'latest', backlogBytes: 1000, backlogMessages: 10 }),
    subscribe(2, 'a', { overflow: 'drop-newest', backlogBytes: 1e12, backlogMessages: 51 }),
    subscribe(3, 'a'),
    subscribe(4, '$SYS.>'),
  )
  await subscriber.expectNothing()
  const rows = await rowsOf(observer)
  t.deepEqual(
    rows.map(({ overflow, backlogBytesMax, backlogMessagesMax }) => [
      overflow,
      backlogBytesMax,
      backlogMessagesMax,
    ]),
    [
      ['latest', 1000, 10],
      ['drop-newest', 5000, 50],
      ['block', 5000, 50],
      ['drop-oldest', 5000, 50],
    ],
  )
})

test('[SUB-2] an overflow that the broker does not know is refused, and the id is free', async (t) => {
  const [, subscriber] = await pair(t)
  subscriber.send(subscribe(1, 'a', { overflow: 'spill' }))
  await subscriber.expectRefusal('FEATURE_UNSUPPORTED', Kind.SUBSCRIBE, 1)
  subscriber.send(subscribe(1, 'a', { overflow: 'block' }))
  await subscriber.expectNothing()
})

for (const limit of ['backlogBytes', 'backlogMessages'] as const) {
  test(`[FLOW-1] a ${limit} of 0 is a fault`, async (t) => {
    const [, subscriber] = await pair(t)
    subscriber.send(subscribe(1, 'a', { [limit]: 0 }))
    await subscriber.expectFatal('BAD_FRAME')
  })
}

test('[FLOW-1] drop-oldest drops the oldest of the lowest priority, or what is less urgent than all else', async (t) => {
  const [publisher, subscriber] = await pair(t)
  subscriber.send(subscribe(1, '*', { window: 0, overflow: 'drop-oldest', backlogMessages: 3 }))
  await subscriber.expectNothing()
  await publishPrices(publisher, [0, 'calm 1', 2], [1, 'calm 2', 2], [0, 'urgent 1', 9], [0, 'calm 3', 2])
  await publishPrices(publisher, [0, 'urgent 2', 9], [0, 'idle', 0])
  subscriber.send(credit(1, 1e6))
  t.deepEqual(await subscriber.texts(3), ['urgent 1', 'urgent 2', 'calm 3'])
  t.like(await rowsOf(publisher), [
    { matched: 6, dropped: 3, droppedBy: { oldest: 3 }, inFlight: 3, queued: 0 },
  ])
})

test('[FLOW-1] latest keeps of each topic the newest, in the place of the one before', async (t) => {
  const [publisher, subscriber] = await pair(t)
  subscriber.send(subscribe(1, '*', { window: 0, overflow: 'latest' }))
  await subscriber.expectNothing()
  await publishPrices(
    publisher,
    [0, 'eur 1', 1],
    [1, 'usd 1', 1],
    [0, 'eur 2 is longer than the first', 1],
    [0, 'eur 3', 1],
  )
  subscriber.send(credit(1, 1e6))
  t.deepEqual(await subscriber.texts(2), ['eur 3', 'usd 1'])
  subscriber.send(credit(1, 0, 2), subscribe(2, '*', { window: 0, overflow: 'latest' }))
  await subscriber.expectNothing()
  await publishPrices(publisher, [0, 'eur 4', 1], [1, 'usd 2', 1], [0, 'eur 5', 0], [1, 'usd 3', 7])
  t.deepEqual(await subscriber.texts(4), ['eur 4', 'usd 2', 'eur 5', 'usd 3'])
  subscriber.send(credit(2, 1e6))
  t.deepEqual(await subscriber.texts(2), ['usd 3', 'eur 5'])
  t.like(await rowsOf(publisher), [
    { subscription: 1, matched: 8, handled: 2, inFlight: 4, dropped: 2, droppedBy: { replaced: 2 } },
    { subscription: 2, matched: 4, inFlight: 2, dropped: 2, droppedBy: { replaced: 2 } },
  ])
})

test('[FLOW-1] disconnect refuses the client, with the pattern and the limit, and what it had is counted', async (t) => {
  const [publisher, subscriber] = await pair(t)
  subscriber.send(subscribe(1, 'a', { window: 34, overflow: 'disconnect', backlogMessages: 2 }))
  await subscriber.expectNothing()
  await publishMarks(publisher, '1', '2', '3', '4', '5')
  await subscriber.texts(2)
  const message = await subscriber.expectFatal('SLOW_CONSUMER')
  t.regex(message, /"a".* 2 messages/)
  const { clientsRefused, deliveries } = await publisher.ask('$SYS.stats')
  t.is(clientsRefused, 1)
  t.like(deliveries, {
    matched: 5,
    handled: 0,
    queued: 0,
    inFlight: 0,
    droppedBy: { newest: 1, ended: 2, lost: 2 },
  })
})

test('[FLOW-3] SLOW comes with the first loss, then at most once a second, with what holds as it is sent', async (t) => {
  const [publisher, subscriber] = await pair(t)
  subscriber.send(subscribe(1, 'a', { window: 0, overflow: 'drop-oldest', backlogMessages: 1 }))
  await subscriber.expectNothing()
  const sinceMs = performance.now()
  await publishMarks(publisher, '1', '2')
  const first = await subscriber.expect('SLOW', { id: 1 })
  t.deepEqual(first.body, { slow: false, dropped: 1, queued: 1, queuedBytes: 512 + 20 })
  await publishMarks(publisher, '3')
  await publishMarks(publisher, '4', '5 is longer')
  const { body } = await subscriber.expect('SLOW', { id: 1 })
  t.true(performance.now() - sinceMs >= 999)
  t.deepEqual(body, { slow: false, dropped: 4, queued: 1, queuedBytes: 512 + 28 })
})

test('[FLOW-3] a client that does not read is told once, when it reads again, what holds then', async (t) => {
  const [publisher, subscriber] = await pair(t)
  subscriber.send(subscribe(1, 'a', { window: 2 ** 30, overflow: 'drop-oldest', backlogMessages: 10 }))
  await subscriber.expectNothing()
  subscriber.pause()
  publisher.send(topic(0, 'a'))
  const startMs = performance.now()
  // Long enough for three of them.
  while (performance.now() - startMs < 2500) {
    publisher.send(...Array.from({ length: 10 }, () => publish(0, Buffer.alloc(50_000))))
    await publisher.expectNothing()
  }
  const [row] = await rowsOf(publisher)
  subscriber.resume()
  const dropped: unknown[] = []
  for (let messages = 0; messages < (row!['matched'] as number) - (row!['dropped'] as number); ) {
    const frame = await subscriber.next()
    if (frame.kind === 'SLOW') dropped.push(frame.body['dropped'])
    if (frame.kind === 'MESSAGE') messages += 1
  }
  // The first may have come before the socket was full.
  t.true(dropped.length <= 2, String(dropped))
  t.is(dropped.at(-1), row!['dropped'])
})

test('[CREDIT-3] what was sent before an unsubscription may be reported after it, and ends the row', async (t) => {
  const [publisher, subscriber] = await pair(t)
  subscriber.send(subscribe(1, 'a'))
  await subscriber.expectNothing()
  await publishMarks(publisher, '1', '2', '3', '4')
  await subscriber.texts(4)
  subscriber.send(unsubscribe(1), credit(1, 51, 1, 1, 1))
  await subscriber.expect('DRAINED', { id: 1, body: { matched: 4, dropped: 0 } })
  await subscriber.expectNothing()
  t.like(await rowsOf(publisher), [
    {
      subscription: 1,
      state: 'ended',
      handled: 1,
      dropped: 2,
      droppedBy: { expired: 1, discarded: 1 },
      inFlight: 1,
    },
  ])
  subscriber.send(credit(1, 0, 0, 0, 1), credit(1, 0, 5))
  await subscriber.expectNothing()
  t.deepEqual(await rowsOf(publisher), [])
  const { deliveries } = await publisher.ask('$SYS.stats')
  t.like(deliveries, {
    matched: 4,
    handled: 1,
    inFlight: 0,
    droppedBy: { expired: 1, discarded: 2, lost: 0 },
  })
})

test('[CREDIT-3] more than an ended subscription was sent is a fault', async (t) => {
  const [publisher, subscriber] = await pair(t)
  subscriber.send(subscribe(1, 'a'))
  await subscriber.expectNothing()
  await publishMarks(publisher, '1', '2')
  await subscriber.texts(2)
  subscriber.send(unsubscribe(1), credit(1, 0, 1, 1, 1))
  await subscriber.expect('DRAINED')
  await subscriber.expectFatal('CREDIT_EXCEEDED')
})

test('[CREDIT-3] what was in flight is lost when the id is used anew, or too many have ended', async (t) => {
  const [publisher, subscriber] = await pair(t, { subscriptionsMax: 2 })
  const lost = async () => {
    const { deliveries } = await publisher.ask<{ deliveries: { droppedBy: { lost: number } } }>('$SYS.stats')
    return deliveries.droppedBy.lost
  }
  const endOne = async (id: number, mark: string) => {
    subscriber.send(subscribe(id, 'a'))
    await subscriber.expectNothing()
    await publishMarks(publisher, mark)
    await subscriber.texts(1)
    subscriber.send(unsubscribe(id))
    await subscriber.expect('DRAINED', { id })
  }
  await endOne(1, 'x')
  t.is(await lost(), 0)
  await endOne(1, 'x')
  t.is(await lost(), 1)
  subscriber.send(serve(1, 'b'))
  await subscriber.expectNothing()
  t.is(await lost(), 2)
  for (const id of [2, 3]) await endOne(id, 'x')
  t.is(await lost(), 2)
  await endOne(4, 'x')
  t.is(await lost(), 3)
  subscriber.hangUp()
  while ((await lost()) < 5);
  t.deepEqual(await rowsOf(publisher), [])
})
