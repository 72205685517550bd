import { Child } from '../child.js'
import { flowFor } from '../flow.js'
import type { Peer, Server } from '../peers/index.js'
import type { PublisherCommands } from '../workers/publisher.js'
import type { Received, SubscriberCommands } from '../workers/subscriber.js'
import { audited } from './delivery-audit.js'
import type { MeasureOptions } from './scenario.js'

const PUBLISHER = new URL('../workers/publisher.js', import.meta.url)
const SUBSCRIBER = new URL('../workers/subscriber.js', import.meta.url)

/** After the publisher has ended, whatever has not come by then was lost. */
const ARRIVAL_TIMEOUT_MS = 60_000

/** Many processes take a while to start on few processors. */
const CONNECT_TIMEOUT_MS = 120_000

/** Processes started at a time: all at once, the last ones would wait for longer than their handshake may take. */
const CONNECTS_AT_ONCE = 8

export interface StreamShape {
  /** Of the smallest payloads that the stream is to carry. */
  readonly payloadBytesMin: number
  readonly topicCount: number
  readonly subscribers: number
}

interface Streamed {
  readonly sent: number
  readonly deliveries: number
  readonly arrivals: readonly Received[]
}

/** One publisher process and its subscriber processes, on one server. */
export class Stream {
  readonly #peer: Peer
  readonly #server: Server
  readonly #shape: StreamShape
  readonly #options: MeasureOptions
  readonly #topics: readonly string[]
  readonly #publisher: Child<PublisherCommands>
  readonly #subscribers: Child<SubscriberCommands>[] = []

  private constructor(peer: Peer, server: Server, shape: StreamShape, options: MeasureOptions) {
    this.#peer = peer
    this.#server = server
    this.#shape = shape
    this.#options = options
    this.#topics = Array.from({ length: shape.topicCount }, (_, index) => `bench.stream.${index}`)
    this.#publisher = new Child(PUBLISHER, options)
  }

  /** Starts the processes. */
  static async open(
    peer: Peer,
    server: Server,
    shape: StreamShape,
    options: MeasureOptions,
  ): Promise<Stream> {
    const stream = new Stream(peer, server, shape, options)
    try {
      await stream.#connect()
    } catch (error) {
      await stream.close()
      throw error
    }
    return stream
  }

  /**
   * Publishes for a while, after a warm-up: long enough for every process to compile what it runs often, and for a
   * system to set up what the size needs. Returns deliveries a second, from the first publish to the last handler.
   */
  async run(
    payloadBytes: number,
    durationMs = this.#options.durationMs,
    warmupMs = this.#options.warmupMs,
  ): Promise<number> {
    await this.#publish(payloadBytes, warmupMs)
    const { deliveries, arrivals, startNs } = await this.#audited(() =>
      this.#publish(payloadBytes, durationMs),
    )
    const endNs = Math.max(...arrivals.map((arrival) => arrival.endNs))
    return (deliveries * 1e9) / (endNs - startNs)
  }

  /**
   * Publishes one payload at a time for a while, after a warm-up of the same kind. Returns for each how long it took
   * to the handler of the last subscriber, in nanoseconds.
   */
  async pace(
    payloadBytes: number,
    durationMs = this.#options.seriesMs,
    warmupMs = this.#options.warmupMs,
  ): Promise<number[]> {
    await this.#pace(payloadBytes, warmupMs)
    const { arrivals, sentNs } = await this.#audited(() => this.#pace(payloadBytes, durationMs))
    return sentNs.map((sent, index) => Math.max(...arrivals.map(({ arrivedNs }) => arrivedNs[index]! - sent)))
  }

  async close(): Promise<void> {
    await Promise.all([this.#publisher, ...this.#subscribers].map((child) => child.stop()))
  }

  #publish(payloadBytes: number, durationMs: number) {
    const flow = flowFor(this.#peer.tuning, payloadBytes, this.#shape.subscribers)
    const timeoutMs = durationMs + ARRIVAL_TIMEOUT_MS
    const order = { topics: this.#topics, payloadBytes, durationMs, flow }
    return this.#receive(payloadBytes, { reportMessages: flow.reportMessages, timed: false }, timeoutMs, () =>
      this.#publisher.call('publish', order, timeoutMs),
    )
  }

  #pace(payloadBytes: number, durationMs: number) {
    const timeoutMs = durationMs + ARRIVAL_TIMEOUT_MS
    const order = { topic: this.#topics[0]!, payloadBytes, durationMs }
    return this.#receive(payloadBytes, { reportMessages: 1, timed: true }, timeoutMs, () =>
      this.#publisher.call('pace', order, timeoutMs),
    )
  }

  /** Has the subscribers take what is published; void if any of it is missing or damaged. */
  async #receive<Published extends { sent: number }>(
    payloadBytes: number,
    manner: { reportMessages: number; timed: boolean },
    timeoutMs: number,
    publish: () => Promise<Published>,
  ): Promise<Published & Streamed> {
    const order = { topicCount: this.#shape.topicCount, payloadBytes, ...manner }
    await Promise.all(this.#subscribers.map((child) => child.call('expect', order)))
    const receiving = Promise.all(this.#subscribers.map((child) => child.call('receive', null, timeoutMs)))
    const [published, arrivals] = await Promise.all([publish(), receiving]).catch((error) =>
      this.#lost(error),
    )
    for (const { faults } of arrivals) {
      if (faults > 0) throw new Error(`${faults} messages were out of order or damaged`)
    }
    return { ...published, deliveries: published.sent * arrivals.length, arrivals }
  }

  #audited<Result extends Streamed>(measure: () => Promise<Result>): Promise<Result> {
    return audited(this.#peer, this.#server, measure, ({ deliveries }) => deliveries)
  }

  async #connect(): Promise<void> {
    const peer = this.#peer.name
    const { address } = this.#server
    const { topicCount, subscribers, payloadBytesMin } = this.#shape
    const pattern = topicCount === 1 ? this.#topics[0]! : 'bench.stream.*'
    await this.#publisher.call('connect', { peer, address, subscribers, payloadBytesMin })
    while (this.#subscribers.length < subscribers) {
      const from = this.#subscribers.length
      const batch = Array.from(
        { length: Math.min(CONNECTS_AT_ONCE, subscribers - from) },
        () => new Child<SubscriberCommands>(SUBSCRIBER, this.#options),
      )
      this.#subscribers.push(...batch)
      await Promise.all(
        batch.map((child, place) =>
          child.call(
            'connect',
            { peer, address, pattern, index: from + place, payloadBytesMin },
            CONNECT_TIMEOUT_MS,
          ),
        ),
      )
    }
  }

  async #lost(error: unknown): Promise<never> {
    const states = await Promise.all(this.#subscribers.map((child) => child.call('state', null)))
    const arrived = states.map(({ received, faults }) => `${received} with ${faults} faults`)
    throw new Error(`The stream did not end: ${String(error)}; received: ${arrived.join(', ')}`)
  }
}
