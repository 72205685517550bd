import { makePayloads, StreamNumbering } from './payload.js'
import { type Connection, PAYLOADS_IN_TURN, PAYLOADS_REUSED } from './peers/index.js'
import { randomIndexes } from './random-indexes.js'

/** What one publisher publishes of a stream: its topics and priorities follow one another at random. */
export interface BurstOrder {
  readonly topics: readonly string[]
  /** From 0 on. With 1 all is published without one. */
  readonly priorities: number
  /** Each publisher of a stream has sequences of its own: one for each priority of each topic. */
  readonly publisherIndex: number
  readonly payloadBytes: number
  /** How many payloads must stay as they are after they were published, unless the system takes them at once. */
  readonly buffers: number
}

/** Where the messages of a sequence go. */
interface Route {
  readonly topic: string
  readonly priority: number
}

/** Messages after which the random choice repeats. */
const CHOICES = 4096

/** Publishes one stream. What it costs by itself is paid for each message of each system, so it is little. */
export class Bursts {
  readonly #connection: Connection
  readonly #payloadBytes: number
  readonly #numbering: StreamNumbering
  readonly #routes: readonly Route[]
  readonly #firstSequence: number
  readonly #choices: Uint32Array
  readonly #buffers: readonly Buffer[]
  readonly #hasPriorities: boolean
  sent = 0

  constructor(
    connection: Connection,
    { topics, priorities, publisherIndex, payloadBytes, buffers }: BurstOrder,
  ) {
    this.#connection = connection
    this.#payloadBytes = payloadBytes
    this.#routes = topics.flatMap((topic) =>
      Array.from({ length: priorities }, (_, priority) => ({ topic, priority })),
    )
    this.#firstSequence = publisherIndex * this.#routes.length
    this.#numbering = new StreamNumbering(this.#firstSequence + this.#routes.length, payloadBytes)
    this.#choices = randomIndexes(CHOICES, this.#routes.length)
    const inTurn = connection.takesAtOnce ? PAYLOADS_REUSED : PAYLOADS_IN_TURN
    this.#buffers = connection.loan === undefined ? makePayloads(Math.min(inTurn, buffers), payloadBytes) : []
    this.#hasPriorities = priorities > 1 && connection.publishWithPriority !== undefined
  }

  /** The last message of a stream says how many there were. */
  async publish(messages: number, isLast: 'last' | 'not last'): Promise<void> {
    const end = this.sent + messages
    const count = isLast === 'last' ? end : 0
    if (this.#buffers.length === 0) return await this.#publishLoans(end, count)
    // No promise where none is needed, which small payloads would feel.
    for (let full = this.#publishBuffers(end, count); full !== undefined; ) {
      await this.#connection.ready(full)
      full = this.#publishBuffers(end, count)
    }
  }

  /** Goes on to the end, or until the system asks to wait, and returns the topic to wait for. */
  #publishBuffers(end: number, count: number): string | undefined {
    const connection = this.#connection
    const numbering = this.#numbering
    const buffers = this.#buffers
    while (this.sent < end) {
      const choice = this.#choices[this.sent % CHOICES]!
      const payload = buffers[this.sent % buffers.length]!
      this.sent += 1
      numbering.stamp(payload, this.#firstSequence + choice, this.sent === end ? count : 0)
      const { topic, priority } = this.#routes[choice]!
      const isWelcome = this.#hasPriorities
        ? connection.publishWithPriority!(topic, payload, priority)
        : connection.publish(topic, payload)
      if (!isWelcome) return topic
    }
    return undefined
  }

  async #publishLoans(end: number, count: number): Promise<void> {
    while (this.sent < end) {
      const choice = this.#choices[this.sent % CHOICES]!
      const { topic } = this.#routes[choice]!
      const loan = await this.#connection.loan!(topic, this.#payloadBytes)
      this.sent += 1
      this.#numbering.stamp(loan.bytes, this.#firstSequence + choice, this.sent === end ? count : 0)
      if (!loan.publish()) await this.#connection.ready(topic)
    }
  }
}
