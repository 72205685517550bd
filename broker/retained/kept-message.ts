import { Offset, paddedLength } from '../../protocol/index.js'

/** Memory is taken in steps of this many bytes: the next message of a topic mostly fits where the last one was. */
const STEP_BYTES = 64

/** The last message of a topic that was to be kept. */
export class KeptMessage {
  /** What the topic itself counts. */
  readonly topicBytes: number
  /** The frame, in memory that belongs to the store: whoever sends it sends a copy. */
  #frame: Buffer
  #length = 0
  keptAtMs = 0
  /** CLOCK_MONOTONIC; 0: it does not expire. */
  expiryNs = 0
  /** The store's count when it was kept, or has gone to all that were to be greeted with it. */
  turn = 0

  constructor(topicBytes: number) {
    this.topicBytes = topicBytes
    this.#frame = NOTHING
  }

  /** Bytes that a message counts whose frame has this length. */
  static frameBytes(length: number): number {
    return Math.ceil(paddedLength(length) / STEP_BYTES) * STEP_BYTES
  }

  /** What it counts in all. */
  get bytes(): number {
    return this.#frame.length + this.topicBytes
  }

  /** The length of the frame, without padding. */
  get length(): number {
    return this.#length
  }

  get priority(): number {
    return this.#frame[Offset.PRIORITY]!
  }

  get encoding(): number {
    return this.#frame[Offset.ENCODING]!
  }

  hasExpiredBy(nowNs: number): boolean {
    return this.expiryNs !== 0 && this.expiryNs <= nowNs
  }

  /** Memory for a frame of this length, in place of the one that there was. */
  room(length: number): Buffer {
    const bytes = KeptMessage.frameBytes(length)
    if (this.#frame.length !== bytes) this.#frame = Buffer.allocUnsafeSlow(bytes)
    this.#length = length
    return this.#frame
  }

  /** Copies the frame, padding included; returns where the copy ends. */
  copyTo(target: Buffer, at: number): number {
    return at + this.#frame.copy(target, at, 0, paddedLength(this.#length))
  }
}

const NOTHING = Buffer.alloc(0)
