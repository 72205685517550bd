import type { InboxBudget } from './inbox-budget.js'

/** A subscription starts with this much credit. [CREDIT-6] */
const WINDOW_FIRST_BYTES = 256 * 1024

/** Once messages flow it may have this much: enough for the broker to go on while a batch is handled. [CREDIT-6] */
const WINDOW_ACTIVE_BYTES = 1024 * 1024

/**
 * It is doubled while it is handled in less than the first of these times, and shrinks again once it takes the second: so
 * nothing of a fast subscription waits in the broker, where it would be copied once more, and what is urgent is soon
 * past what was sent before it. [CREDIT-6]
 */
const GROW_MS = 3
const SHRINK_MS = 20

/** However fast: as much as a ring holds. */
const WINDOW_MAX_BYTES = 4 * 1024 * 1024

/** Even without budget a subscription gets this much, so that it never stands still. */
const WINDOW_MIN_BYTES = 16 * 1024

/** What CREDIT reports. [CREDIT-3] */
export interface CreditReport {
  readonly bytes: number
  readonly messages: number
  readonly expired: number
  readonly discarded: number
}

/**
 * The credit of one subscription. At any time
 *
 *   window = what the broker may still send + what is here and not finished + what is finished and not reported
 */
export class CreditWindow {
  readonly #budget: InboxBudget
  readonly #staysSmall: boolean
  #windowBytes = 0
  #doneBytes = 0
  #doneMessages = 0
  #expiredMessages = 0
  #discardedMessages = 0
  /** Bytes that were finished quickly, until the window grows. */
  #passedBytes = 0
  /** When the last report was made that was not a slow one. */
  #reportedMs = 0

  /** With `staysSmall`, as little as possible waits in the client: the newest messages are to wait in the broker. */
  constructor(budget: InboxBudget, staysSmall: boolean) {
    this.#budget = budget
    this.#staysSmall = staysSmall
  }

  /** Opens the window, from when on somebody takes messages. */
  open(): void {
    const wantedBytes = this.#staysSmall ? WINDOW_MIN_BYTES : WINDOW_FIRST_BYTES
    this.#windowBytes = this.#budget.take(wantedBytes, WINDOW_MIN_BYTES)
  }

  /** What to grant on a new connection, while messages of an earlier one still occupy part of the window. */
  reset(heldBytes: number): number {
    this.#clear()
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

  /** The same for a message that nobody handled for another reason. */
  discarded(length: number, ofThisConnection: boolean): boolean {
    this.#doneBytes += length
    if (ofThisConnection) this.#discardedMessages += 1
    return this.#doneBytes * 2 >= this.#windowBytes
  }

  /** Whether anything is finished that the broker does not know of. */
  get hasUnreported(): boolean {
    return this.#doneBytes > 0
  }

  /** What is to be reported now, while messages flow: the window may grow, or shrink again. */
  report(nowMs: number): CreditReport {
    const adjustedBytes =
      this.#windowBytes < WINDOW_ACTIVE_BYTES ? this.#activate() : this.#follow(nowMs - this.#reportedMs)
    this.#reportedMs = nowMs
    return this.#take(adjustedBytes)
  }

  /** The same where half a window took so long that the size of the window does not matter. */
  reportSlowly(): CreditReport {
    this.#passedBytes = 0
    return this.#take(this.#shrink())
  }

  close(): void {
    this.#budget.give(this.#windowBytes)
    this.#windowBytes = 0
  }

  #take(grownBytes: number): CreditReport {
    const report = {
      bytes: this.#doneBytes + grownBytes,
      messages: this.#doneMessages,
      expired: this.#expiredMessages,
      discarded: this.#discardedMessages,
    }
    this.#clear()
    return report
  }

  #clear(): void {
    this.#doneBytes = 0
    this.#doneMessages = 0
    this.#expiredMessages = 0
    this.#discardedMessages = 0
  }

  /** Once a full window has passed, the subscription is active, and gets the larger one if there is room. */
  #activate(): number {
    this.#passedBytes += this.#doneBytes
    if (this.#staysSmall || this.#passedBytes < this.#windowBytes) return 0
    this.#passedBytes = 0
    return this.#grow(this.#budget.take(WINDOW_ACTIVE_BYTES - this.#windowBytes, 0))
  }

  /** Bytes by which the window of an active subscription grows, or shrinks if they are negative. */
  #follow(tookMs: number): number {
    const windowMs = (tookMs * this.#windowBytes) / this.#doneBytes
    if (windowMs >= GROW_MS) return windowMs < SHRINK_MS ? 0 : this.#shrink()
    const wantedBytes = Math.min(this.#windowBytes, WINDOW_MAX_BYTES - this.#windowBytes)
    return this.#grow(this.#budget.takeSpare(wantedBytes))
  }

  #grow(bytes: number): number {
    this.#windowBytes += bytes
    return bytes
  }

  /** Some of what is done with is not given back: half of it at most, since a report of nothing would help nobody. */
  #shrink(): number {
    const sparedBytes = Math.min(Math.max(0, this.#windowBytes - WINDOW_ACTIVE_BYTES), this.#doneBytes >> 1)
    this.#budget.give(sparedBytes)
    this.#windowBytes -= sparedBytes
    return -sparedBytes
  }
}
