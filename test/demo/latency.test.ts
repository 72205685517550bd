import test from 'ava'
import { LatencyHistogram, millisecondsSince, STAMP_BYTES, stamp } from '../../demo/latency.js'

test('an empty histogram has no percentiles', (t) => {
  t.is(new LatencyHistogram().percentile(0.5), undefined)
})

test('percentiles are at most 2 % above the exact ones', (t) => {
  const histogram = new LatencyHistogram()
  for (let latencyMs = 1; latencyMs <= 1000; latencyMs++) histogram.record(latencyMs)
  t.is(histogram.count, 1000)
  for (const share of [0.001, 0.5, 0.9, 0.99, 1]) {
    const exact = share * 1000
    const percentile = histogram.percentile(share)!
    t.true(percentile >= exact * 0.999_999 && percentile <= exact * 1.02, `${share}: ${percentile}`)
  }
})

test('what lies outside of the buckets is counted in the outermost', (t) => {
  const histogram = new LatencyHistogram()
  for (const latencyMs of [0, 1e-9, 1e12]) histogram.record(latencyMs)
  t.is(histogram.count, 3)
  t.is(histogram.percentile(0.5), 0.001)
  t.true(histogram.percentile(1)! > 1_000_000)
})

test('a stamp tells how long ago it was written', (t) => {
  const payload = Buffer.alloc(STAMP_BYTES)
  const before = process.hrtime.bigint()
  stamp(payload)
  const latencyMs = millisecondsSince(payload)
  const elapsedMs = Number(process.hrtime.bigint() - before) / 1e6
  t.true(latencyMs >= 0 && latencyMs <= elapsedMs)
})
