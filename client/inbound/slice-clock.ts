import { performance } from 'node:perf_hooks'

/** How long handlers run before the event loop gets its turn to read what is more urgent. */
const SLICE_MS = 1

/** The clock is read once per this many handlers while they are quick: reading it costs as much as a few of them. */
const INTERVAL_MAX = 32

/** Handlers between two looks at the clock are to take about this part of a slice. */
const LOOKS_PER_SLICE = 8

/** Says when a slice is over, reading the clock as seldom as the speed of the handlers permits. */
export class SliceClock {
  #startedMs = 0
  #lookedMs = 0
  #interval = 1
  #untilLook = 1

  /** Handlers that may run before the clock must be told. */
  get untilLook(): number {
    return this.#untilLook
  }

  begin(): void {
    this.#startedMs = performance.now()
    this.#lookedMs = this.#startedMs
    this.#untilLook = this.#interval
  }

  /** Counts handlers that ran; true when the slice is over. */
  ran(handlers: number): boolean {
    this.#untilLook -= handlers
    if (this.#untilLook > 0) return false
    const nowMs = performance.now()
    if ((nowMs - this.#lookedMs) * LOOKS_PER_SLICE > SLICE_MS) {
      this.#interval = Math.max(1, this.#interval >>> 2)
    } else {
      this.#interval = Math.min(INTERVAL_MAX, this.#interval * 2)
    }
    this.#lookedMs = nowMs
    this.#untilLook = this.#interval
    return nowMs - this.#startedMs >= SLICE_MS
  }
}
