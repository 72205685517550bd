/** Entries that one call of the timer wakes; the rest follows on the next turn of the loop. */
const WAKES_PER_TURN_MAX = 256

/**
 * Wakes each of its entries a while after it was last wound up. All wait equally long, so that they lie in the order
 * of their times, and one timer serves them all.
 */
export class PauseClock<Entry> {
  readonly #delayMs: () => number
  readonly #wake: (entries: readonly Entry[]) => void
  readonly #wakeAtMs = new Map<Entry, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(delayMs: () => number, wake: (entries: readonly Entry[]) => void) {
    this.#delayMs = delayMs
    this.#wake = wake
  }

  get size(): number {
    return this.#wakeAtMs.size
  }

  /** It is to be woken, a whole delay from now. */
  wind(entry: Entry): void {
    const delayMs = this.#delayMs()
    this.#wakeAtMs.delete(entry)
    this.#wakeAtMs.set(entry, performance.now() + delayMs)
    if (this.#timer === undefined) this.#arm(delayMs)
  }

  isWound(entry: Entry): boolean {
    return this.#wakeAtMs.has(entry)
  }

  stop(entry: Entry): void {
    this.#wakeAtMs.delete(entry)
  }

  clear(): void {
    this.#wakeAtMs.clear()
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(delayMs: number): void {
    this.#timer = setTimeout(() => this.#ring(), Math.ceil(delayMs)).unref()
  }

  #ring(): void {
    this.#timer = undefined
    const nowMs = performance.now()
    const due: Entry[] = []
    for (const [entry, atMs] of this.#wakeAtMs) {
      if (atMs > nowMs || due.length === WAKES_PER_TURN_MAX) break
      due.push(entry)
    }
    for (const entry of due) this.#wakeAtMs.delete(entry)
    this.#wake(due)
    for (const atMs of this.#wakeAtMs.values()) {
      if (this.#timer === undefined) this.#arm(Math.max(0, atMs - performance.now()))
      return
    }
  }
}
