/** Below this a measurement says nothing; a budget that is too small for all of them is exceeded. */
const SLOT_MS_MIN = 100

/**
 * Divides what is left of a span of time among the measurements that are left, by their weights. One that takes
 * longer than its slot so makes those behind it shorter, and not the whole longer.
 */
export class TimeBudget {
  readonly #endsAtMs: number
  readonly #weights: number[]
  readonly #nowMs: () => number

  constructor(endsAtMs: number, weights: readonly number[], nowMs: () => number) {
    this.#endsAtMs = endsAtMs
    this.#weights = [...weights]
    this.#nowMs = nowMs
  }

  /** The time for the next measurement. Throws a RangeError when there was one for each. */
  nextSlotMs(): number {
    const weightOfAll = this.#weights.reduce((sum, weight) => sum + weight, 0)
    const weight = this.#weights.shift()
    if (weight === undefined) throw new RangeError('Every measurement has had its time')
    const leftMs = this.#endsAtMs - this.#nowMs()
    return Math.max(SLOT_MS_MIN, (leftMs * weight) / weightOfAll)
  }
}
