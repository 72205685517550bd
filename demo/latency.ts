/** Bytes of the time of sending at the start of a stamped payload. */
export const STAMP_BYTES = 8

/** Neighbouring buckets differ by this factor: a percentile is at most 2 % above the true value. */
const BUCKET_RATIO = 1.02

/** The first bucket holds everything up to a microsecond; the last one everything from about half an hour. */
const FIRST_BUCKET_MS = 0.001
const BUCKETS = 1_100

/** Writes the present time into a payload, to be called just before it is sent. */
export function stamp(payload: Buffer): void {
  payload.writeBigUInt64LE(process.hrtime.bigint(), 0)
}

/** Milliseconds since a payload was stamped, by whatever process: all share the system's monotonic clock. */
export function millisecondsSince(payload: Buffer): number {
  return Number(process.hrtime.bigint() - payload.readBigUInt64LE(0)) / 1e6
}

/** Counts latencies in buckets of equal ratio, so that memory does not grow with their number. */
export class LatencyHistogram {
  readonly #buckets = new Uint32Array(BUCKETS)
  #count = 0

  get count(): number {
    return this.#count
  }

  record(latencyMs: number): void {
    const steps = Math.ceil(Math.log(latencyMs / FIRST_BUCKET_MS) / Math.log(BUCKET_RATIO))
    // `Math.max` first: a latency of nothing has a logarithm of minus infinity.
    const bucket = Math.min(Math.max(steps, 0), BUCKETS - 1)
    this.#buckets[bucket]! += 1
    this.#count += 1
  }

  /** The latency in milliseconds that `share` (0 to 1) of all do not exceed; undefined when there are none. */
  percentile(share: number): number | undefined {
    if (this.#count === 0) return undefined
    const rank = Math.max(1, Math.ceil(share * this.#count))
    let seen = 0
    const bucket = this.#buckets.findIndex((count) => {
      seen += count
      return seen >= rank
    })
    return FIRST_BUCKET_MS * BUCKET_RATIO ** bucket
  }
}
