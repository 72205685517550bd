import { readFileSync } from 'node:fs'
import { Child } from '../child.js'
import type { Peer } from '../peers/index.js'
import { type RingbusServer, startRingbusBroker } from '../peers/ringbus-broker.js'
import { isProcessorTimeKnown, ProcessorWatch } from '../processor-time.js'
import { MIB } from '../sizes.js'
import { median } from '../statistics.js'
import type { BareClientsCommands } from '../workers/bare-clients.js'
import type { WidePublisherCommands } from '../workers/wide-publisher.js'
import { closing, type MeasureOptions, type Metric, type Sample, type Scenario } from './scenario.js'
import { Stream } from './stream.js'

const BARE_CLIENTS = new URL('../workers/bare-clients.js', import.meta.url)
const WIDE_PUBLISHER = new URL('../workers/wide-publisher.js', import.meta.url)

/** Clients before the first figure: what the broker sets up once is not what one more client costs. */
const CLIENTS_BEFORE = 100
const CLIENTS = 10_000

/** Each topic has so many subscribers, and each client so many subscriptions. */
const SUBSCRIBERS_PER_TOPIC = 10
const SUBSCRIPTIONS_PER_CLIENT = 100
const SUBSCRIPTIONS = CLIENTS * SUBSCRIPTIONS_PER_CLIENT
const TOPICS = SUBSCRIPTIONS / SUBSCRIBERS_PER_TOPIC
const TOPICS_PER_CLIENT = TOPICS / CLIENTS

/** Processes that hold the clients: each has descriptors for its share. */
const HOLDERS = 4

/** Descriptors that the broker's process needs for itself. */
const DESCRIPTORS_BESIDE = 256

const PAYLOAD_BYTES = 128

/** To each topic one message: once when no route is known yet, then again. */
const PUBLISHED_AGAIN = 3

/** Streams to an unrelated topic before and after; the medians count. */
const STREAMS = 3

/** Thousands of connections and a million subscriptions take a while on a busy machine. */
const TIMEOUT_MS = 300_000

/** Node raises its own soft limit to the hard one, so the hard one counts. */
function descriptorsMax(): number {
  const limit = /^Max open files +\S+ +(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit)
}

const topicName = (index: number) => `scale.devices.${index}.state`

/**
 * The topics of a client, so many for each round: the first round has every topic once, and so has each further one,
 * with other clients.
 */
function topicsOf(client: number, fromRound: number, toRound: number): string[] {
  return Array.from({ length: toRound - fromRound }, (_, place) => {
    const owner = (client + ((fromRound + place) * CLIENTS) / SUBSCRIBERS_PER_TOPIC) % CLIENTS
    return Array.from({ length: TOPICS_PER_CLIENT }, (_, topic) =>
      topicName(owner * TOPICS_PER_CLIENT + topic),
    )
  }).flat()
}

/** The processes that hold the clients, to which these are dealt out evenly. */
class Crowd {
  readonly #server: RingbusServer
  readonly #holders = Array.from({ length: HOLDERS }, () => new Child<BareClientsCommands>(BARE_CLIENTS))

  constructor(server: RingbusServer) {
    this.#server = server
  }

  async open(count: number): Promise<void> {
    const order = { path: this.#server.address, count: count / HOLDERS }
    await Promise.all(this.#holders.map((holder) => holder.call('open', order, TIMEOUT_MS)))
  }

  async subscribe(fromRound: number, toRound: number): Promise<void> {
    const share = CLIENTS / HOLDERS
    await Promise.all(
      this.#holders.map((holder, index) => {
        const topics = Array.from({ length: share }, (_, place) =>
          topicsOf(index * share + place, fromRound, toRound),
        )
        return holder.call('subscribe', { topics }, TIMEOUT_MS)
      }),
    )
  }

