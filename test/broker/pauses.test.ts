import test from 'ava'
import { HEADER_BYTES, unpackValue } from '../../protocol/index.js'
import { type Bench, startBench } from './fixtures.js'
import { credit, publish, subscribe, topic, unsubscribe } from './frames.js'
import type { Client } from './transcript.js'

const KIB = 1024
/** The limit of subscriptions: sixteen messages, and what their topic costs. */
const LIMITS = { backlogBytesMax: 64 * KIB + 512, pauseTimeoutMs: 60_000 }
/** A whole frame. */
const MESSAGE = 4 * KIB
const BODY = Buffer.alloc(MESSAGE - HEADER_BYTES)

const messages = (alias: number, count: number) => Array.from({ length: count }, () => publish(alias, BODY))

/** A subscriber that takes nothing, and a publisher that has just filled its backlog. */
async function stuckOn({ client }: Bench, options: Parameters<typeof subscribe>[2] = {}) {
  const [reader, publisher] = [await client('reader'), await client('publisher')]
  reader.send(subscribe(1, 'a', { window: 0, ...options }))
  await reader.expectNothing()
  publisher.send(topic(9, 'before'), topic(0, 'a'), ...messages(0, 16))
  await publisher.expectNothing()
  publisher.send(...messages(0, 1))
  await publisher.expect('PAUSE', { topic: 0, id: 2 })
  return { reader, publisher }
}

/** The subscriber takes so many messages, and is done with them. */
async function take(reader: Client, count: number, id = 1): Promise<void> {
  reader.send(credit(id, count * MESSAGE))
  for (let index = 0; index < count; index++) await reader.expect('MESSAGE', { length: MESSAGE })
  reader.send(credit(id, 0, count))
}

test('[WIRE-2.8] [FLOW-2] a publisher is paused on one alias, gets what room appears, and goes on at half of the limit', async (t) => {
  const bench = await startBench(t, LIMITS)
  const { reader, publisher } = await stuckOn(bench)
  // The others go on, and what was on its way arrives.
  publisher.send(subscribe(1, 'before'), publish(9, 'other'), ...messages(0, 1))
  t.deepEqual(
    (await publisher.arrived()).map(({ text }) => text),
    ['other'],
  )
  await take(reader, 4)
  await publisher.expect('RESUME', { topic: 0, id: 2 * MESSAGE })
  publisher.send(...messages(0, 2))
  await publisher.expectNothing()
  await take(reader, 1)
  await publisher.expect('RESUME', { topic: 0, id: MESSAGE })
  await take(reader, 8)
  await publisher.expect('RESUME', { topic: 0, id: 0 })
  await take(reader, 7)
  await reader.expectNothing()
  t.like(await publisher.ask('$SYS.stats'), { pausedTopics: 0 })
})

test('[FLOW-2] who holds a topic up, and since when, can be asked', async (t) => {
  const bench = await startBench(t, LIMITS)
  const watcher = await bench.client()
  watcher.send(subscribe(1, '$SYS.topic.*'))
  await watcher.expectNothing()
  const before = Date.now()
  const { reader, publisher } = await stuckOn(bench)
  const events = async (): Promise<Record<string, unknown>> => {
    const { name, payload } = await watcher.expect('MESSAGE')
    return { name, ...(unpackValue(payload) as { events: Record<string, unknown>[] }).events[0] }
  }
  const paused = await events()
  t.like(paused, {
    name: '$SYS.topic.paused',
    topic: 'a',
    publishers: 1,
    full: [{ name: 'reader', pid: process.pid, subscription: 1, pattern: 'a' }],
  })
  type Rows = { rows: Record<string, unknown>[] }
  const rowOf = async (list: string, key: string, value: string) =>
    (await watcher.ask<Rows>(list)).rows.find((row) => row[key] === value)!
  t.like(await rowOf('$SYS.topics', 'topic', 'a'), { pausedPublishers: 1, pausedSinceMs: paused['sinceMs'] })
  t.like(await rowOf('$SYS.topics', 'topic', 'before'), { pausedPublishers: 0, pausedSinceMs: null })
  t.like(await rowOf('$SYS.clients', 'name', 'publisher'), { pausedTopics: 1 })
  t.like(await rowOf('$SYS.clients', 'name', 'reader'), { pausedTopics: 0 })
  const since = (await rowOf('$SYS.subscriptions', 'pattern', 'a'))['blockingSinceMs'] as number
  t.true(since >= before && since <= Date.now())
  t.like(await watcher.ask('$SYS.stats'), { pausedTopics: 1 })
  await take(reader, 17)
  await publisher.expect('RESUME', { topic: 0, id: 0 })
  t.like(await events(), { name: '$SYS.topic.resumed', topic: 'a', full: [] })
  t.is((await rowOf('$SYS.subscriptions', 'pattern', 'a'))['blockingSinceMs'], null)
})

