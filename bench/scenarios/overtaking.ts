import { Child } from '../child.js'
import { nowNs } from '../clock.js'
import type { Peer, PeerName, Server } from '../peers/index.js'
import { percentile } from '../statistics.js'
import type { OvertakingPublisherCommands } from '../workers/overtaking-publisher.js'
import type { Overtaking, OvertakingSubscriberCommands } from '../workers/overtaking-subscriber.js'
import { type MeasureOptions, type Metric, type Sample, type Scenario, withServer } from './scenario.js'

const PUBLISHER = new URL('../workers/overtaking-publisher.js', import.meta.url)
const SUBSCRIBER = new URL('../workers/overtaking-subscriber.js', import.meta.url)

const PAYLOAD_BYTES = 128

const BULK_TOPIC = 'bench.overtaking.bulk'
const URGENT_TOPIC = 'bench.overtaking.urgent'

/** Enough for every process to compile what it runs often, and for windows to grow. */
const WARMUP_COUNT = 20_000

/** Urgent messages while a backlog lasts: their p99 is then one of several. */
const URGENT_COUNT = 400

/** They end before the backlog does, since handlers take at least as long as they are busy. */
const BACKLOG_SHARE = 0.8

/** What else handlers take, and a machine that is busy with something else. */
const TIMEOUT_FACTOR = 4
const TIMEOUT_BESIDE_MS = 60_000

interface Shape {
  /** How long a handler is busy, and which of them: every so many. */
  readonly busyUs: number
  readonly busyEvery: number
  /** A client of its own publishes what is urgent. */
  readonly otherPublisher?: true
  /** What is urgent has a topic, and a subscription, of its own. */
  readonly ownTopic?: true
}

/** The processes of one measurement. */
class Parties {
  readonly #shape: Shape
  readonly #subscriber: Child<OvertakingSubscriberCommands>
  readonly #publisher: Child<OvertakingPublisherCommands>
  readonly #urgentPublisher: Child<OvertakingPublisherCommands>

  constructor(shape: Shape, options: MeasureOptions) {
    this.#shape = shape
    this.#subscriber = new Child(SUBSCRIBER, options)
    this.#publisher = new Child(PUBLISHER, options)
    this.#urgentPublisher = shape.otherPublisher ? new Child(PUBLISHER, options) : this.#publisher
  }

  async connect(peer: Peer, server: Server): Promise<void> {
    const order = { peer: peer.name, address: server.address, payloadBytesMin: PAYLOAD_BYTES }
    const topics = this.#shape.ownTopic ? [BULK_TOPIC, URGENT_TOPIC] : [BULK_TOPIC]
    await this.#subscriber.call('connect', { ...order, topics })
    for (const child of this.#publishers) await child.call('connect', order)
  }

  /** Builds a backlog, has it overtaken, and waits until all of it is handled. */
  async overtake(backlogCount: number, shape: Pick<Shape, 'busyUs' | 'busyEvery'>): Promise<Overtaking[]> {
    const busyMs = (backlogCount * shape.busyUs) / shape.busyEvery / 1000
    const timeoutMs = busyMs * TIMEOUT_FACTOR + TIMEOUT_BESIDE_MS
    const busy = { busyNs: shape.busyUs * 1000, busyEvery: shape.busyEvery }
    await this.#subscriber.call('expect', { payloadBytes: PAYLOAD_BYTES, backlogCount, ...busy })
    const receiving = this.#subscriber.call('receive', null, timeoutMs)
    const [received] = await Promise.all([receiving, this.#publish(backlogCount, busyMs, timeoutMs)]).catch(
      (error) => this.#lost(error),
    )
    const { faults, overtakings } = received
    if (faults > 0) throw new Error(`${faults} messages were out of order or damaged`)
    return overtakings
  }

  async close(): Promise<void> {
    await Promise.all([this.#subscriber, ...this.#publishers].map((child) => child.kill()))
  }

  get #publishers(): ReadonlySet<Child<OvertakingPublisherCommands>> {
    return new Set([this.#publisher, this.#urgentPublisher])
  }

  async #publish(backlogCount: number, busyMs: number, timeoutMs: number): Promise<void> {
    const untilNs = nowNs() + busyMs * BACKLOG_SHARE * 1e6
    const order = { payloadBytes: PAYLOAD_BYTES, backlogCount }
    await this.#publisher.call('backlog', { ...order, topic: BULK_TOPIC, count: backlogCount }, timeoutMs)
    const topic = this.#shape.ownTopic ? URGENT_TOPIC : BULK_TOPIC
    const intervalMs = busyMs / URGENT_COUNT
    await this.#urgentPublisher.call('urgent', { ...order, topic, untilNs, intervalMs }, timeoutMs)
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

async function measure(peer: Peer, shape: Shape, options: MeasureOptions): Promise<Sample> {
  return await withServer(peer, { ...options, holding: 'everything' }, async (server) => {
    const parties = new Parties(shape, options)
    try {
      await parties.connect(peer, server)
      await parties.overtake(WARMUP_COUNT, { busyUs: 1, busyEvery: 1 })
      const overtakings = await parties.overtake(options.backlogCount, shape)
      return [
        ...summary(overtakings.map(({ handledBefore }) => handledBefore)),
        ...summary(overtakings.map(({ waitedNs }) => waitedNs / 1e6)),
        overtakings[0]!.backlogLeft,
      ]
    } finally {
      await parties.close()
    }
  })
}

const METRICS: readonly Metric[] = [
  ...['p50', 'p99', 'max'].map((name) => ({
    name: `handled before, ${name}`,
    unit: 'messages' as const,
    better: 'lower' as const,
  })),
  ...['p50', 'p99', 'max'].map((name) => ({
    name: `to its handler, ${name}`,
    unit: 'ms' as const,
    better: 'lower' as const,
  })),
  { name: 'backlog at the first', unit: 'messages', better: 'higher' },
]

const ALL_PEERS: readonly PeerName[] = ['ringbus', 'nats', 'redis', 'mosquitto', 'zeromq']

function overtaking(
  name: string,
  title: string,
  shape: Shape,
  { isLong, peers = ALL_PEERS }: { isLong?: true; peers?: readonly PeerName[] } = {},
): Scenario {
  return {
    name: `overtaking-${name}`,
    title: `128 B, urgent messages into a backlog; ${title}`,
    metrics: METRICS,
    peers,
    references: ['nats', 'best'],
    samplesMax: 3,
    ...(isLong ? { isLong } : {}),
    measure: (peer, options) => measure(peer, shape, options),
  }
}

export const overtakingScenarios: readonly Scenario[] = [
  overtaking('20us', 'handlers of 20 µs', { busyUs: 20, busyEvery: 1 }),
  overtaking('200us', 'handlers of 200 µs', { busyUs: 200, busyEvery: 1 }, { isLong: true }),
  overtaking('own-topic', 'handlers of 20 µs, a subscription of its own for them', {
    busyUs: 20,
    busyEvery: 1,
    ownTopic: true,
  }),
  overtaking('other-publisher', 'handlers of 20 µs, another client publishes them', {
    busyUs: 20,
    busyEvery: 1,
    otherPublisher: true,
  }),
  overtaking('busy-50ms', 'a subscriber that reads nothing for 50 ms at a time', {
    busyUs: 50_000,
    busyEvery: 1000,
  }),
]
