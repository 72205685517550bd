import type { Blocker } from './blocker.js'

/** The smallest allowance worth a frame. */
const GRANT_BYTES = 4 * 1024

/** The share of a subscription's limit that is enough for an allowance, if that is less. */
const GRANT_LIMIT_PART = 1 / 16

/**
 * What a publisher may have sent before it can be paused again: what its socket holds. Many of them that went on at once
 * would fill the subscription far beyond its limit, over and over; so the more they are, the longer allowances last.
 */
const ON_THE_WAY_BYTES = 256 * 1024

/** The share of its limit that is free when a subscription counts as empty: then everybody goes on. */
const EMPTY_PART = 15 / 16

/**
 * A blocking subscription that has been full, and the topics that it holds up:
 *
 *   holding ──(it has room enough for whoever waits, or it is slow, or gone)──> released
 *
 * What publishers were promised and have not sent yet takes its room, too, for a promise cannot be taken back.
 */
export class Holder<Topic> {
  readonly subscription: Blocker
  /** In the order in which they have their turn at what room there is. */
  readonly topics = new Set<Topic>()
  /** Paused aliases of all these topics together. */
  aliasCount = 0
  /** Bytes that those aliases may still send. */
  promisedBytes = 0
  /** Topics that have not had their turn since its backlog shrank. */
  turnsLeft = 0
  state: 'holding' | 'released' = 'holding'
  /** Whether it was released because it has room again: whoever shares its work need not be waited for either. */
  hasRoom = false

  constructor(subscription: Blocker) {
    this.subscription = subscription
    subscription.blockingSinceMs = Date.now()
  }

  /** Whether it is no reason to hold anybody up any longer. */
  get isSatisfied(): boolean {
    const { isFull, isOverHalf, roomBytes, limits } = this.subscription
    if (!this.#blocks) return true
    if (isFull || isOverHalf) return false
    return (
      this.aliasCount <= 1 ||
      roomBytes >= Math.min(this.aliasCount * ON_THE_WAY_BYTES, limits.bytes * EMPTY_PART)
    )
  }

  get #blocks(): boolean {
    const { policy, state } = this.subscription
    return policy === 'block' && state === 'active'
  }

  /** The least that is worth an allowance. */
  get minimumBytes(): number {
    return Math.min(GRANT_BYTES, this.subscription.limits.bytes * GRANT_LIMIT_PART)
  }

  /** Bytes that may be promised beside those that are; no more than `promisesMax` at a time. */
  spareBytes(promisesMax: number): number {
    return this.roomBytes(promisesMax) - this.promisedBytes
  }

  /** Bytes that may be promised at all. */
  roomBytes(promisesMax: number): number {
    return Math.min(this.subscription.roomBytes, Math.max(promisesMax, this.minimumBytes))
  }

  release(): void {
    this.state = 'released'
    this.hasRoom = this.#blocks
    this.turnsLeft = this.topics.size
    this.subscription.blockingSinceMs = undefined
  }
}
