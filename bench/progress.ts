import type { Connection } from './peers/index.js'

/*
 * Flow control of the harness, the same for every system: subscribers say to each publisher, on a topic of its own,
 * how many of its messages they have handled, and the publisher stays at most a window ahead of the slowest of them.
 *
 *   0                  4         8
 *   | subscriber index | handled | stream |
 *
 * Both sides count their streams, so that what is still on its way of one stream does not count for the next.
 */

const topicOf = (publisherIndex: number) => `bench.progress.${publisherIndex}`

const REPORT_BYTES = 12

/** Buffers for reports, used in turn, since a client may keep one until it writes. */
const REPORT_BUFFERS = 64

/** What is to be reported of one stream. */
export interface ReportOrder {
  readonly publishers: number
  readonly sequencesPerPublisher: number
  /** Messages of a publisher between two reports to it. */
  readonly reportMessages: number
}

export class ProgressReporter {
  readonly #connection: Connection
  readonly #buffers: Buffer[]
  #turn = 0
  #stream = 0
  #reportMessages = 0
  /** By sequence. */
  #publisherOf = new Uint16Array(0)
  /** By publisher. */
  #handled = new Uint32Array(0)
  #topics: string[] = []

  constructor(connection: Connection, subscriberIndex: number) {
    this.#connection = connection
    this.#buffers = Array.from({ length: REPORT_BUFFERS }, () => {
      const buffer = Buffer.alloc(REPORT_BYTES)
      buffer.writeUInt32LE(subscriberIndex, 0)
      return buffer
    })
  }

  /** Starts again at 0, for a new stream. */
  expect({ publishers, sequencesPerPublisher, reportMessages }: ReportOrder): void {
    this.#stream += 1
    this.#reportMessages = reportMessages
    this.#publisherOf = new Uint16Array(publishers * sequencesPerPublisher).map((_, sequence) =>
      Math.floor(sequence / sequencesPerPublisher),
    )
    this.#handled = new Uint32Array(publishers)
    this.#topics = Array.from({ length: publishers }, (_, index) => topicOf(index))
  }

  /** Counts a message of this sequence, and reports when there is something to report. */
  handled(sequence: number): void {
    const publisher = this.#publisherOf[sequence]!
    const handled = this.#handled[publisher]! + 1
    this.#handled[publisher] = handled
    if (handled % this.#reportMessages === 0) this.#report(publisher, handled)
  }

  #report(publisher: number, handled: number): void {
    const buffer = this.#buffers[this.#turn]!
    this.#turn = (this.#turn + 1) % this.#buffers.length
    buffer.writeUInt32LE(handled, 4)
    buffer.writeUInt32LE(this.#stream, 8)
    this.#connection.publish(this.#topics[publisher]!, buffer)
  }
}

export class ProgressWatch {
  readonly #handled: number[]
  #slowest = 0
  #stream = 0
  #wake: () => void = () => {}

  constructor(connection: Connection, publisherIndex: number, subscriberCount: number) {
    this.#handled = new Array<number>(subscriberCount).fill(0)
    connection.subscribe(topicOf(publisherIndex), (payload) => this.#take(Buffer.from(payload)))
  }

  /** Messages that every subscriber has handled. */
  get slowest(): number {
    return this.#slowest
  }

  /** Starts again at 0, for a new stream. */
  reset(): void {
    this.#stream += 1
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
    if (report.readUInt32LE(8) !== this.#stream) return
    this.#handled[report.readUInt32LE(0)] = report.readUInt32LE(4)
    this.#slowest = Math.min(...this.#handled)
    this.#wake()
  }
}
