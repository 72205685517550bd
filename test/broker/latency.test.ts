import test from 'ava'
import { TopicLatencies } from '../../broker/system/topic-latencies.js'
import { Kind, LATENCY_SAMPLES_MAX } from '../../protocol/index.js'
import { startBench } from './fixtures.js'
import { latency, publish, subscribe, topic } from './frames.js'
import type { Client } from './transcript.js'

interface TopicRow {
  readonly topic: string
  readonly publishers: number
  readonly subscribers: number
  readonly latency: { samples: number; p50Micros: number; p99Micros: number; maxMicros: number } | null
}

async function rowOf(client: Client, name: string): Promise<TopicRow | undefined> {
  const { rows } = await client.ask<{ rows: TopicRow[] }>('$SYS.topics')
  return rows.find((row) => row.topic === name)
}

async function samplesOf(client: Client, name: string): Promise<number | undefined> {
  return (await rowOf(client, name))?.latency?.samples
}

test('[FLOW-4] [SYS-1] $SYS.topics tells the latencies that subscribers have reported', async (t) => {
  const { client } = await startBench(t)
  const [publisher, one, other] = [await client(), await client(), await client()]
  publisher.send(topic(0, 'prices.eur'), topic(1, 'prices.usd'))
  await publisher.expectNothing()
  one.send(subscribe(1, 'prices.*'))
  other.send(subscribe(1, 'prices.eur', { group: 'g' }))
  t.is((await rowOf(one, 'prices.eur'))!.latency, null)
  for (let index = 1; index <= 98; index++) one.send(latency([['prices.eur', index * 1000]]))
  other.send(
    latency([
      ['prices.eur', 2_000_000],
      ['prices.eur', 0],
    ]),
  )
  await other.expectNothing()
  await one.expectNothing()
  const { latency: reported, ...row } = (await rowOf(one, 'prices.eur'))!
  t.like(row, { publishers: 1, subscribers: 2 })
  t.is(reported!.samples, 100)
  t.true(Math.abs(reported!.p50Micros - 50) <= 2, JSON.stringify(reported))
  t.true(Math.abs(reported!.p99Micros - 98) <= 2, JSON.stringify(reported))
  t.true(Math.abs(reported!.maxMicros - 2000) <= 20, JSON.stringify(reported))
  t.is((await rowOf(one, 'prices.usd'))!.latency, null)
  // It is told of as long as it is recent, whoever has left.
  publisher.hangUp()
  while ((await rowOf(one, 'prices.usd')) !== undefined);
  t.like(await rowOf(one, 'prices.eur'), { publishers: 0, subscribers: 2, latency: { samples: 100 } })
})

test('[FLOW-4] nobody can make up topics, or report what it cannot have got', async (t) => {
  const { client } = await startBench(t)
  const [publisher, user] = [await client(), await client()]
  publisher.send(topic(0, 'a.b'), topic(1, 'c'), topic(2, '$SYS.x'))
  await publisher.expectNothing()
  user.send(subscribe(1, 'a.*'), subscribe(2, '$SYS.>'), subscribe(3, '>.'), subscribe(4, 'made.up'))
  await user.expectRefusal('BAD_PATTERN', Kind.SUBSCRIBE, 3)
  user.send(
    latency([
      ['a.b', 5000],
      ['a.none', 1],
      ['made.up', 1],
      ['c', 1],
      ['$SYS.x', 1],
    ]),
  )
  publisher.send(latency([['a.b', 5000]]))
  await publisher.expectNothing()
  const { rows } = await user.ask<{ rows: TopicRow[] }>('$SYS.topics')
  t.deepEqual(
    rows.filter((row) => row.latency !== null).map((row) => [row.topic, row.latency!.samples]),
    [['a.b', 1]],
  )
})

test('[FLOW-4] the broker takes 64 samples of a frame, and ignores those that are none', async (t) => {
  const { client } = await startBench(t)
  const user = await client()
  user.send(topic(0, 'a'), subscribe(1, 'a'))
  user.send(
    latency([]),
    latency([1, null, 'a', [], ['a'], ['a', -1], ['a', 0.5], ['a', 'b'], [1, 1], ['', 1]]),
  )
  t.is(await samplesOf(user, 'a'), undefined)
  user.send(latency([['a', 2 ** 53 - 1], 'x', ...Array.from({ length: 100 }, () => ['a', 1])]))
  t.is(await samplesOf(user, 'a'), LATENCY_SAMPLES_MAX - 1)
  user.send(publish(0, 'goes on'))
  await user.expect('MESSAGE', { text: 'goes on' })
})

test('[FLOW-4] who has it among many subscriptions, or is one of many subscribers, may report', async (t) => {
  const { client } = await startBench(t)
  const [user, ...others] = [await client(), ...(await Promise.all([1, 2, 3].map(() => client())))]
  user.send(topic(0, 'a'), topic(1, 'b'))
  user.send(
    ...Array.from({ length: 1000 }, (_, index) => subscribe(index + 1, index === 500 ? 'a' : `t.${index}`)),
  )
  for (const [index, other] of others.entries()) {
    other.send(
      ...Array.from({ length: 1000 }, (_, id) => subscribe(id + 1, index === 0 ? 'a' : `b.${index}`)),
    )
    other.send(subscribe(2000, 'b'), latency([['b', 1]]))
    await other.expectNothing()
  }
  user.send(
    latency([
      ['a', 1],
      ['b', 1],
    ]),
  )
  t.is(await samplesOf(user, 'b'), 3)
  // Of 1,000 subscriptions on either side none is searched.
  t.is(await samplesOf(user, 'a'), undefined)
  others[0]!.hangUp()
  while (((await rowOf(user, 'a'))?.subscribers ?? 0) > 1);
  user.send(latency([['a', 1]]))
  t.is(await samplesOf(user, 'a'), 1)
})

test('latencies are those of the last minute or two, and of as many topics as there is room for', (t) => {
  let nowMs = 1_000_000
  const latencies = new TopicLatencies(() => nowMs)
  const later = (seconds: number) => {
    nowMs += seconds * 1000
  }
  latencies.record('a', 5_000)
  later(59)
  t.is(latencies.of('a')!.samples, 1)
  later(30)
  latencies.record('a', 7_000)
  t.like(latencies.of('a'), { samples: 2, maxMicros: 7 })
  later(61)
  // The first is of the minute before the last one.
  t.like(latencies.of('a'), { samples: 1, p50Micros: 7 })
  later(61)
  t.is(latencies.of('a'), undefined)
  latencies.record('a', 1_000)
  later(1000)
  t.is(latencies.of('a'), undefined)
  latencies.record('a', 1_000)
  for (let index = 0; index < 511; index++) latencies.record(`t.${index}`, 1)
  t.is(latencies.of('a')!.samples, 1)
  latencies.record('a', 1_000)
  latencies.record('one.more', 1)
  t.is(latencies.of('a')!.samples, 2)
  t.is(latencies.of('t.0'), undefined)
  t.is([...latencies.topics].length, 512)
})