test('[FLOW-2] at the deadline what is full becomes slow, and its publishers go on', async (t) => {
  const bench = await startBench(t, { ...LIMITS, pauseTimeoutMs: 50 })
  const { reader, publisher } = await stuckOn(bench)
  await publisher.expect('RESUME', { topic: 0, id: 0 })
  const { body } = await reader.expect('SLOW', { id: 1 })
  t.true(body['slow'])
  publisher.send(...messages(0, 100))
  await publisher.expectNothing()
  reader.send(credit(1, 1000 * MESSAGE))
  for (let count = 0; count < 16; count++) await reader.expect('MESSAGE')
})

test('[FLOW-2] two publishers share the room; one that is gone leaves its part to the other', async (t) => {
  const bench = await startBench(t, LIMITS)
  const { reader, publisher } = await stuckOn(bench)
  const second = await bench.client()
  second.send(topic(5, 'a'), ...messages(5, 1))
  await second.expect('PAUSE', { topic: 5, id: 1 })
  await take(reader, 6)
  await publisher.expect('RESUME', { topic: 0, id: 2 * MESSAGE })
  await second.expect('RESUME', { topic: 5, id: 2 * MESSAGE })
  publisher.hangUp()
  second.send(...messages(5, 2))
  await take(reader, 1)
  await second.expect('RESUME', { topic: 5, id: 3 * MESSAGE })
})

test('[FLOW-2] of several subscriptions that are full, all are waited for', async (t) => {
  const bench = await startBench(t, LIMITS)
  const { reader, publisher } = await stuckOn(bench)
  const other = await bench.client()
  other.send(subscribe(1, '*', { window: 0 }), subscribe(2, 'a', { window: 0, overflow: 'drop-oldest' }))
  await other.expectNothing()
  publisher.send(...messages(0, 17))
  await publisher.expectNothing()
  await take(reader, 34)
  await publisher.expectNothing()
  await take(other, 3)
  await publisher.expect('RESUME', { topic: 0, id: 2 * MESSAGE })
  await take(other, 7)
  await publisher.expect('RESUME', { topic: 0, id: 0 })
})

test('[WIRE-2.8] to bind an alias anew ends its pause, and the next PAUSE says which binding it means', async (t) => {
  const bench = await startBench(t, LIMITS)
  const { reader, publisher } = await stuckOn(bench)
  publisher.send(topic(0, 'b'), ...messages(0, 20))
  await publisher.expectNothing()
  t.like(await publisher.ask('$SYS.stats'), { pausedTopics: 0 })
  publisher.send(topic(0, 'a'), topic(1, 'a'), ...messages(0, 1))
  // `ask` has bound an alias as well.
  await publisher.expect('PAUSE', { topic: 0, id: 6 })
  publisher.send(...messages(1, 1))
  await publisher.expect('PAUSE', { topic: 1, id: 6 })
  await take(reader, 19)
  const resumed = [await publisher.expect('RESUME', { id: 0 }), await publisher.expect('RESUME', { id: 0 })]
  t.deepEqual(resumed.map((frame) => frame.topic).sort(), [0, 1])
})

for (const [how, leave] of [
  ['hangs up', (reader: Client) => reader.hangUp()],
  ['unsubscribes', (reader: Client) => reader.send(unsubscribe(1))],
  [
    'unsubscribes, and takes what is queued',
    (reader: Client) => reader.send(unsubscribe(1, { drain: true })),
  ],
] as const) {
  test(`[FLOW-2] a subscriber that ${how} holds nobody up`, async (t) => {
    const bench = await startBench(t, LIMITS)
    const { reader, publisher } = await stuckOn(bench)
    leave(reader)
    await publisher.expect('RESUME', { topic: 0, id: 0 })
  })
}

