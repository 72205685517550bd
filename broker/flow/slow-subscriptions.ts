import type { Subscription } from '../routing/subscription.js'

/** A slow subscription blocks again after it was calm for so many times the time that publishers may be paused. */
const CALM_TIMEOUTS = 10

export interface RecoveryLimits {
  readonly pauseTimeoutMs: number
}

interface Calm {
  /** Since when it was not seen with more than half of its limit. */
  sinceMs: number
  /** It was over half since the last look. */
  isBroken: boolean
}

/** Subscriptions that became slow, until they have been calm for long enough. [FLOW-2] */
export class SlowSubscriptions {
  readonly #limits: RecoveryLimits
  readonly #recovered: (subscription: Subscription) => void
  readonly #calm = new Map<Subscription, Calm>()
  #timer: NodeJS.Timeout | undefined

  /** `recovered` is called for each that may block again. */
  constructor(limits: RecoveryLimits, recovered: (subscription: Subscription) => void) {
    this.#limits = limits
    this.#recovered = recovered
  }

  add(subscription: Subscription): void {
    subscription.slowSinceMs = Date.now()
    this.#calm.set(subscription, { sinceMs: performance.now(), isBroken: true })
    this.#arm()
  }

  /** It has ended. */
  delete(subscription: Subscription): void {
    if (subscription.isSlow) this.#calm.delete(subscription)
  }

  /** A message was queued for a slow subscription. */
  queued(subscription: Subscription): void {
    if (subscription.isOverHalf) this.#calm.get(subscription)!.isBroken = true
  }

  #arm(): void {
    this.#timer ??= setTimeout(() => this.#look(), this.#limits.pauseTimeoutMs).unref()
  }

  #look(): void {
    this.#timer = undefined
    const nowMs = performance.now()
    for (const [subscription, calm] of this.#calm) {
      if (calm.isBroken || subscription.isOverHalf) {
        calm.sinceMs = nowMs
        calm.isBroken = false
      } else if (nowMs - calm.sinceMs >= CALM_TIMEOUTS * this.#limits.pauseTimeoutMs) {
        this.#calm.delete(subscription)
        subscription.slowSinceMs = undefined
        this.#recovered(subscription)
      }
    }
    if (this.#calm.size > 0) this.#arm()
  }
}
