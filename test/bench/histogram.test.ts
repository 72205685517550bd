import test from 'ava'
import fc from 'fast-check'
import { Histogram } from '../../bench/histogram.js'
import { percentile } from '../../bench/statistics.js'

const SHARES = [0.5, 0.9, 0.99, 0.999, 1]

/** Three significant digits, rounded to a nanosecond. */
const within = (exact: number) => exact / 1000 + 1

/** From a tenth of a microsecond to an hour, as many of each magnitude. */
const timeNs = fc.double({ min: 2, max: Math.log10(3.6e12), noNaN: true }).map((exponent) => 10 ** exponent)
const timesNs = fc.array(timeNs, { minLength: 1, maxLength: 300, size: 'max' })

function assertPercentiles(
  t: { true(actual: boolean, message: string): unknown },
  exact: number[],
  histogram: Histogram,
) {
  const sorted = Float64Array.from(exact).sort()
  for (const share of SHARES) {
    const expected = percentile(sorted, share)
    const actual = histogram.percentileNs(share)
    t.true(Math.abs(actual - expected) <= within(expected), `${share}: ${actual} beside ${expected}`)
  }
}

test('percentiles are those of the exact times, to three digits', (t) => {
  fc.assert(
    fc.property(timesNs, (exact) => {
      const histogram = Histogram.of(exact)
      assertPercentiles(t, exact, histogram)
      t.is(histogram.count, exact.length)
    }),
    { seed: 5 },
  )
})

test('histograms of several rounds are put together as if all times had been recorded in one', (t) => {
  fc.assert(
    fc.property(fc.array(timesNs, { minLength: 1, maxLength: 4 }), (rounds) => {
      const merged = Histogram.merged(rounds.map((round) => Histogram.of(round).encode()))
      assertPercentiles(t, rounds.flat(), merged)
      t.is(merged.count, rounds.flat().length)
    }),
    { seed: 6 },
  )
})

test('the largest time is exact, and no percentile is above it', (t) => {
  const histogram = Histogram.of([1_000_001, 2_000_003])
  t.is(histogram.maxNs, 2_000_003)
  t.is(histogram.percentileNs(1), 2_000_003)
})

test('milliseconds of a clock are recorded as nanoseconds', (t) => {
  t.is(Histogram.ofMs([0.123]).maxNs, 123_000)
})

test('what is no histogram is refused', (t) => {
  const encoded = Histogram.of([1000]).encode()
  for (const damaged of ['', 'no base64', 'AAAA', encoded.slice(0, -8)]) {
    t.throws(() => Histogram.merged([damaged]), { message: 'Expected an HDR histogram in base64' }, damaged)
  }
})
