import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64 } from 'hdr-histogram-js'

/** As results have it: version 2 of the format that HDR histograms are exchanged in, compressed, as base64. */
export type EncodedHistogram = string

/** A recorded time and its percentiles differ by less than a thousandth. */
const SIGNIFICANT_DIGITS = 3

/** Counts need 32 bits. The library's WebAssembly would have to be loaded first, and nothing here is in a hurry. */
const COUNTER_BITS = 32
const WITH_WEB_ASSEMBLY = false

/** Times of a series, in nanoseconds: an HDR histogram, so that those of several rounds can be put together. */
export class Histogram {
  readonly #recorded = build({
    bitBucketSize: COUNTER_BITS,
    autoResize: true,
    numberOfSignificantValueDigits: SIGNIFICANT_DIGITS,
    useWebAssembly: WITH_WEB_ASSEMBLY,
  })

  static of(timesNs: Iterable<number>): Histogram {
    const histogram = new Histogram()
    for (const timeNs of timesNs) histogram.record(timeNs)
    return histogram
  }

  /** Of times in milliseconds, as performance.now() counts them. */
  static ofMs(timesMs: Iterable<number>): Histogram {
    const histogram = new Histogram()
    for (const timeMs of timesMs) histogram.record(timeMs * 1e6)
    return histogram
  }

  /** Several as one. Throws what is no histogram. */
  static merged(encoded: Iterable<EncodedHistogram>): Histogram {
    const histogram = new Histogram()
    for (const each of encoded) histogram.#recorded.add(decode(each))
    return histogram
  }

  get count(): number {
    return this.#recorded.totalCount
  }

  get maxNs(): number {
    return this.#recorded.maxValue
  }

  record(timeNs: number, count = 1): void {
    this.#recorded.recordValueWithCount(Math.round(timeNs), count)
  }

  /** The smallest time that at least this share of them does not pass. */
  percentileNs(share: number): number {
    // The library's is the upper end of what it counts as equal.
    return Math.min(this.maxNs, this.#recorded.getValueAtPercentile(share * 100))
  }

  encode(): EncodedHistogram {
    return encodeIntoCompressedBase64(this.#recorded)
  }
}

function decode(encoded: EncodedHistogram) {
  try {
    return decodeFromCompressedBase64(encoded, COUNTER_BITS, WITH_WEB_ASSEMBLY)
  } catch (error) {
    throw new Error('Expected an HDR histogram in base64', { cause: error })
  }
}
