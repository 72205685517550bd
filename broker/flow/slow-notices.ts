import type { Subscription } from '../routing/subscription.js'

/** A subscription is spoken of no more often than this. [FLOW-3] */
const INTERVAL_MS = 1000

/**
 * Tells of subscriptions that lose messages, become slow, or block again: each at most once a second, with what holds
 * at that moment. A client that does not read is told when it does.
 */
export class SlowNotices {
  readonly #told: (subscription: Subscription) => void
  readonly #flush: () => void
  readonly #lastMs = new WeakMap<Subscription, number>()
  /** Of these there is something to tell, and it is too soon. */
  readonly #due = new Set<Subscription>()
  #latest: Subscription | undefined
  #timer: NodeJS.Timeout | undefined

  /** `told` is called whenever there is news of a subscription, `flush` to send what comes of a timer. */
  constructor(told: (subscription: Subscription) => void, flush: () => void) {
    this.#told = told
    this.#flush = flush
  }

  /** There is news. Cheap when it is one message lost of many. */
  note(subscription: Subscription): void {
    if (this.#latest === subscription || this.#due.has(subscription)) return
    const nowMs = performance.now()
    const sinceMs = nowMs - (this.#lastMs.get(subscription) ?? Number.NEGATIVE_INFINITY)
    if (sinceMs >= INTERVAL_MS) return this.#tell(subscription, nowMs)
    this.#due.add(subscription)
    this.#latest = subscription
    this.#arm(INTERVAL_MS - sinceMs)
  }

  /** It has ended. */
  forget(subscription: Subscription): void {
    this.#due.delete(subscription)
    if (this.#latest === subscription) this.#latest = undefined
  }

  #tell(subscription: Subscription, nowMs: number): void {
    this.#lastMs.set(subscription, nowMs)
    this.#told(subscription)
    subscription.owner.outbox.announce(subscription)
  }

  #arm(delayMs: number): void {
    this.#timer ??= setTimeout(() => this.#tellDue(), Math.ceil(delayMs)).unref()
  }

  #tellDue(): void {
    this.#timer = undefined
    this.#latest = undefined
    const nowMs = performance.now()
    let soonestMs = Number.POSITIVE_INFINITY
    for (const subscription of this.#due) {
      const waitMs = INTERVAL_MS - (nowMs - this.#lastMs.get(subscription)!)
      if (waitMs > 0) {
        soonestMs = Math.min(soonestMs, waitMs)
      } else {
        this.#due.delete(subscription)
        this.#tell(subscription, nowMs)
      }
    }
    if (this.#due.size > 0) this.#arm(soonestMs)
    this.#flush()
  }
}