test('[FLOW-2] a queue group holds publishers up when all of its members are full', async (t) => {
  const bench = await startBench(t, LIMITS)
  const [stuck, other, publisher] = [await bench.client(), await bench.client(), await bench.client()]
  stuck.send(subscribe(1, 'a', { window: 0, group: 'g', backlogBytes: 8 * MESSAGE + 512 }))
  other.send(subscribe(1, 'a', { window: 0, group: 'g' }))
  await stuck.expectNothing()
  await other.expectNothing()
  publisher.send(topic(0, 'a'), ...messages(0, 24))
  await publisher.expectNothing()
  publisher.send(...messages(0, 1))
  await publisher.expect('PAUSE', { topic: 0 })
  await take(other, 9)
  await publisher.expect('RESUME', { topic: 0, id: 0 })
  // What is full is left out as long as somebody else has room.
  publisher.send(...messages(0, 8))
  await publisher.expectNothing()
})

test('[FLOW-2] a publisher that ignores the pause makes the subscription slow, and is let alone', async (t) => {
  const bench = await startBench(t, { ...LIMITS, pauseSlackBytes: 32 * KIB })
  const { reader, publisher } = await stuckOn(bench)
  publisher.send(...messages(0, 50))
  await publisher.expect('RESUME', { topic: 0, id: 0 })
  await reader.expect('SLOW')
  publisher.send(...messages(0, 50))
  await publisher.expectNothing()
})

test('[FLOW-2] pauses and allowances do not pile up for a publisher that does not read', async (t) => {
  const bench = await startBench(t, LIMITS)
  const [reader, publisher, other] = [await bench.client(), await bench.client(), await bench.client()]
  reader.send(subscribe(1, 'a', { window: 0 }))
  await reader.expectNothing()
  publisher.send(subscribe(1, 'noise', { window: 2 ** 30, overflow: 'drop-newest' }), topic(0, 'a'))
  await publisher.expectNothing()
  publisher.pause()
  other.send(topic(0, 'noise'))
  for (let congested = false; !congested; ) {
    other.send(...Array.from({ length: 20 }, () => publish(0, Buffer.alloc(100_000))))
    const { rows } = await other.ask<{ rows: { client: number; congested: boolean }[] }>('$SYS.clients')
    congested = rows.some((row) => row.congested)
  }
  // Full, half empty, and full again, many times over: each would be a frame or two.
  const fill = async () => {
    publisher.send(...messages(0, 20))
    for (let isFull = false; !isFull; ) {
      const { rows } = await other.ask<{ rows: Record<string, unknown>[] }>('$SYS.subscriptions')
      isFull = rows.some((row) => row['queued'] === 20 && row['blockingSinceMs'] !== null)
    }
  }
  for (let round = 0; round < 50; round++) {
    await fill()
    await take(reader, 20)
  }
  await fill()
  await take(reader, 6)
  publisher.resume()
  const told: string[] = []
  while (told.length < 2) {
    const { kind, id } = await publisher.next()
    if (kind === 'PAUSE' || kind === 'RESUME') told.push(`${kind} ${id}`)
  }
  t.deepEqual(told, ['PAUSE 1', `RESUME ${2 * MESSAGE}`])
  await take(reader, 14)
  for (let frame = await publisher.next(); frame.kind !== 'RESUME'; ) frame = await publisher.next()
  t.like(await other.ask('$SYS.stats'), { clientsRefused: 0, pausedTopics: 0 })
})

test('[FLOW-2] what is $SYS pauses nobody, nor does what the broker publishes', async (t) => {
  const bench = await startBench(t, { ...LIMITS, backlogMessagesMax: 1 })
  const watcher = await bench.client()
  watcher.send(subscribe(1, '$SYS.>', { window: 0, overflow: 'block' }))
  await watcher.expectNothing()
  for (let count = 0; count < 5; count++) await bench.client()
  t.like(await watcher.ask('$SYS.stats'), { pausedTopics: 0 })
})
