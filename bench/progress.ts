import type { Connection } from './peers/index.js'

/*
 * Flow control of the harness, the same for every system: subscribers say on a topic of their own how many messages
 * they have handled, and the publisher stays at most a window ahead of the slowest of them.
 *
 *   0                  4
 *   | subscriber index | handled |
 */

const TOPIC = 'bench.progress'
const REPORT_BYTES = 8

/** Buffers for reports, used in turn, since a client may keep one until it writes. */
const REPORT_BUFFERS = 16

export class ProgressReporter {
  readonly #connection: Connection
  readonly #buffers: Buffer[]
  #turn = 0

  constructor(connection: Connection, subscriberIndex: number) {
    this.#connection = connection
    this.#buffers = Array.from({ length: REPORT_BUFFERS }, () => {
      const buffer = Buffer.alloc(REPORT_BYTES)
      buffer.writeUInt32LE(subscriberIndex, 0)
      return buffer
    })
  }

  report(handled: number): void {
    const buffer = this.#buffers[this.#turn]!
    this.#turn = (this.#turn + 1) % this.#buffers.length
    buffer.writeUInt32LE(handled, 4)
    this.#connection.publish(TOPIC, buffer)
  }
}

export class ProgressWatch {
  readonly #handled: number[]
  #slowest = 0
  #wake: () => void = () => {}

  constructor(connection: Connection, subscriberCount: number) {
    this.#handled = new Array<number>(subscriberCount).fill(0)
    connection.subscribe(TOPIC, (payload) => this.#take(Buffer.from(payload)))
  }

  /** Messages that every subscriber has handled. */
  get slowest(): number {
    return this.#slowest
  }

  /** Starts again at 0, for a new stream. */
  reset(): void {
    this.#handled.fill(0)
    this.#slowest = 0
  }

  /** Resolves with the next report. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #take(report: Buffer): void {
    this.#handled[report.readUInt32LE(0)] = report.readUInt32LE(4)
    this.#slowest = Math.min(...this.#handled)
    this.#wake()
  }
}
