import test from 'ava'
import { TopicIds } from '../../broker/egress/topic-ids.js'
import { WireTopic } from '../../broker/egress/wire-topic.js'
import { startBench } from './fixtures.js'
import { credit, publish, subscribe, topic } from './frames.js'

/** More than the broker keeps ids for, twice over. */
const TOPICS = 40_000

/** Frames of one write. */
const BATCH = 500

const MIB = 1024 * 1024

test('[SUB-5] through a flood of topics every frame’s id stands for its topic, queued ones included', async (t) => {
  const { client } = await startBench(t, { backlogBytesMax: 256 * MIB })
  const [publisher, reader, late] = [await client(), await client(), await client()]
  reader.send(subscribe(1, 'user.*', { window: 512 * MIB }))
  late.send(subscribe(1, '>', { window: 1 }), subscribe(2, 'user.7', { window: 0 }))
  await reader.expectNothing()
  await late.expectNothing()
  for (let first = 0; first < TOPICS; first += BATCH) {
    const frames: Buffer[] = []
    for (let user = first; user < first + BATCH; user++) {
      const name = `user.${user}`
      frames.push(topic(user % 3, name), publish(user % 3, name, { priority: user % 32 }))
    }
    publisher.send(...frames)
    await publisher.expectNothing()
  }
  for (let user = 0; user < TOPICS; user++) {
    const name = `user.${user}`
    const message = await reader.next()
    if (message.kind !== 'MESSAGE') user -= 1
    else if (message.name !== name || message.text !== name) t.fail(`${message.text} came as ${message.name}`)
  }
  late.send(credit(1, 512 * MIB), credit(2, 1))
  const seen = new Set<string>()
  while (seen.size < TOPICS + 1) {
    const { kind, name, text, consumer } = await late.next()
    if (kind !== 'MESSAGE') continue
    if (name !== text) t.fail(`${text} came as ${name}`)
    seen.add(`${consumer} ${text}`)
  }
  t.true(seen.has('2 user.7'))
  t.true(seen.has(`1 user.${TOPICS - 1}`))
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
