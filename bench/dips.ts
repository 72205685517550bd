import { median } from './statistics.js'

/** A rate below this share of what it was before is a dip. */
export const DIP_SHARE = 0.9

/** A dip is over once the rate has stayed above for so many intervals: single ones vary for many reasons. */
const STABLE_INTERVALS = 5

/** How a rate, counted in equal intervals, behaves from some moment on, beside its median before. */
export interface Dips {
  /** Of the intervals before. */
  readonly median: number
  /** The least of all later ones, as a share of the median. */
  readonly lowest: number
  /** Intervals below, of all later ones. */
  readonly below: number
  /** Intervals from the first one below to the end of it for good; 0 where there was none. */
  readonly untilStable: number
}

export function dips(before: readonly number[], after: readonly number[]): Dips {
  const usual = median(before)
  const isBelow = after.map((count) => count < usual * DIP_SHARE)
  const first = isBelow.indexOf(true)
  return {
    median: usual,
    lowest: Math.min(...after) / usual,
    below: isBelow.filter(Boolean).length,
    untilStable: first < 0 ? 0 : stableFrom(isBelow, first) - first,
  }
}

/** The first interval from `start` on that begins a stable time; the end of all if there is none. */
function stableFrom(isBelow: readonly boolean[], start: number): number {
  for (let index = start; index + STABLE_INTERVALS <= isBelow.length; index++) {
    if (!isBelow.slice(index, index + STABLE_INTERVALS).includes(true)) return index
  }
  return isBelow.length
}
