import { granulesOf, type RingSpan } from '../../protocol/index.js'

/** The ring that a record lies in. */
export interface RecordHome {
  readonly id: number
}

/**
 * One committed payload in a ring, and who still needs it:
 *
 *   live ──(no queue refers to it and no client holds a lease)──> finished ──(in ring order)──> retired
 *   live ──(copied to the heap while only queues refer to it)──> retired, and its copy goes with the last of them
 */
export class RingRecord<Home extends RecordHome = RecordHome> implements RingSpan {
  readonly segment: Home
  readonly position: number
  readonly length: number
  readonly padding: number
  readonly restarted: boolean
  readonly granules: number
  readonly committedAtMs: number
  /** Queued frames that refer to it, and the handler that routes it at this moment. */
  queued = 0
  /** Deliveries that clients hold, of all clients together. */
  leases = 0
  /** The message as a frame that carries its payload itself: made for clients that cannot map the segment. */
  inline: InlineFrame | undefined
  /** The start of its frame up to the descriptor, kept while a queue refers to it. */
  head: Buffer | undefined
  /** Its payload was copied: whoever refers to it gets `inline`. */
  isCopied = false
  /** Its span is in use. */
  isLive = true

  constructor(segment: Home, span: RingSpan, nowMs: number) {
    this.segment = segment
    this.position = span.position
    this.length = span.length
    this.padding = span.padding
    this.restarted = span.restarted
    this.granules = granulesOf(span.length)
    this.committedAtMs = nowMs
  }

  /** Where its span begins: with the granules that it skipped, unless the ring begins anew with it. */
  get start(): number {
    return this.restarted ? this.position : this.position - this.padding
  }

  get end(): number {
    return this.position + this.granules
  }

  /** What its claim took from the semaphore: the padding of a restart was never taken. */
  get acquired(): number {
    return this.restarted ? this.granules : this.granules + this.padding
  }

  /** Whether nobody reads its span any more. */
  get isFinished(): boolean {
    return this.leases === 0 && (this.queued === 0 || this.isCopied)
  }
}

/** A frame in memory of its own, which is never written again. */
export interface InlineFrame {
  readonly bytes: Buffer
  readonly length: number
  /** Where its payload starts. */
  readonly payloadStart: number
}
