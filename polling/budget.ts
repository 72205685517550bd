import type { PollPolicy } from './policy.js'

/** Less is no wait: the loop found the next traffic as it came around. */
const WAIT_US_MIN = 5

/** Wake-ups in a row, but for a few, that came soon after the process went to sleep: then polling is tried. */
const NEAR_COUNT = 8

/** As much as so many wake-ups are worth may go into a trial. The first waits are long, until all processes have warmed up. */
const TRIAL_WAITS = 64

/** Polls in vain, one after another: traffic has become sparse. */
const VAIN_POLLS_MAX = 4

/** Waits in a row, each dearer than a wake-up is worth: a trial need not go on. */
const DEAR_WAITS_MAX = 16

/** So many waits are remembered, the older half with half the weight. */
const WAITS_KEPT = 128

/** After each trial the pause doubles, so that what trials cost is lost in the rest; one that spared so many begins anew. */
const PAUSE_US_MIN = 10_000
const PAUSE_US_MAX = 1_000_000
const SPARED_MUCH = 1024

/**
 * How long to poll after traffic. A wait begins with traffic and ends with the next arrival.
 *
 *   asleep ──(wake-ups kept coming soon after going to sleep, and no pause is on)──> polling
 *   polling ──(polls in vain, or too dear for what they spare)──> asleep, with a pause if it was so from the start
 *
 * While asleep, waits are long because everybody sleeps; whether polling makes them short shows only by trial.
 */
export class PollBudget {
  readonly #policy: PollPolicy
  #state: 'asleep' | 'polling'
  /** When the last traffic was over. */
  #waitingSinceUs = 0
  /** Whether this wait is polled. */
  #isPolled = false
  #nearCount = 0
  /** Of the waits that are remembered: processor time, and wake-ups that it spared. */
  #spentUs = 0
  #spared = 0
  #waits = 0
  #vainPolls = 0
  #dearWaits = 0
  #sparedInAll = 0
  #pauseUs = PAUSE_US_MIN
  #pausedUntilUs = 0

  constructor(policy: PollPolicy) {
    this.#policy = policy
    this.#state = this.#isFixed ? 'polling' : 'asleep'
  }

  get isPolling(): boolean {
    return this.#state === 'polling'
  }

  /** Something came. Returns until when to poll for more, or 0. */
  arrived(nowUs: number): number {
    const waitedUs = nowUs - this.#waitingSinceUs
    if (this.#state === 'asleep') this.#woken(waitedUs, nowUs)
    else if (this.#isPolled && waitedUs >= WAIT_US_MIN) this.#polled(waitedUs, nowUs)
    return this.#wait(nowUs)
  }

  /** Something was sent, to which there may be an answer. Returns the same. */
  sent(nowUs: number): number {
    const waitedUs = nowUs - this.#waitingSinceUs
    if (this.#isPolled && waitedUs >= WAIT_US_MIN) this.#account(waitedUs, nowUs)
    return this.#wait(nowUs)
  }

  /** The poll has ended, and nothing came. */
  expired(nowUs: number): void {
    if (!this.#isPolled) return
    this.#isPolled = false
    this.#vainPolls += 1
    this.#account(nowUs - this.#waitingSinceUs, nowUs)
  }

  get #isFixed(): boolean {
    return this.#policy.worthUs === Number.POSITIVE_INFINITY
  }

  #wait(nowUs: number): number {
    this.#waitingSinceUs = nowUs
    this.#isPolled = this.#state === 'polling'
    return this.#isPolled ? nowUs + this.#policy.budgetUs : 0
  }

  #woken(waitedUs: number, nowUs: number): void {
    if (waitedUs < WAIT_US_MIN) return
    this.#nearCount = waitedUs < this.#policy.nearUs ? this.#nearCount + 1 : this.#nearCount >> 1
    if (this.#nearCount < NEAR_COUNT || nowUs < this.#pausedUntilUs) return
    this.#state = 'polling'
    this.#spentUs = 0
    this.#spared = 0
    this.#waits = 0
    this.#vainPolls = 0
    this.#dearWaits = 0
    this.#sparedInAll = 0
  }

  #polled(waitedUs: number, nowUs: number): void {
    // Longer than the budget: others had the processor meanwhile, and the message waited for it.
    if (waitedUs <= this.#policy.budgetUs) {
      this.#spared += 1
      this.#sparedInAll += 1
      this.#vainPolls = 0
    }
    this.#account(waitedUs, nowUs)
  }

  #account(spentUs: number, nowUs: number): void {
    this.#spentUs += spentUs
    this.#waits += 1
    if (this.#isFixed) return
    this.#dearWaits = spentUs > this.#policy.worthUs ? this.#dearWaits + 1 : 0
    const spared = this.#waits < TRIAL_WAITS ? TRIAL_WAITS : this.#spared
    const isDear = this.#spentUs > spared * this.#policy.worthUs || this.#dearWaits >= DEAR_WAITS_MAX
    if (isDear || this.#vainPolls >= VAIN_POLLS_MAX) return this.#fallAsleep(nowUs)
    if (this.#waits < WAITS_KEPT) return
    this.#spentUs /= 2
    this.#spared /= 2
    this.#waits /= 2
  }

  #fallAsleep(nowUs: number): void {
    this.#state = 'asleep'
    this.#nearCount = 0
    this.#pauseUs =
      this.#sparedInAll >= SPARED_MUCH ? PAUSE_US_MIN : Math.min(this.#pauseUs * 2, PAUSE_US_MAX)
    this.#pausedUntilUs = nowUs + this.#pauseUs
  }
}
