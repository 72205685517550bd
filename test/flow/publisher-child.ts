import './with-parent.js'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { connect, type RingbusClient } from '../../client/index.js'
import { QUICK } from '../client/fixtures.js'
import { unlessDisconnected } from '../deaths/bystanders.js'
import { createRandom } from '../deaths/random.js'
import { payloadOf, type SeriesCounts, seriesName } from './series.js'

/*
 * Publishes numbered messages at full speed, waiting where `publish` asks it to. Begins when its parent sends it a part;
 * says 'ready', begins at 'go', and tells how many messages there are of each series once it has published `count`, or
 * is told 'stop', and everything is routed. Answers 'progress' with how many those are so far.
 */
export interface PublisherPart {
  readonly path: string
  /** Its number; with several connections, those that follow it as well. */
  readonly publisher: number
  /** Default 1: each publishes all of it. */
  readonly connections?: number
  readonly topics: readonly string[]
  /** Each message has one of these, by chance. Default 0. */
  readonly priorities?: readonly number[]
  /** Each message has one of these, by chance. */
  readonly byteLengths: readonly number[]
  /** Undefined: until it is told to stop. */
  readonly count?: number
  readonly seed?: number
  /** Default false. */
  readonly reconnect?: boolean
}

/** Messages after which it has a look at what its parent says. */
const LOOK_INTERVAL = 256

const published: SeriesCounts = {}
let progress = 0
let isStopped = false

async function publish(bus: RingbusClient, publisher: number, part: PublisherPart): Promise<void> {
  const { topics, byteLengths, priorities = [0], count = Number.POSITIVE_INFINITY, seed = 0 } = part
  const random = createRandom(seed + publisher)
  const choose = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)]!
  for (let message = 0; message < count && !isStopped; message++) {
    const topic = choose(topics)
    const priority = choose(priorities)
    const name = seriesName(publisher, topic, priority)
    const number = (published[name] ?? 0) + 1
    const isWelcome = bus.publish(topic, payloadOf(publisher, number, choose(byteLengths)), { priority })
    published[name] = number
    progress += 1
    if (!isWelcome) await bus.ready(topic)
    if (message % LOOK_INTERVAL === 0) await nextTurn()
  }
  // One flush tells of a connection that was lost.
  await bus.flush().catch(unlessDisconnected)
  await bus.flush()
}

process.once('message', async (part: PublisherPart) => {
  const { path, publisher, connections = 1, reconnect = false } = part
  const numbers = Array.from({ length: connections }, (_, index) => publisher + index)
  const clients = await Promise.all(
    numbers.map((number) => connect({ path, name: `publisher ${number}`, reconnect: reconnect && QUICK })),
  )
  const begin = async () => {
    await Promise.all(clients.map((bus, index) => publish(bus, numbers[index]!, part)))
    process.send!(published)
  }
  process.on('message', (order: 'go' | 'stop' | 'progress') => {
    if (order === 'progress') process.send!(progress)
    else if (order === 'stop') isStopped = true
    else void begin()
  })
  process.send!('ready')
})