  /** Resolves once so many messages have come to all of the clients together, evenly. */
  async receive(count: number): Promise<void> {
    const order = { count: count / HOLDERS }
    await Promise.all(this.#holders.map((holder) => holder.call('receive', order, TIMEOUT_MS)))
  }

  async close(): Promise<void> {
    await Promise.all(this.#holders.map((holder) => holder.kill()))
  }
}

/** Publishes to all topics, and what each message costs the broker, its deliveries included. */
class WidePublisher {
  readonly #server: RingbusServer
  readonly #crowd: Crowd
  readonly #child = new Child<WidePublisherCommands>(WIDE_PUBLISHER)
  readonly #topics = Array.from({ length: TOPICS }, (_, index) => topicName(index))
  #deliveries = 0

  constructor(server: RingbusServer, crowd: Crowd) {
    this.#server = server
    this.#crowd = crowd
  }

  async connect(peer: Peer): Promise<void> {
    const order = { peer: peer.name, address: this.#server.address, payloadBytesMin: PAYLOAD_BYTES }
    await this.#child.call('connect', order)
  }

  async costNs(): Promise<number> {
    const watch = new ProcessorWatch({ server: [this.#server.pid] })
    this.#deliveries += SUBSCRIPTIONS
    await Promise.all([
      this.#crowd.receive(this.#deliveries),
      this.#child.call('publish', { topics: this.#topics, payloadBytes: PAYLOAD_BYTES }, TIMEOUT_MS),
    ])
    return watch.spentNs().server / TOPICS
  }

  async close(): Promise<void> {
    await this.#child.kill()
  }
}

/** What a message of a stream costs the broker. */
async function unrelatedCostNs(stream: Stream): Promise<number> {
  const costsNs: number[] = []
  for (let run = 0; run < STREAMS; run++) {
    const { processorNs, deliveries } = await stream.run(PAYLOAD_BYTES)
    costsNs.push(processorNs!.server / deliveries)
  }
  return median(costsNs)
}

async function measureScale(
  server: RingbusServer,
  stream: Stream,
  crowd: Crowd,
  wide: WidePublisher,
): Promise<Sample> {
  const residentBytes = () => server.broker.call('residentBytes', null, TIMEOUT_MS)
  const aloneNs = await unrelatedCostNs(stream)
  await crowd.open(CLIENTS_BEFORE)
  const emptyBytes = await residentBytes()
  await crowd.open(CLIENTS - CLIENTS_BEFORE)
  const connectedBytes = await residentBytes()
  await crowd.subscribe(0, 1)
  const topicBytes = await residentBytes()
  await crowd.subscribe(1, SUBSCRIBERS_PER_TOPIC)
  const subscribedBytes = await residentBytes()
  const firstNs = await wide.costNs()
  const againNs: number[] = []
  for (let round = 0; round < PUBLISHED_AGAIN; round++) againNs.push(await wide.costNs())
  const publishedBytes = await residentBytes()
  const besideNs = await unrelatedCostNs(stream)
  const perSubscription = (subscribedBytes - topicBytes) / (SUBSCRIPTIONS - TOPICS)
  return [
    (connectedBytes - emptyBytes) / (CLIENTS - CLIENTS_BEFORE),
    perSubscription,
    (topicBytes - connectedBytes) / TOPICS - perSubscription,
    (publishedBytes - subscribedBytes) / TOPICS,
    publishedBytes / MIB,
    firstNs,
    median(againNs),
    aloneNs,
    besideNs,
    besideNs / aloneNs,
  ]
}

async function measure(peer: Peer, options: MeasureOptions): Promise<Sample> {
  const server = await startRingbusBroker(options.profileFolder)
  const crowd = new Crowd(server)
  const wide = new WidePublisher(server, crowd)
  try {
    await wide.connect(peer)
    return await closing(Stream.open(peer, server, { payloadBytesMin: PAYLOAD_BYTES }, options), (stream) =>
      measureScale(server, stream, crowd, wide),
    )
  } finally {
    await Promise.all([wide.close(), crowd.close()])
    await server.stop()
  }
}

const lower = (name: string, unit: Metric['unit']): Metric => ({ name, unit, better: 'lower' })

export const scaleScenario: Scenario = {
  name: 'scale',
  title: `${CLIENTS} clients, ${TOPICS} topics, ${SUBSCRIPTIONS} subscriptions: the broker's memory and processor time`,
  metrics: [
    lower('per client', 'bytes'),
    lower('per subscription', 'bytes'),
    lower('per topic with a subscription', 'bytes'),
    lower('per topic that was published to', 'bytes'),
    lower('all', 'MiB'),
    lower(`published to ${SUBSCRIBERS_PER_TOPIC} of them, first`, 'ns/message'),
    lower(`published to ${SUBSCRIBERS_PER_TOPIC} of them, again`, 'ns/message'),
    lower('unrelated topic, without them', 'ns/message'),
    lower('unrelated topic, beside them', 'ns/message'),
    lower('beside / without', 'ratio'),
  ],
  peers: ['ringbus'],
  references: [],
  samplesMax: 3,
  isLong: true,

  obstacle() {
    if (!isProcessorTimeKnown) return 'the system keeps no account of processor time'
    const needed = CLIENTS + DESCRIPTORS_BESIDE
    return descriptorsMax() < needed
      ? `a process may open ${descriptorsMax()} files here, ${needed} are needed`
      : undefined
  },

  measure,
}
