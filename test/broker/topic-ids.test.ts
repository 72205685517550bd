import test from 'ava'
import { TopicIds } from '../../broker/egress/topic-ids.js'
import { WireTopic } from '../../broker/egress/wire-topic.js'
import { startBench } from './fixtures.js'
import { credit, publish, subscribe, topic, unsubscribe } from './frames.js'
import type { Client, Received } from './transcript.js'

/** More than the broker keeps ids for, twice over. */
const TOPICS = 40_000

/** Frames of one write. */
const BATCH = 500

const MIB = 1024 * 1024

test('[SUB-5] through a flood of topics every frame’s id stands for its topic, queued ones included', async (t) => {
  const { client } = await startBench(t)
  const [publisher, reader, late, rare] = [await client(), await client(), await client(), await client()]
  reader.send(subscribe(1, 'user.*', { window: 512 * MIB }))
  // Its backlog holds the topics of the first part of the flood; the rest of their ids are bound anew.
  late.send(
    subscribe(1, 'user.*', { window: 1, overflow: 'drop-newest' }),
    subscribe(2, 'user.7', { window: 0 }),
  )
  rare.send(subscribe(1, 'rare'))
  for (const subscriber of [reader, late, rare]) await subscriber.expectNothing()
  publisher.send(topic(9, 'rare'), publish(9, 'before'))
  for (let first = 0; first < TOPICS; first += BATCH) {
    const frames: Buffer[] = []
    for (let user = first; user < first + BATCH; user++) {
      const name = `user.${user}`
      frames.push(topic(user % 3, name), publish(user % 3, name, { priority: user % 32 }))
    }
    publisher.send(...frames)
    await publisher.expectNothing()
  }
  publisher.send(publish(9, 'after'))
  await rare.expect('MESSAGE', { name: 'rare', text: 'before' })
  await rare.expect('MESSAGE', { name: 'rare', text: 'after' })

  const ids = new Set<number>()
  for (let user = 0; user < TOPICS; user++) {
    const message = await nextMessage(reader)
    if (message.name !== `user.${user}` || message.text !== message.name)
      return t.fail(`${message.text} as ${message.name}`)
    ids.add(message.topic)
  }
  t.true(ids.size < TOPICS, 'no id was bound anew')

  const { rows } = await publisher.ask<{ rows: { pattern: string; queued: number }[] }>('$SYS.subscriptions')
  const queued = rows.reduce((sum, row) => sum + row.queued, 0)
  t.true(queued > 10_000 && queued < TOPICS, `${queued} were queued`)
  late.send(credit(1, 512 * MIB), credit(2, 1))
  const seen = new Set<string>()
  // One was sent at once.
  while (seen.size < queued + 1) {
    const { name, text, consumer } = await nextMessage(late)
    if (name !== text) return t.fail(`${text} as ${name}`)
    seen.add(`${consumer} ${text}`)
  }
  t.true(seen.has('2 user.7'))
})

async function nextMessage(client: Client): Promise<Received> {
  let frame = await client.next()
  while (frame.kind !== 'MESSAGE') frame = await client.next()
  return frame
}

test('[SUB-5] ids are free again once their frames have left the backlog, sent, expired or dropped', async (t) => {
  const { client } = await startBench(t)
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'first.*', { window: 0 }), subscribe(2, 'first.*', { window: 0 }))
  subscriber.send(subscribe(3, 'first.*', { window: 0 }), subscribe(4, 'second.*', { window: 2 ** 30 }))
  await subscriber.expectNothing()
  const soonNs = Number(process.hrtime.bigint()) + 1e6
  for (let index = 0; index < 100; index++) {
    publisher.send(topic(0, `first.${index}`), publish(0, '', { expiryNs: index % 2 === 0 ? soonNs : 0 }))
  }
  await publisher.expectNothing()
  while (Number(process.hrtime.bigint()) < soonNs + 1e6) await new Promise(setImmediate)
  subscriber.send(credit(1, 10_000), credit(2, 10_000), unsubscribe(3))
  const first = new Set<number>()
  for (let left = 100; left > 0; ) {
    const frame = await subscriber.next()
    if (frame.kind !== 'MESSAGE') continue
    first.add(frame.topic)
    left -= 1
  }
  t.is(first.size, 50)
  const again = new Set<number>()
  for (let begin = 0; begin < TOPICS; begin += BATCH) {
    const names = Array.from({ length: BATCH }, (_, index) => `second.${begin + index}`)
    publisher.send(...names.flatMap((name) => [topic(0, name), publish(0, '')]))
    await publisher.expectNothing()
  }
  for (let left = TOPICS; left > 0; left--) again.add((await nextMessage(subscriber)).topic)
  t.true([...first].every((id) => again.has(id)))
})

test('an id that a queued frame holds is never bound to another topic', (t) => {
  const ids = new TopicIds()
  const pinned = Array.from({ length: 100 }, (_, index) => new WireTopic(`pinned.${index}`))
  for (const topic of pinned) {
    ids.assign(topic)
    ids.pin(topic.id)
  }
  const numbers = pinned.map((topic) => topic.id)
  const given = new Set<number>()
  for (let index = 0; index < TOPICS * 2; index++) {
    const topic = new WireTopic(`flood.${index}`)
    ids.assign(topic)
    topic.used = index % 5 > 0
    given.add(topic.id)
  }
  t.deepEqual(
    pinned.map((topic) => topic.id),
    numbers,
  )
  t.true(numbers.every((id, index) => ids.topicOf(id) === pinned[index]))
  t.true(numbers.every((id) => !given.has(id)))
  // Ids were taken back, rather than more and more given out.
  t.true(given.size < TOPICS)
  for (const id of numbers) ids.unpin(id)
  for (let index = 0; index < TOPICS * 2; index++) ids.assign(new WireTopic(`second.${index}`))
  t.true(pinned.every((topic) => topic.id === 0))
})
