/** Nanoseconds of CLOCK_MONOTONIC, which all processes share: the start in one and the end in another compare. */
export function nowNs(): number {
  return Number(process.hrtime.bigint())
}

/** Keeps the processor busy, as a handler does that computes something. */
export function busyUntil(endNs: number): void {
  while (nowNs() < endNs);
}
