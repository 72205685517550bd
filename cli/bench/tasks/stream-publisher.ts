import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Bus } from '../../bus.js'
import { NS_PER_MS, nowNs } from '../clock.js'
import { readReport } from '../progress-report.js'
import { newPayload, stampPayload } from '../stream-payload.js'

export interface PublisherOrder {
  readonly topic: string
  readonly progressTopic: string
  readonly subscribers: number
  readonly payloadBytes: number
  readonly windowMessages: number
  readonly burstMessages: number
  /** Writes into lent memory of a ring, where there is one, instead of having a buffer copied there. */
  readonly loans: boolean
}

export interface Published {
  readonly sent: number
  readonly startNs: number
}

/**
 * Publishes streams, and stays at most a window of messages ahead of the slowest subscriber. So little queues in the
 * broker, and nothing is paused or dropped there, however slow this machine is.
 */
export class StreamPublisher {
  /** The broker has accepted the subscription; rejects when it has not. */
  readonly ready: Promise<void>
  readonly #bus: Bus
  readonly #order: PublisherOrder
  readonly #payload: Buffer
  readonly #handled: number[]
  #slowest = 0
  #sent = 0
  /** Reports of the stream before may come late. */
  #stream = 0
  #wake: () => void = () => {}

  constructor(bus: Bus, order: PublisherOrder) {
    this.#bus = bus
    this.#order = order
    this.#payload = newPayload(order.payloadBytes)
    this.#handled = new Array<number>(order.subscribers).fill(0)
    const reports = bus.subscribe(order.progressTopic, (message) => this.#takeReport(message.bytes as Buffer))
    this.ready = reports.ready
  }

  /** Publishes one stream for so long. Every subscriber must expect it by then, and have handled the one before. */
  async publish(durationMs: number): Promise<Published> {
    const { windowMessages, burstMessages } = this.#order
    this.#stream += 1
    this.#handled.fill(0)
    this.#slowest = 0
    this.#sent = 0
    const startNs = nowNs()
    const endsAtNs = startNs + durationMs * NS_PER_MS
    while (nowNs() < endsAtNs) {
      const room = windowMessages - (this.#sent - this.#slowest)
      if (room > 0) {
        await this.#publishBurst(Math.min(room, burstMessages))
        await nextTurn()
      } else {
        await this.#nextReport()
      }
    }
    await this.#publishNext(this.#sent + 1)
    await this.#bus.flush()
    return { sent: this.#sent, startNs }
  }

  async #publishBurst(messages: number): Promise<void> {
    for (let left = messages; left > 0; left--) {
      // Without a wait where none is needed, which small payloads would feel.
      const held = this.#publishNext(0)
      if (held !== undefined) await held
    }
  }

  /** The promise, if there is one, says when to go on. */
  #publishNext(count: number): Promise<void> | undefined {
    const { topic, loans } = this.#order
    if (loans) return this.#publishLoan(count)
    stampPayload(this.#payload, this.#sent, count)
    this.#sent += 1
    return this.#bus.publish(topic, this.#payload) ? undefined : this.#bus.ready(topic)
  }

  async #publishLoan(count: number): Promise<void> {
    const { topic, payloadBytes } = this.#order
    const loan = await this.#bus.loan(topic, payloadBytes)
    stampPayload(loan.bytes, this.#sent, count)
    this.#sent += 1
    if (!loan.publish()) await this.#bus.ready(topic)
  }

  #nextReport(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #takeReport(report: Buffer): void {
    const { index, stream, handled } = readReport(report)
    if (stream !== this.#stream) return
    this.#handled[index] = handled
    this.#slowest = Math.min(...this.#handled)
    this.#wake()
  }
}
