import { setTimeout as pause } from 'node:timers/promises'
import { Child } from '../child.js'
import { nowNs } from '../clock.js'
import { Histogram } from '../histogram.js'
import type { Holding, Peer, PeerName, Server } from '../peers/index.js'
import { percentile } from '../statistics.js'
import type { OvertakingPublisherCommands, Pace } from '../workers/overtaking-publisher.js'
import type { Handling, Overtaking, OvertakingSubscriberCommands } from '../workers/overtaking-subscriber.js'
import {
  type MeasureOptions,
  type Metric,
  type RecordedSample,
  type Scenario,
  withServer,
} from './scenario.js'

const PUBLISHER = new URL('../workers/overtaking-publisher.js', import.meta.url)
const SUBSCRIBER = new URL('../workers/overtaking-subscriber.js', import.meta.url)

const PAYLOAD_BYTES = 128

const URGENT_TOPIC = 'bench.overtaking.urgent'

/** Enough for every process to compile what it runs often, and for windows to grow. */
const WARMUP_COUNT = 20_000
const WARMUP_HANDLING: Handling = { busyUs: 1 }

/** Urgent messages while a backlog lasts: their p99 is then one of several. */
const URGENT_COUNT = 400

/** They end before the backlog does, since handlers take at least as long as they are busy. */
const BACKLOG_SHARE = 0.8

/** Of a small backlog: more than a socket holds, and less than the windows of so many subscriptions together. */
const ROUND_COUNT = 20_000
const ROUND_TOPICS = 16

/** Longer than it takes to publish all of that. */
const ROUND_STALL_MS = 50

/** After it there is one urgent message, soon. */
const ROUND_INTERVAL_MS = 1

/** Of the messages of a large backlog, what one small one stands for. */
const MESSAGES_PER_ROUND = 2000

/** By then a publisher has published more than a server holds as it is shipped. */
const FILLED_AFTER_MS = 300

/** What else handlers take, and a machine that is busy with something else. */
const TIMEOUT_FACTOR = 4
const TIMEOUT_BESIDE_MS = 60_000

interface Shape {
  readonly handling: Handling
  /** Topics of the backlog, each with a subscription of its own. Default 1. */
  readonly bulkTopicCount?: number
  /** What is urgent has a topic, and a subscription, of its own. Default: it goes to the topic of the backlog. */
  readonly ownTopic?: true
  /** A client of its own publishes what is urgent. */
  readonly otherPublisher?: true
  /** Small backlogs one after another, each with one urgent message. Default: a large one, with many. */
  readonly inRounds?: true
  /**
   * Default: the server holds all of the backlog, and what is urgent is published once it does. As it is shipped, it
   * may hold up the publisher, which then has part of the backlog.
   */
  readonly holding?: Holding
}

/** The processes of one measurement. */
class Parties {
  readonly #bulkTopics: readonly string[]
  readonly #urgentTopic: string
  readonly #holding: Holding
  readonly #subscriber: Child<OvertakingSubscriberCommands>
  readonly #publisher: Child<OvertakingPublisherCommands>
  readonly #urgentPublisher: Child<OvertakingPublisherCommands>

  constructor(shape: Shape, options: MeasureOptions) {
    const { bulkTopicCount = 1, ownTopic, otherPublisher, holding = 'everything' } = shape
    this.#holding = holding
    this.#bulkTopics = Array.from({ length: bulkTopicCount }, (_, index) => `bench.overtaking.${index}`)
    this.#urgentTopic = ownTopic ? URGENT_TOPIC : this.#bulkTopics[0]!
    this.#subscriber = new Child(SUBSCRIBER, options)
    this.#publisher = new Child(PUBLISHER, options)
    this.#urgentPublisher = otherPublisher ? new Child(PUBLISHER, options) : this.#publisher
  }

