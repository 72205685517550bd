/** A topic's messages are stamped at most this often: about ten in a second. [FLOW-4] */
const INTERVAL_MS = 100

/**
 * Chooses the messages that carry the time of their sending, for measuring latencies. The clock is read once for each
 * turn in which something is sent, and once more for each message that is chosen. [WIRE-3.3]
 */
export class SendTimes {
  /** 0: not read in this turn. */
  #turnMs = 0
  /** When, by alias. That an alias is bound anew costs the new topic one interval at most. */
  readonly #stampedMs: number[] = []

  /** What was published so far has been sent. */
  endTurn(): void {
    this.#turnMs = 0
  }

  /** The time to stamp a message of this alias with, in nanoseconds of CLOCK_MONOTONIC; 0: none. So without an alias. */
  timeFor(alias: number): number {
    if (alias < 0) return 0
    if (this.#turnMs === 0) this.#turnMs = performance.now()
    if (this.#turnMs - (this.#stampedMs[alias] ?? Number.NEGATIVE_INFINITY) < INTERVAL_MS) return 0
    this.#stampedMs[alias] = this.#turnMs
    return Number(process.hrtime.bigint())
  }
}
