import type { InboxBudget } from './inbox-budget.js'

/** A subscription starts with this much credit. [CREDIT-6] */
const WINDOW_FIRST_BYTES = 256 * 1024

/** Once messages flow it may have this much: enough for the broker to go on while a batch is handled. [CREDIT-6] */
const WINDOW_ACTIVE_BYTES = 1024 * 1024

/** Even without budget a subscription gets this much, so that it never stands still. */
const WINDOW_MIN_BYTES = 16 * 1024

/** What CREDIT reports. [CREDIT-3] */
export interface CreditReport {
  readonly bytes: number
  readonly messages: number
  readonly expired: number
}

/**
 * The credit of one subscription. At any time
 *
 *   window = what the broker may still send + what is here and not finished + what is finished and not reported
 */
export class CreditWindow {
  readonly #budget: InboxBudget
  #windowBytes = 0
  #doneBytes = 0
  #doneMessages = 0
  #expiredMessages = 0
  /** Bytes finished so far, until the window grows. */
  #passedBytes = 0

  constructor(budget: InboxBudget) {
    this.#budget = budget
  }

  /** Opens the window, from when on somebody takes messages. */
  open(): void {
    this.#windowBytes = this.#budget.take(WINDOW_FIRST_BYTES, WINDOW_MIN_BYTES)
  }

  /** What to grant on a new connection, while messages of an earlier one still occupy part of the window. */
  reset(heldBytes: number): number {
    this.#doneBytes = 0
    this.#doneMessages = 0
    this.#expiredMessages = 0
    return Math.max(0, this.#windowBytes - heldBytes)
  }

  /** Notes a message as finished; true when it is time to report. Only this connection's messages are counted. */
  finished(length: number, ofThisConnection: boolean): boolean {
    this.#doneBytes += length
    if (ofThisConnection) this.#doneMessages += 1
    return this.#doneBytes * 2 >= this.#windowBytes
  }

  /** The same for a message that nobody handled, since its time had passed. */
  expired(length: number, ofThisConnection: boolean): boolean {
    this.#doneBytes += length
    if (ofThisConnection) this.#expiredMessages += 1
    return this.#doneBytes * 2 >= this.#windowBytes
  }

  /** The same for a message that arrived after its subscription was left. */
  discarded(length: number): boolean {
    this.#doneBytes += length
    return this.#doneBytes * 2 >= this.#windowBytes
  }

  /** Whether messages are finished that the broker does not know of. */
  get hasUnreported(): boolean {
    return this.#doneMessages + this.#expiredMessages > 0
  }

  /** What is to be reported now. */
  report(): CreditReport {
    this.#passedBytes += this.#doneBytes
    const report = {
      bytes: this.#doneBytes + this.#grow(),
      messages: this.#doneMessages,
      expired: this.#expiredMessages,
    }
    this.#doneBytes = 0
    this.#doneMessages = 0
    this.#expiredMessages = 0
    return report
  }

  close(): void {
    this.#budget.give(this.#windowBytes)
    this.#windowBytes = 0
  }

  /** A full window has passed: the subscription is active, and gets the larger one if there is room. */
  #grow(): number {
    if (this.#passedBytes < this.#windowBytes || this.#windowBytes >= WINDOW_ACTIVE_BYTES) return 0
    this.#passedBytes = 0
    const grownBytes = this.#budget.take(WINDOW_ACTIVE_BYTES - this.#windowBytes, 0)
    this.#windowBytes += grownBytes
    return grownBytes
  }
}
