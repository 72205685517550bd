import { NS_PER_US } from './clock.js'

/** Exact percentiles of a series. */
export interface Percentiles {
  readonly samples: number
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
}

/** Throws a RangeError when there are no times. */
export function percentilesOf(...seriesNs: readonly Float64Array[]): Percentiles {
  const samples = seriesNs.reduce((sum, { length }) => sum + length, 0)
  if (samples === 0) throw new RangeError('Expected at least one time')
  const sorted = new Float64Array(samples)
  let filled = 0
  for (const timesNs of seriesNs) {
    sorted.set(timesNs, filled)
    filled += timesNs.length
  }
  sorted.sort()
  // The smallest value that at least this share does not pass.
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * samples) - 1)]! / NS_PER_US
  return { samples, p50Us: at(0.5), p99Us: at(0.99), p999Us: at(0.999) }
}
