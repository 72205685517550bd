import test from 'ava'
import { Encoding, FEATURE_RETAIN, Flag, Kind, Offset, packValue, writeU32 } from '../../protocol/index.js'
import { startBench } from './fixtures.js'
import { credit, hello, keep, publish, subscribe, topic, unsubscribe } from './frames.js'
import type { Client, Received } from './transcript.js'

const RETAINED = { retained: true }

interface Stats {
  readonly retained: { readonly messages: number; readonly bytes: number; readonly greetings: number }
}

interface Page {
  readonly total: number
  readonly rows: Record<string, unknown>[]
}

async function retainedStats(client: Client): Promise<Stats['retained']> {
  return (await client.ask<Stats>('$SYS.stats')).retained
}

function nowNs(): number {
  return Number(process.hrtime.bigint())
}

/** What has come, each as topic and text, in the order of topics. */
function sorted(messages: readonly Received[]): string[] {
  return messages.map(({ name, text }) => `${name} ${text}`).sort()
}

test('[RETAIN-1] [RETAIN-2] the last message of a topic greets a later subscriber, byte for byte', async (t) => {
  const { client, stranger } = await startBench(t)
  const [publisher, early, late] = [await client(), await client(), await stranger()]
  late.send(hello())
  const { body } = await late.expect('WELCOME')
  t.true((body['features'] as string[]).includes(FEATURE_RETAIN))
  early.send(subscribe(1, 'a', RETAINED))
  await early.expectNothing()
  const options = {
    priority: 7,
    encoding: Encoding.UTF8,
    headers: packValue({ h: 'x' }),
    sentAtNs: 5,
    expiryNs: nowNs() + 3600e9,
  }
  publisher.send(topic(0, 'a'), keep(0, 'first'), keep(0, 'second', options))
  await publisher.expectNothing()
  // Whoever is there already gets messages like any other.
  await early.expect('MESSAGE', { text: 'first', flags: 0 })
  const live = await early.expect('MESSAGE', { text: 'second' })
  t.is(live.flags & Flag.RETAIN, 0)
  late.send(subscribe(1, 'a', RETAINED))
  const kept = await late.expect('MESSAGE', { name: 'a', text: 'second', priority: 7 })
  const expected = keep(kept.topic, 'second', options)
  t.true(kept.frame.equals(expected.subarray(0, kept.length)))
  await late.expectNothing()
  await early.expectNothing()
})

test('[RETAIN-1] an empty payload removes what is kept, and is delivered', async (t) => {
  const { client } = await startBench(t)
  const [publisher, early, late] = [await client(), await client(), await client()]
  early.send(subscribe(1, 'a'))
  await early.expectNothing()
  publisher.send(topic(0, 'a'), keep(0, 'kept'), keep(0, '', { headers: packValue({ a: 1 }) }))
  await publisher.expectNothing()
  t.deepEqual(await early.texts(2), ['kept', ''])
  late.send(subscribe(1, 'a', RETAINED))
  await late.expectNothing()
  t.like(await retainedStats(late), { messages: 0, bytes: 0 })
})

test('[RETAIN-1] what is beyond the limits is delivered, and its topic keeps nothing', async (t) => {
  const { client } = await startBench(t, { retainedMessagesMax: 2, retainedBytesMax: 10_000 })
  const [publisher, early, late] = [await client(), await client(), await client()]
  early.send(subscribe(1, '>'))
  await early.expectNothing()
  publisher.send(...['a', 'b', 'c'].map((name, alias) => topic(alias, name)), keep(0, 'one'), keep(1, 'two'))
  const tooMany = keep(2, 'too many')
  writeU32(tooMany, Offset.ID, 77)
  publisher.send(tooMany)
  await publisher.expectRefusal('RETAIN_LIMIT', Kind.MESSAGE, 77)
  // In place of another, it is not one more.
  publisher.send(keep(1, 'three'), keep(0, Buffer.alloc(9000, 'x')), keep(1, Buffer.alloc(9000, 'x')))
  await publisher.expectRefusal('RETAIN_LIMIT', Kind.MESSAGE, 0)
  await publisher.expectNothing()
  t.deepEqual(
    (await early.arrived()).map(({ name }) => name),
    ['a', 'b', 'c', 'b', 'a', 'b'],
  )
  late.send(subscribe(1, '>', RETAINED))
  t.is((await late.expect('MESSAGE', { name: 'a' })).payload.length, 9000)
  await late.expectNothing()
  const { messages, bytes } = await retainedStats(publisher)
  t.is(messages, 1)
  t.true(bytes >= 9000 && bytes <= 10_000)
  // There is room again for the others.
  publisher.send(keep(0, ''), keep(1, 'small'), keep(2, 'small'))
  await publisher.expectNothing()
  t.like(await retainedStats(publisher), { messages: 2 })
})

