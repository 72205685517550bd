/** Nanoseconds of CLOCK_MONOTONIC, which all processes share: the start in one and the end in another compare. */
export function nowNs(): number {
  return Number(process.hrtime.bigint())
}

export const NS_PER_US = 1_000
export const NS_PER_MS = 1_000_000
export const NS_PER_S = 1_000_000_000
