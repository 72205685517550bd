import { Child } from '../child.js'
import type { Peer, Server } from '../peers/index.js'
import type { PublisherCommands } from '../workers/publisher.js'
import type { Received, SubscriberCommands } from '../workers/subscriber.js'
import { VoidSample } from './scenario.js'

const PUBLISHER = new URL('../workers/publisher.js', import.meta.url)
const SUBSCRIBER = new URL('../workers/subscriber.js', import.meta.url)

/** A stream this short lets every process compile what it runs often. */
const WARMUP_MS = 1000

/** After the publisher has ended, whatever has not come by then was lost. */
const ARRIVAL_TIMEOUT_MS = 20_000

export interface StreamShape {
  readonly payloadBytes: number
  readonly topicCount: number
  readonly subscribers: number
}

/** One publisher process and its subscriber processes, on one server. */
export class Stream {
  readonly #peer: Peer
  readonly #shape: StreamShape
  readonly #topics: readonly string[]
  readonly #publisher: Child<PublisherCommands>
  readonly #subscribers: readonly Child<SubscriberCommands>[]

  private constructor(peer: Peer, shape: StreamShape, profileFolder: string | undefined) {
    this.#peer = peer
    this.#shape = shape
    this.#topics = Array.from({ length: shape.topicCount }, (_, index) => `bench.stream.${index}`)
    this.#publisher = new Child(PUBLISHER, { profileFolder })
    this.#subscribers = Array.from(
      { length: shape.subscribers },
      () => new Child<SubscriberCommands>(SUBSCRIBER, { profileFolder }),
    )
  }

  /** Starts the processes and lets them warm up. */
  static async open(
    peer: Peer,
    server: Server,
    shape: StreamShape,
    profileFolder: string | undefined,
  ): Promise<Stream> {
    const stream = new Stream(peer, shape, profileFolder)
    try {
      await stream.#connect(server.address)
      await stream.run(WARMUP_MS)
    } catch (error) {
      await stream.close()
      throw error
    }
    return stream
  }

  /** Publishes for a while; returns deliveries a second, from the first publish to the last handler. */
  async run(durationMs: number): Promise<number> {
    const { payloadBytes, topicCount } = this.#shape
    const { tuning } = this.#peer
    const { reportMessages } = tuning
    await Promise.all(
      this.#subscribers.map((child) => child.call('expect', { topicCount, payloadBytes, reportMessages })),
    )
    const timeoutMs = durationMs + ARRIVAL_TIMEOUT_MS
    const receiving = Promise.all(this.#subscribers.map((child) => child.call('receive', null, timeoutMs)))
    const publishing = this.#publisher.call(
      'publish',
      { topics: this.#topics, payloadBytes, durationMs, tuning },
      timeoutMs,
    )
    const [published, arrivals] = await Promise.all([publishing, receiving]).catch((error) =>
      this.#lost(error),
    )
    for (const { faults } of arrivals) {
      if (faults > 0) throw new VoidSample(`${faults} messages were out of order or damaged`)
    }
    const endNs = Math.max(...arrivals.map((arrival: Received) => arrival.endNs))
    return (published.sent * arrivals.length * 1e9) / (endNs - published.startNs)
  }

  async close(): Promise<void> {
    await Promise.all([this.#publisher, ...this.#subscribers].map((child) => child.stop()))
  }

  async #connect(address: string): Promise<void> {
    const peer = this.#peer.name
    const { topicCount, subscribers } = this.#shape
    const pattern = topicCount === 1 ? this.#topics[0]! : 'bench.stream.*'
    await this.#publisher.call('connect', { peer, address, subscribers })
    await Promise.all(
      this.#subscribers.map((child, index) => child.call('connect', { peer, address, pattern, index })),
    )
  }

  async #lost(error: unknown): Promise<never> {
    const states = await Promise.all(this.#subscribers.map((child) => child.call('state', null)))
    const arrived = states.map(({ received, faults }) => `${received} with ${faults} faults`)
    throw new VoidSample(`The stream did not end: ${String(error)}; received: ${arrived.join(', ')}`)
  }
}