  async connect(peer: Peer, server: Server): Promise<void> {
    const order = { peer: peer.name, address: server.address, payloadBytesMin: PAYLOAD_BYTES }
    const topics = new Set([...this.#bulkTopics, this.#urgentTopic])
    await this.#subscriber.call('connect', { ...order, topics: [...topics] })
    for (const child of this.#publishers) await child.call('connect', order)
  }

  /** Builds a backlog, has it overtaken by many messages while it lasts, and waits until all are handled. */
  overtake(backlogCount: number, handling: Handling): Promise<Overtaking[]> {
    const busyMs = (backlogCount * handling.busyUs) / 1000
    const untilNs = nowNs() + busyMs * BACKLOG_SHARE * 1e6
    const pace = { untilNs, intervalMs: busyMs / URGENT_COUNT }
    return this.#overtake(backlogCount, handling, pace, busyMs * TIMEOUT_FACTOR + TIMEOUT_BESIDE_MS)
  }

  /** The same with small backlogs, one after another, and one message each. */
  async overtakeInRounds(rounds: number, handling: Handling): Promise<Overtaking[]> {
    const pace = { untilNs: 0, intervalMs: ROUND_INTERVAL_MS }
    const overtakings: Overtaking[] = []
    for (let round = 0; round < rounds; round++) {
      overtakings.push(...(await this.#overtake(ROUND_COUNT, handling, pace, TIMEOUT_BESIDE_MS)))
    }
    return overtakings
  }

  async close(): Promise<void> {
    await Promise.all([this.#subscriber, ...this.#publishers].map((child) => child.kill()))
  }

  get #publishers(): ReadonlySet<Child<OvertakingPublisherCommands>> {
    return new Set([this.#publisher, this.#urgentPublisher])
  }

  async #overtake(backlogCount: number, handling: Handling, pace: Pace, timeoutMs: number) {
    const bulkTopicCount = this.#bulkTopics.length
    const expectation = { payloadBytes: PAYLOAD_BYTES, backlogCount, bulkTopicCount, handling }
    await this.#subscriber.call('expect', expectation)
    const [received] = await Promise.all([
      this.#subscriber.call('receive', null, timeoutMs),
      this.#publish(backlogCount, pace, timeoutMs),
    ]).catch((error) => this.#lost(error))
    const { faults, overtakings } = received
    if (faults > 0) throw new Error(`${faults} messages were out of order or damaged`)
    return overtakings
  }

  async #publish(backlogCount: number, pace: Pace, timeoutMs: number): Promise<void> {
    const payloadBytes = PAYLOAD_BYTES
    const backlog = { topics: this.#bulkTopics, payloadBytes, count: backlogCount }
    const publishing = this.#publisher.call('backlog', backlog, timeoutMs)
    await (this.#holding === 'everything' ? publishing : pause(FILLED_AFTER_MS))
    const topicIndex = this.#bulkTopics.length
    const urgent = { topic: this.#urgentTopic, topicIndex, payloadBytes, backlogCount, pace }
    await Promise.all([publishing, this.#urgentPublisher.call('urgent', urgent, timeoutMs)])
  }

  async #lost(error: unknown): Promise<never> {
    const { received, faults } = await this.#subscriber.call('state', null)
    throw new Error(`The backlog did not end: ${error}; received: ${received} with ${faults} faults`)
  }
}

function summary(values: readonly number[]): number[] {
  const sorted = Float64Array.from(values).sort()
  return [percentile(sorted, 0.5), percentile(sorted, 0.99), sorted.at(-1)!]
}

async function measure(peer: Peer, shape: Shape, options: MeasureOptions): Promise<RecordedSample> {
  return await withServer(peer, { ...options, holding: shape.holding ?? 'everything' }, async (server) => {
    const parties = new Parties(shape, options)
    try {
      await parties.connect(peer, server)
      await parties.overtake(WARMUP_COUNT, WARMUP_HANDLING)
      const overtakings = await (shape.inRounds
        ? parties.overtakeInRounds(options.backlogCount / MESSAGES_PER_ROUND, shape.handling)
        : parties.overtake(options.backlogCount, shape.handling))
      const waits = Histogram.of(overtakings.map(({ waitedNs }) => waitedNs))
      return {
        values: [
          ...summary(overtakings.map(({ handledBefore }) => handledBefore)),
          ...[waits.percentileNs(0.5), waits.percentileNs(0.99), waits.maxNs].map((waitNs) => waitNs / 1e6),
          overtakings[0]!.backlogLeft,
        ],
        histograms: { 'to its handler': waits.encode() },
      }
    } finally {
      await parties.close()
    }
  })
}

const lower = (name: string, unit: Metric['unit']): Metric => ({ name, unit, better: 'lower' })

const METRICS: readonly Metric[] = [
  ...['p50', 'p99', 'max'].map((name) => lower(`handled before, ${name}`, 'messages')),
  ...['p50', 'p99', 'max'].map((name) => lower(`to its handler, ${name}`, 'ms')),
  { name: 'backlog at the first', unit: 'messages', better: 'higher' },
]

const PEERS: readonly PeerName[] = ['ringbus', 'nats', 'redis', 'mosquitto', 'zeromq']

const VARIANT_PEERS: readonly PeerName[] = ['ringbus', 'nats', 'redis']

function overtaking(
  name: string,
  title: string,
  shape: Shape,
  others: Pick<Scenario, 'isLong' | 'peers'>,
): Scenario {
  return {
    name: `overtaking-${name}`,
    title: `128 B, urgent messages into a backlog: ${title}`,
    metrics: METRICS,
    references: ['nats', 'best'],
    samplesMax: 3,
    ...others,
    measure: (peer, options) => measure(peer, shape, options),
  }
}

const variant = (name: string, title: string, shape: Shape) =>
  overtaking(name, title, shape, { peers: VARIANT_PEERS, isLong: true })

const HANDLING: Handling = { busyUs: 20 }

export const overtakingScenarios: readonly Scenario[] = [
  overtaking('20us', 'handlers of 20 µs', { handling: HANDLING }, { peers: PEERS }),
  variant('200us', 'handlers of 200 µs', { handling: { busyUs: 200 } }),
  variant('own-topic', 'handlers of 20 µs, and a subscription of their own', {
    handling: HANDLING,
    ownTopic: true,
  }),
  variant('other-publisher', 'handlers of 20 µs, and another client that publishes them', {
    handling: HANDLING,
    otherPublisher: true,
  }),
  variant('paused', 'handlers of 20 µs, and servers as they are shipped', {
    handling: HANDLING,
    holding: 'shipped',
  }),
  variant('full-socket', 'handlers of 20 µs, after a subscriber that has read nothing for 50 ms', {
    handling: { ...HANDLING, stallMs: ROUND_STALL_MS },
    bulkTopicCount: ROUND_TOPICS,
    ownTopic: true,
    inRounds: true,
  }),
]
