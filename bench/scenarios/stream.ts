import { Child } from '../child.js'
import { flowFor } from '../flow.js'
import type { Peer, Server } from '../peers/index.js'
import { isProcessorTimeKnown, ProcessorWatch } from '../processor-time.js'
import type { PublisherCommands } from '../workers/publisher.js'
import type { Received, ReceiveOrder, SubscriberCommands } from '../workers/subscriber.js'
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

/** More is not worth the time. */
const WARMUP_FACTOR_MAX = 4

export interface StreamShape {
  /** Of the smallest payloads that the stream is to carry. */
  readonly payloadBytesMin: number
  /** Default 1; with several, subscribers have a wildcard. */
  readonly topicCount?: number
  /** Mixed at random, where a system has priorities. Default 1. */
  readonly priorities?: number
  /** Processes, all of which publish to all topics. Default 1. */
  readonly publishers?: number
  /** Processes. Default 1. */
  readonly subscribers?: number
}

export const STREAM_PROCESSES = ['publisher', 'server', 'subscriber'] as const

type ProcessKind = (typeof STREAM_PROCESSES)[number]

export interface StreamResult {
  /** Deliveries a second, from the first publish to the last handler. */
  readonly perSecond: number
  readonly deliveries: number
  /** Of all processes of a kind together; undefined where the system does not keep account of it. */
  readonly processorNs: Readonly<Record<ProcessKind, number>> | undefined
}

const SHAPE_DEFAULTS = { topicCount: 1, priorities: 1, publishers: 1, subscribers: 1 }

interface Published {
  readonly sent: number
}

interface Streamed extends Published {
  readonly deliveries: number
  readonly arrivals: readonly Received[]
}

/** The publisher and subscriber processes of one server. */
export class Stream {
  readonly #peer: Peer
  readonly #server: Server
  readonly #shape: Required<StreamShape>
  readonly #options: MeasureOptions
  readonly #topics: readonly string[]
  readonly #publishers: Child<PublisherCommands>[] = []
  readonly #subscribers: Child<SubscriberCommands>[] = []

  private constructor(peer: Peer, server: Server, shape: StreamShape, options: MeasureOptions) {
    this.#peer = peer
    this.#server = server
    this.#shape = { ...SHAPE_DEFAULTS, ...shape }
    this.#options = options
    this.#topics = Array.from({ length: this.#shape.topicCount }, (_, index) => `bench.stream.${index}`)
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
   * system to set up what the size needs, which is no part of the result.
   */
  async run(
    payloadBytes: number,
    durationMs = this.#options.durationMs,
    warmupMs = this.#options.warmupMs,
  ): Promise<StreamResult> {
    await this.warmUp(payloadBytes, warmupMs)
    const watch = this.#watchProcessors()
    const { deliveries, arrivals, startNs } = await this.#audited(() =>
      this.#publish(payloadBytes, durationMs),
    )
    const processorNs = watch?.spentNs()
    const endNs = Math.max(...arrivals.map((arrival) => arrival.endNs))
    return { perSecond: (deliveries * 1e9) / (endNs - startNs), deliveries, processorNs }
  }

  /** Publishes for a while, and for longer where many processes share the processors. */
  async warmUp(payloadBytes: number, durationMs = this.#options.warmupMs): Promise<void> {
    const processes = this.#publishers.length + this.#subscribers.length
    await this.#publish(payloadBytes, durationMs * Math.min(WARMUP_FACTOR_MAX, processes / 2))
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
    await Promise.all([...this.#publishers, ...this.#subscribers].map((child) => child.stop()))
  }

  async #publish(payloadBytes: number, durationMs: number) {
    const { priorities } = this.#shape
    const flow = flowFor(this.#peer.tuning, payloadBytes, this.#shape)
    const timeoutMs = durationMs + ARRIVAL_TIMEOUT_MS
    const order = { topics: this.#topics, priorities, payloadBytes, durationMs, flow }
    const { reportMessages } = flow
    const manner = { publishers: this.#publishers.length, reportMessages, timed: false }
    return await this.#receive(payloadBytes, manner, timeoutMs, async () => {
      const parts = await Promise.all(
        this.#publishers.map((child) => child.call('publish', order, timeoutMs)),
      )
      return {
        sent: parts.reduce((sum, part) => sum + part.sent, 0),
        startNs: Math.min(...parts.map((part) => part.startNs)),
      }
    })
  }

  #pace(payloadBytes: number, durationMs: number) {
    const timeoutMs = durationMs + ARRIVAL_TIMEOUT_MS
    const order = { topic: this.#topics[0]!, payloadBytes, durationMs }
    const manner = { publishers: 1, reportMessages: 1, timed: true }
    return this.#receive(payloadBytes, manner, timeoutMs, () =>
      this.#publishers[0]!.call('pace', order, timeoutMs),
    )
  }

  /** Has the subscribers take what is published; void if any of it is missing or damaged. */
  async #receive<Result extends Published>(
    payloadBytes: number,
    manner: Pick<ReceiveOrder, 'publishers' | 'reportMessages' | 'timed'>,
    timeoutMs: number,
    publish: () => Promise<Result>,
  ): Promise<Result & Streamed> {
    const { topicCount, priorities } = this.#shape
    const order = { sequencesPerPublisher: topicCount * priorities, payloadBytes, ...manner }
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

  /** The stream's setting up and tearing down are watched too; they take a millisecond or two. */
  #watchProcessors(): ProcessorWatch<ProcessKind> | undefined {
    if (!isProcessorTimeKnown) return undefined
    return new ProcessorWatch({
      publisher: this.#publishers.map((child) => child.pid),
      server: [this.#server.pid],
      subscriber: this.#subscribers.map((child) => child.pid),
    })
  }

  async #connect(): Promise<void> {
    const { topicCount, publishers, subscribers, payloadBytesMin } = this.#shape
    const order = { peer: this.#peer.name, address: this.#server.address, payloadBytesMin }
    const pattern = topicCount === 1 ? this.#topics[0]! : 'bench.stream.*'
    await this.#start(PUBLISHER, this.#publishers, publishers, (child, index) =>
      child.call('connect', { ...order, index, subscribers }, CONNECT_TIMEOUT_MS),
    )
    await this.#start(SUBSCRIBER, this.#subscribers, subscribers, (child, index) =>
      child.call('connect', { ...order, index, pattern }, CONNECT_TIMEOUT_MS),
    )
  }

  /** Starts processes, a few at a time. */
  async #start<Offered extends Record<keyof Offered, (argument: never) => unknown>>(
    script: URL,
    children: Child<Offered>[],
    count: number,
    connect: (child: Child<Offered>, index: number) => Promise<void>,
  ): Promise<void> {
    while (children.length < count) {
      const from = children.length
      const batch = Array.from(
        { length: Math.min(CONNECTS_AT_ONCE, count - from) },
        () => new Child<Offered>(script, this.#options),
      )
      children.push(...batch)
      await Promise.all(batch.map((child, place) => connect(child, from + place)))
    }
  }

  async #lost(error: unknown): Promise<never> {
    const states = await Promise.all(this.#subscribers.map((child) => child.call('state', null)))
    const arrived = states.map(({ received, faults }) => `${received} with ${faults} faults`)
    throw new Error(`The stream did not end: ${String(error)}; received: ${arrived.join(', ')}`)
  }
}
