const KIB = 1024

/** Bytes for people, in the largest unit that leaves a whole number before the point. */
export function bytes(count: number): string {
  if (count < KIB) return `${count} B`
  if (count < KIB * KIB) return `${(count / KIB).toFixed(1)} KiB`
  if (count < KIB ** 3) return `${(count / KIB ** 2).toFixed(1)} MiB`
  return `${(count / KIB ** 3).toFixed(1)} GiB`
}

/** Bytes of what is bounded, as in "7.9 MiB of 8.0 MiB (98 %)". It is more where publishers are yet to be paused. */
export function filling(used: number, bound: number): string {
  return `${bytes(used)} of ${bytes(bound)} (${Math.floor((used / bound) * 100)} %)`
}

/** A span of time in one unit: who reads it wants to know whether it is seconds or hours. */
export function duration(milliseconds: number): string {
  // Two clocks may differ by a little, and nothing began in the future.
  const seconds = Math.max(0, milliseconds) / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 120) return `${Math.floor(seconds)} s`
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

/** A latency, given in microseconds. */
export function latency(micros: number): string {
  if (micros < 1000) return `${Math.round(micros)} µs`
  if (micros < 1_000_000) return `${(micros / 1000).toFixed(1)} ms`
  return `${(micros / 1_000_000).toFixed(1)} s`
}

/** "1 topic", "2 topics". */
export function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`
}