// Alone, so that what is to expire is kept before it has.
test.serial(
  '[RETAIN-1] [WIRE-3.2] what is kept expires: it greets nobody, and its memory is given back',
  async (t) => {
    const { client } = await startBench(t)
    const [publisher, subscriber] = [await client(), await client()]
    publisher.send(topic(0, 'short'), topic(1, 'long'), topic(2, 'past'), topic(3, 'replaced'))
    publisher.send(keep(2, 'former'), keep(2, 'past', { expiryNs: nowNs() - 1 }))
    t.like(await retainedStats(publisher), { messages: 0 })
    const soon = { expiryNs: nowNs() + 500e6 }
    publisher.send(keep(0, 'short', soon), keep(1, 'long', { expiryNs: nowNs() + 3600e9 }))
    publisher.send(keep(3, 'replaced', soon), keep(3, 'stays'))
    await publisher.expectNothing()
    while (nowNs() <= soon.expiryNs) await new Promise(setImmediate)
    subscriber.send(subscribe(1, '>', RETAINED))
    t.deepEqual(sorted(await subscriber.arrived()), ['long long', 'replaced stays'])
    const { rows } = await subscriber.ask<Page>('$SYS.retained')
    t.deepEqual(rows.map((row) => row['topic']).sort(), ['long', 'replaced'])
    while ((await retainedStats(publisher)).messages > 2)
      await new Promise((resolve) => setTimeout(resolve, 20))
  },
)

test('[RETAIN-2] who does not ask for it, and members of a group, are not greeted', async (t) => {
  const { client } = await startBench(t)
  const [publisher, user] = [await client(), await client()]
  publisher.send(topic(0, 'a'), keep(0, 'kept'))
  await publisher.expectNothing()
  user.send(subscribe(1, 'a'), subscribe(2, 'a', { retained: false }))
  user.send(subscribe(3, 'a', { group: 'g', retained: true }), subscribe(4, 'b', RETAINED))
  await user.expectNothing()
})

test('[RETAIN-2] [SUB-6] each of overlapping subscriptions is greeted with what its pattern covers', async (t) => {
  const { client } = await startBench(t)
  const [publisher, user] = [await client(), await client()]
  const names = ['a.b', 'a.b.c', 'a', 'b.b']
  publisher.send(...names.flatMap((name, alias) => [topic(alias, name), keep(alias, `of ${name}`)]))
  await publisher.expectNothing()
  const covered: Record<string, string[]> = {
    '>': ['a', 'a.b', 'a.b.c', 'b.b'],
    'a.>': ['a.b', 'a.b.c'],
    '*.b': ['a.b', 'b.b'],
    'a.b': ['a.b'],
    '*.*.*': ['a.b.c'],
    '$SYS.>': [],
  }
  for (const [index, [pattern, topics]] of Object.entries(covered).entries()) {
    user.send(subscribe(index + 1, pattern, RETAINED))
    const messages = await user.arrived()
    t.deepEqual(
      sorted(messages),
      topics.map((name) => `${name} of ${name}`),
      pattern,
    )
    t.true(messages.every(({ consumer, flags }) => consumer === index + 1 && flags === Flag.RETAIN))
  }
})

