import type { Subscription } from '../routing/subscription.js'

/** Backlogs are searched for expired frames no more often than this, unless room is needed. */
const INTERVAL_MS = 100

/** Of the time that passes, searching takes one part in so many. */
const SHARE = 20

/** The longest time that a timer takes. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** Sees to it that frames leave their backlogs when they expire, though nothing is sent. */
export class ExpirySweeps {
  readonly #sweep: (subscription: Subscription, nowNs: number) => void
  readonly #flush: () => void
  /** Those whose backlogs have frames that expire, or had. */
  readonly #watched = new Set<Subscription>()
  #timer: NodeJS.Timeout | undefined
  /** When the timer comes, in nanoseconds. */
  #dueNs = Number.POSITIVE_INFINITY
  /** No search before. */
  #notBeforeNs = 0

  /** `sweep` searches one backlog, `flush` sends what comes of it. */
  constructor(sweep: (subscription: Subscription, nowNs: number) => void, flush: () => void) {
    this.#sweep = sweep
    this.#flush = flush
  }

  /** A frame that expires was queued for it. */
  watch(subscription: Subscription): void {
    this.#watched.add(subscription)
    this.#wakeAt(earliestOf(subscription))
  }

  forget(subscription: Subscription): void {
    this.#watched.delete(subscription)
  }

  #wakeAt(earliestNs: number): void {
    const dueNs = Math.max(earliestNs, this.#notBeforeNs)
    if (dueNs >= this.#dueNs) return
    this.#dueNs = dueNs
    clearTimeout(this.#timer)
    const delayMs = Math.ceil((dueNs - nowInNs()) / 1e6)
    this.#timer = setTimeout(() => this.#wake(), Math.min(Math.max(delayMs, 1), TIMER_MS_MAX)).unref()
  }

  #wake(): void {
    this.#dueNs = Number.POSITIVE_INFINITY
    const nowNs = nowInNs()
    let earliestNs = Number.POSITIVE_INFINITY
    for (const subscription of this.#watched) {
      if (earliestOf(subscription) <= nowNs) this.#sweep(subscription, nowNs)
      const nextNs = earliestOf(subscription)
      if (nextNs === Number.POSITIVE_INFINITY) this.#watched.delete(subscription)
      earliestNs = Math.min(earliestNs, nextNs)
    }
    const endNs = nowInNs()
    this.#notBeforeNs = endNs + Math.max(INTERVAL_MS * 1e6, (endNs - nowNs) * SHARE)
    this.#wakeAt(earliestNs)
    this.#flush()
  }
}

export function nowInNs(): number {
  return Number(process.hrtime.bigint())
}

function earliestOf({ backlog }: Subscription): number {
  return backlog?.earliestExpiryNs ?? Number.POSITIVE_INFINITY
}
