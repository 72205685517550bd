import { PollBudget } from './budget.js'
import type { PollPolicy } from './policy.js'

/** What polling needs of its thread. */
export interface PollerHost {
  /** Microseconds of a clock that never goes back. */
  nowUs(): number
  /** Calls back on the next turn of the event loop, which does not sleep before it. */
  nextTurn(turn: () => void): void
}

const THREAD: PollerHost = {
  nowUs: () => performance.now() * 1000,
  nextTurn: (turn) => void setImmediate(turn),
}

/**
 * Keeps the event loop turning for a while after traffic, so that what comes next finds it awake. Timers and other
 * sockets have their part of every turn. It keeps the process alive for no longer than a poll takes.
 */
export class Poller {
  readonly #host: PollerHost
  #budget: PollBudget | undefined
  #deadlineUs = 0
  #turnQueued = false
  #turns = 0

  constructor(host: PollerHost = THREAD) {
    this.#host = host
  }

  /** How to poll from now on; undefined: not at all. */
  set policy(policy: PollPolicy | undefined) {
    this.#budget = policy === undefined ? undefined : new PollBudget(policy)
    this.#deadlineUs = 0
  }

  /** Whether it may poll. */
  get isOn(): boolean {
    return this.#budget !== undefined
  }

  /** Whether it polls after traffic at the moment. */
  get isPolling(): boolean {
    return this.#budget?.isPolling ?? false
  }

  /** Turns of the event loop that it has added. */
  get turns(): number {
    return this.#turns
  }

  /** Something came, and has been dealt with. */
  arrived(): void {
    if (this.#budget !== undefined) this.#pollUntil(this.#budget.arrived(this.#host.nowUs()))
  }

  /** Something was sent. */
  sent(): void {
    if (this.#budget !== undefined) this.#pollUntil(this.#budget.sent(this.#host.nowUs()))
  }

  #pollUntil(deadlineUs: number): void {
    this.#deadlineUs = deadlineUs
    if (deadlineUs === 0 || this.#turnQueued) return
    this.#turnQueued = true
    this.#host.nextTurn(this.#turn)
  }

  readonly #turn = (): void => {
    this.#turnQueued = false
    const nowUs = this.#host.nowUs()
    if (nowUs >= this.#deadlineUs) {
      this.#deadlineUs = 0
      this.#budget?.expired(nowUs)
      return
    }
    this.#turns += 1
    this.#turnQueued = true
    this.#host.nextTurn(this.#turn)
  }
}