test('[RETAIN-2] what greets a subscription counts as matched, and waits whatever its limits', async (t) => {
  const { client } = await startBench(t, { backlogMessagesMax: 1, backlogBytesMax: 1 })
  const [publisher, user] = [await client(), await client()]
  for (let index = 0; index < 10; index++) publisher.send(topic(0, `t.${index}`), keep(0, 'kept'))
  await publisher.expectNothing()
  user.send(subscribe(1, 't.*', { window: 0, retained: true }))
  await user.expectNothing()
  const row = async () => (await publisher.ask<Page>('$SYS.subscriptions')).rows[0]!
  t.like(await row(), { matched: 10, queued: 10, inFlight: 0, dropped: 0 })
  user.send(credit(1, 1000))
  await user.texts(10)
  user.send(credit(1, 0, 10))
  await user.expectNothing()
  t.like(await row(), { matched: 10, handled: 10, queued: 0, inFlight: 0, dropped: 0 })
})

test('[RETAIN-2] [FLOW-1] a message that greets and waits is one like any other for the policies', async (t) => {
  const { client } = await startBench(t, { backlogMessagesMax: 2 })
  const [publisher, user] = [await client(), await client()]
  publisher.send(
    topic(0, 'a'),
    keep(0, 'kept a'),
    topic(1, 'b'),
    keep(1, 'kept b'),
    topic(2, 'c'),
    keep(2, 'kept c'),
  )
  await publisher.expectNothing()
  for (const [id, overflow] of ['latest', 'drop-oldest', 'drop-newest'].entries()) {
    user.send(subscribe(id + 1, '*', { window: 0, retained: true, overflow }))
  }
  await user.expectNothing()
  publisher.send(publish(0, 'live a'))
  await publisher.expectNothing()
  const { rows } = await publisher.ask<Page>('$SYS.subscriptions')
  const none = { oldest: 0, newest: 0, replaced: 0 }
  // The limit is exceeded by what has greeted them, which the next message brings to light.
  t.like(rows, [
    { matched: 4, droppedBy: { ...none, replaced: 1, oldest: 1 }, queued: 2 },
    { matched: 4, droppedBy: { ...none, oldest: 2 }, queued: 2 },
    { matched: 4, droppedBy: { ...none, newest: 1 }, queued: 3 },
  ])
})

test('[RETAIN-2] the kept message outlives its publisher, and greets a client that comes again', async (t) => {
  const { client } = await startBench(t)
  const publisher = await client('publisher')
  publisher.send(topic(0, 'a'), keep(0, 'kept'))
  await publisher.expectNothing()
  publisher.hangUp()
  const observer = await client()
  while ((await observer.ask<Page>('$SYS.clients')).total > 1);
  for (let round = 0; round < 3; round++) {
    const user = await client()
    user.send(subscribe(1, 'a', RETAINED))
    await user.expect('MESSAGE', { name: 'a', text: 'kept' })
    user.hangUp()
  }
  // The next publisher of the topic finds it there.
  const next = await client()
  next.send(topic(5, 'a'), keep(5, 'newer'))
  await next.expectNothing()
  t.like(await retainedStats(observer), { messages: 1 })
  observer.send(subscribe(1, 'a', RETAINED))
  await observer.expect('MESSAGE', { text: 'newer' })
})

/** More topics than one slice of a greeting brings. */
const MANY = 2000
const MANY_BYTES = 1600

/** Keeps a message for each of many topics; aliases are used in turn. */
async function keepMany(publisher: Client, count = MANY, bytes = MANY_BYTES): Promise<void> {
  for (let first = 0; first < count; first += 1000) {
    const frames: Buffer[] = []
    for (let index = first; index < Math.min(first + 1000, count); index++) {
      frames.push(topic(index % 100, `many.${index}`), keep(index % 100, `${index} `.padEnd(bytes, '.')))
    }
    publisher.send(...frames)
    await publisher.expectNothing()
  }
}

