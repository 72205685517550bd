import test, { type ExecutionContext } from 'ava'
import type { RingbusClient } from '../../client/index.js'
import type { Child } from '../broker/processes.js'
import { clientOf, socketIn } from '../client/fixtures.js'
import { eventually } from '../client/ring-fixtures.js'
import type { EvenPart } from './even-child.js'
import { startBrokerChild, startProgram, WATCHDOG_MS } from './programs.js'
import type { PublisherPart } from './publisher-child.js'

const KIB = 1024
const MIB = 1024 * KIB

const HEADER_BYTES = 16

/** What the broker reads of one client before the next one has its turn: all that its socket holds. */
const READ_BYTES = 256 * KIB

test.beforeEach((t) => t.timeout(WATCHDOG_MS, 'the watchdog'))

async function routed(bus: RingbusClient): Promise<number> {
  return (await bus.request<{ messagesRouted: number }>('$SYS.stats')).data.messagesRouted
}

async function startPublishers(t: ExecutionContext, ...parts: PublisherPart[]): Promise<Child[]> {
  const children = parts.map((part) => startProgram(t, './publisher-child.js', part))
  for (const child of children) t.is(await child.message(), 'ready')
  for (const child of children) child.process.send('go')
  return children
}

test.serial('many publishers into one subscriber do not hold up the messages of two others', async (t) => {
  const pings = 100
  const publishers = 8
  const byteLength = 112
  const path = socketIn(t)
  await startBrokerChild(t, { path })
  const even: EvenPart = {
    path,
    topic: 'flood',
    clients: 1,
    subscriptionsPerClient: 1,
    count: Number.MAX_SAFE_INTEGER,
  }
  t.is(await startProgram(t, './even-child.js', even).message(), 'ready')
  const [asker, answerer] = [await clientOf(t, path), await clientOf(t, path)]
  let pongs = 0
  await answerer.subscribe('ping', () => answerer.publish('pong', 'pong')).ready
  await asker.subscribe('pong', () => {
    pongs += 1
    if (pongs < pings) asker.publish('ping', 'ping')
  }).ready

  const flood = { path, topics: ['flood'], byteLengths: [byteLength], connections: publishers / 2 }
  await startPublishers(t, { ...flood, publisher: 0 }, { ...flood, publisher: publishers / 2 })
  await eventually(async () => (await routed(asker)) > 50_000)
  const before = await routed(asker)
  asker.publish('ping', 'ping')
  await eventually(async () => pongs === pings)
  const during = (await routed(asker)) - before
  await eventually(async () => (await routed(asker)) > before + during + 50_000)

  // A ping and its pong pass the broker once each, and each waits there for no more than the round that goes on and the next one.
  const roundMessages = (publishers * READ_BYTES) / (HEADER_BYTES + byteLength)
  t.log(
    `${during} messages of the flood were routed meanwhile, ${Math.round(during / pings / 2)} for each of ours`,
  )
  t.true(during < pings * 2 * 2 * roundMessages, `${during} messages of the flood were routed meanwhile`)
})

/** What is on its way to one subscription at most, and granted to it at a time. */
const WINDOW_BYTES = MIB
const GRANT_BYTES = WINDOW_BYTES / 2

/** What a lane may send before the next one has its turn. */
const TURN_BYTES = 16 * KIB

/** What may wait for one subscription, and what may come beyond that while its publisher is being paused. */
const BACKLOG_BYTES = MIB
const SLACK_BYTES = MIB

/** Has one publisher feed 64 subscriptions until the first of them has `count` messages; returns how far the last one is behind. */
async function feed(t: ExecutionContext, part: Omit<EvenPart, 'path' | 'topic'>): Promise<number> {
  const path = socketIn(t)
  await startBrokerChild(t, { path, backlogBytesMax: BACKLOG_BYTES, pauseSlackBytes: SLACK_BYTES })
  const subscribers = startProgram<EvenPart>(t, './even-child.js', { ...part, path, topic: 'news' })
  t.is(await subscribers.message(), 'ready')
  const messages = { path, topics: ['news'], byteLengths: [KIB - HEADER_BYTES] }
  await startPublishers(t, { ...messages, publisher: 0 })
  const received = await subscribers.message<number[]>()
  return Math.max(...received) - Math.min(...received)
}

test.serial('64 clients that subscribe to one topic are served evenly', async (t) => {
  const behind = await feed(t, { clients: 64, subscriptionsPerClient: 1, count: 12_000 })
  const messagesMax = (BACKLOG_BYTES + SLACK_BYTES + WINDOW_BYTES) / KIB
  t.true(
    behind <= messagesMax,
    `the last one is ${behind} messages behind, ${messagesMax} is what may wait for it`,
  )
})

test.serial('64 subscriptions of one client to one topic are served evenly', async (t) => {
  const behind = await feed(t, { clients: 1, subscriptionsPerClient: 64, count: 4_000 })
  const messagesMax = (GRANT_BYTES + TURN_BYTES) / KIB
  t.true(
    behind <= messagesMax,
    `the last one is ${behind} messages behind, ${messagesMax} may be granted at a time`,
  )
})
