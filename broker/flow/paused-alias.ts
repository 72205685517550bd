import { controlFrame, Kind } from '../../protocol/index.js'
import type { Publisher } from './publisher.js'

/** The largest allowance that a RESUME can carry. [WIRE-2.8] */
const ALLOWANCE_BYTES_MAX = 2 ** 32 - 1

/**
 * One alias on which a client is asked to hold back, and the broker's account of what it may send all the same:
 *
 *   due ──(PAUSE sent)──> paused ──(its topic is free, RESUME due)──> resuming ──(RESUME sent)──> over
 *                           ↑                                            │
 *                           └────────────(paused again)──────────────────┘
 *   due ──(its topic is free)──> over;   any ──(alias bound anew, client gone)──> over
 *
 * A client that does not read is told nothing: what it must know then is kept here, one PAUSE and one sum.
 */
export class PausedAlias<Topic> {
  readonly publisher: Publisher
  readonly alias: number
  /** The topic that the alias stands for while it is paused. */
  topic: Topic | undefined
  /**
   * What was allowed less what has arrived since: never more than what the client believes, for frames that were on
   * their way as it read PAUSE are taken off here alone.
   */
  balanceBytes = 0
  #isTold = false
  #owedBytes = 0
  /** Whether what arrives can be part of an allowance; before the first one it was on its way. */
  #isAllowed = false

  constructor(publisher: Publisher, alias: number, topic: Topic) {
    this.publisher = publisher
    this.alias = alias
    this.topic = topic
  }

  /** What it may still send. */
  get promisedBytes(): number {
    return Math.max(0, this.balanceBytes)
  }

  get isHungry(): boolean {
    return this.balanceBytes <= 0
  }

  /** Nothing about this alias is left to be said, or to be kept. */
  get isOver(): boolean {
    return this.topic === undefined && !this.#isTold
  }

  /** Allows so many bytes more; returns how many that are. */
  allow(bytes: number): number {
    const allowed = Math.min(Math.ceil(bytes), ALLOWANCE_BYTES_MAX - this.#owedBytes)
    this.balanceBytes += allowed
    this.#owedBytes += allowed
    return allowed
  }

  received(bytes: number): void {
    if (this.#isAllowed) this.balanceBytes -= bytes
  }

  /** Tells the client what it has not been told, if it reads. */
  tell(): void {
    const { outbox, topicFramesRead } = this.publisher
    if (!outbox.isOpen) return
    if (this.topic === undefined) {
      if (this.#isTold) outbox.notify(controlFrame(Kind.RESUME, this.alias, 0))
      this.#isTold = false
      return
    }
    if (!this.#isTold) outbox.notify(controlFrame(Kind.PAUSE, this.alias, topicFramesRead))
    this.#isTold = true
    if (this.#owedBytes === 0) return
    outbox.notify(controlFrame(Kind.RESUME, this.alias, this.#owedBytes))
    this.#owedBytes = 0
    this.#isAllowed = true
  }
}