test('[RETAIN-2] a greeting goes on as its subscriber takes it, and nothing is published ahead of it on a topic', async (t) => {
  const { client } = await startBench(t)
  const [publisher, user] = [await client(), await client()]
  await keepMany(publisher)
  user.send(subscribe(1, 'many.*', { window: 0, retained: true }))
  await user.expectNothing()
  const { rows } = await publisher.ask<Page>('$SYS.subscriptions')
  const queued = rows[0]!['queued'] as number
  t.true(queued > 10 && queued < MANY / 2, `${queued} are queued at once`)
  t.like(await retainedStats(publisher), { greetings: 1 })
  // The first is queued already, or has to go ahead; the second replaces what is kept.
  for (const index of [0, MANY - 1, MANY - 2]) publisher.send(topic(0, `many.${index}`), publish(0, 'live'))
  for (const index of [1, MANY - 3]) publisher.send(topic(0, `many.${index}`), keep(0, 'newer'))
  publisher.send(topic(0, `many.${MANY - 4}`), keep(0, ''), topic(0, 'many.new'), keep(0, 'new'))
  await publisher.expectNothing()
  const of = new Map<string, string[]>()
  const take = (name: string, text: string) => of.set(name, [...(of.get(name) ?? []), text.split(' ')[0]!])
  let arrived = 0
  user.send(credit(1, 2 ** 25))
  // 2,000 kept ones, less the replaced and the removed one that had their turn as live ones, and the live ones.
  while (arrived < MANY + 5) {
    const { name, text, flags } = await user.expect('MESSAGE')
    t.is((flags & Flag.RETAIN) !== 0, /^\d/.test(text))
    take(name!, text)
    arrived += 1
  }
  await user.expectNothing()
  t.like(await retainedStats(publisher), { greetings: 0 })
  for (const index of [0, MANY - 1, MANY - 2]) t.deepEqual(of.get(`many.${index}`), [`${index}`, 'live'])
  t.deepEqual(of.get('many.1'), ['1', 'newer'])
  t.deepEqual(of.get(`many.${MANY - 3}`), ['newer'])
  t.deepEqual(of.get(`many.${MANY - 4}`), [''])
  t.deepEqual(of.get('many.new'), ['new'])
  for (let index = 2; index < MANY - 4; index++) t.deepEqual(of.get(`many.${index}`), [`${index}`])
  t.like((await publisher.ask<Page>('$SYS.subscriptions')).rows[0]!, { matched: MANY + 5, queued: 0 })
})

test('[RETAIN-2] a greeting goes on though other messages keep the queue from emptying', async (t) => {
  const { client } = await startBench(t)
  const [publisher, user] = [await client(), await client()]
  const count = 700
  await keepMany(publisher, count)
  user.send(subscribe(1, '>', { window: 0, retained: true }))
  publisher.send(topic(0, 'live'))
  const kept = new Set<string>()
  while (kept.size < count) {
    // More comes than goes.
    publisher.send(...Array.from({ length: 100 }, () => publish(0, Buffer.alloc(MANY_BYTES))))
    await publisher.expectNothing()
    user.send(credit(1, 98 * MANY_BYTES))
    for (const { name, flags } of await user.arrived()) if (flags === Flag.RETAIN) kept.add(name!)
  }
  t.true(((await publisher.ask<Page>('$SYS.subscriptions')).rows[0]!['queued'] as number) > 0)
})

test('[RETAIN-2] who reads nothing has little of a greeting queued, and less where memory is short', async (t) => {
  const { client } = await startBench(t, { backlogTotalBytesMax: 1_000_000, pauseSlackBytes: 1000 })
  const [publisher, user] = [await client(), await client()]
  await keepMany(publisher)
  const ids = Array.from({ length: 20 }, (_, index) => index + 1)
  user.send(...ids.map((id) => subscribe(id, '>', { window: 0, retained: true })))
  // All of them have begun once as many wait as there are.
  let queued: number[] = []
  while (queued.filter((messages) => messages > 0).length < ids.length) {
    const { rows } = await publisher.ask<Page>('$SYS.subscriptions')
    queued = rows.map((row) => row['queued'] as number)
  }
  const { queuedBytes } = await publisher.ask<{ queuedBytes: number }>('$SYS.stats')
  t.true(queuedBytes < 1_300_000, `${queuedBytes}`)
  t.true(queued[0]! > 50 && queued[0]! < 200, `${queued[0]}`)
  t.is(queued.at(-1), 1)
  // A subscriber that takes what comes is greeted all the same.
  const quick = await client()
  quick.send(subscribe(1, 'many.*', { window: 2 ** 30, retained: true }))
  const names = new Set<string>()
  while (names.size < MANY) names.add((await quick.expect('MESSAGE')).name!)
  await quick.expectNothing()
})

test('[RETAIN-2] a subscription that ends is greeted no further', async (t) => {
  const { client } = await startBench(t)
  const [publisher, user, gone] = [await client(), await client(), await client()]
  await keepMany(publisher)
  const options = { window: 0, retained: true }
  user.send(subscribe(1, '>', options), subscribe(2, '>', options))
  gone.send(subscribe(1, '>', options))
  await gone.expectNothing()
  await user.expectNothing()
  t.like(await retainedStats(publisher), { greetings: 3 })
  user.send(unsubscribe(1), unsubscribe(2, { drain: true }))
  const { body } = await user.expect('DRAINED', { id: 1 })
  t.is(body['matched'], body['dropped'])
  gone.hangUp()
  while ((await retainedStats(publisher)).greetings > 0);
  const { rows } = await publisher.ask<Page>('$SYS.subscriptions')
  const left = rows.find((row) => row['subscription'] === 2)!['queued'] as number
  user.send(credit(2, 2 ** 25))
  await user.texts(left)
  t.is((await user.expect('DRAINED', { id: 2 })).body['matched'], left)
})

test('[RETAIN-2] as many topics as there may be greet a subscriber once each, while others are served', async (t) => {
  const { client } = await startBench(t)
  const [publisher, user, observer] = [await client(), await client(), await client()]
  const count = 65_536
  await keepMany(publisher, count, 8)
  publisher.send(topic(0, 'one.more'), keep(0, 'too many'))
  await publisher.expectRefusal('RETAIN_LIMIT', Kind.MESSAGE, 0)
  t.like(await retainedStats(observer), { messages: count })
  user.send(subscribe(1, '>', { window: 2 ** 30, retained: true }))
  // It is answered before the greeting has ended.
  t.like(await retainedStats(observer), { greetings: 1 })
  const seen = new Set<string>()
  for (let index = 0; index < count; index++) {
    const { name, text } = await user.expect('MESSAGE')
    if (name !== `many.${text.trim().split(' ')[0]}`.replace(/\.+$/, '')) return t.fail(`${name}: ${text}`)
    seen.add(name)
  }
  t.is(seen.size, count)
  await user.expectNothing()
})

test('[RETAIN-1] ten thousand messages of one topic are one that is kept', async (t) => {
  const { client } = await startBench(t)
  const [publisher, user] = [await client(), await client()]
  publisher.send(topic(0, 'a'))
  for (let index = 0; index < 10_000; index++) publisher.send(keep(0, `${index}`.padStart(100)))
  await publisher.expectNothing()
  const stats = await retainedStats(user)
  t.is(stats.messages, 1)
  t.true(stats.bytes < 1000)
  user.send(subscribe(1, '>', RETAINED))
  t.is((await user.expect('MESSAGE')).text.trim(), '9999')
  await user.expectNothing()
})

test('[SYS-1] $SYS.retained and $SYS.topics show what is kept', async (t) => {
  const { client } = await startBench(t)
  const [publisher, user] = [await client(), await client()]
  const beganMs = Date.now()
  publisher.send(topic(0, 'a.b'), topic(1, 'c'))
  publisher.send(keep(0, packValue(1), { encoding: Encoding.MSGPACK, priority: 9 }))
  publisher.send(keep(1, 'x', { expiryNs: nowNs() + 3600e9 }))
  await publisher.expectNothing()
  publisher.hangUp()
  while ((await user.ask<Page>('$SYS.clients')).total > 1);
  const { total, rows } = await user.ask<Page>('$SYS.retained')
  t.is(total, 2)
  t.like(rows[0], { topic: 'a.b', expiresMs: null, encoding: 'msgpack', priority: 9 })
  t.like(rows[1], { topic: 'c', encoding: 'bytes', priority: 0 })
  for (const { sinceMs } of rows as { sinceMs: number }[]) t.true(sinceMs >= beganMs && sinceMs <= Date.now())
  const remainingMs = (rows[1]!['expiresMs'] as number) - Date.now()
  t.true(remainingMs > 3_000_000 && remainingMs <= 3_600_000)
  const stats = await retainedStats(user)
  t.is(
    stats.bytes,
    rows.reduce((sum, row) => sum + (row['bytes'] as number), 0),
  )
  const topics = await user.ask<Page>('$SYS.topics')
  t.like(
    topics.rows.find((row) => row['topic'] === 'a.b'),
    { publishers: 0, subscribers: 0, retainedBytes: rows[0]!['bytes'], latency: null },
  )
})
