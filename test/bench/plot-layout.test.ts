import test from 'ava'
import fc from 'fast-check'
import { type Axis, linearAxis, logAxis, shareOf } from '../../bench/plots/axis.js'
import { spaced } from '../../bench/plots/spaced.js'

const magnitude = fc.double({ min: -3, max: 12, noNaN: true }).map((exponent) => 10 ** exponent)
const magnitudes = fc.array(magnitude, { minLength: 1, maxLength: 20 })

function assertHolds(t: { true(actual: boolean, message: string): unknown }, axis: Axis, values: number[]) {
  const message = JSON.stringify({ axis, values })
  for (const value of values) {
    const share = shareOf(axis, value)
    t.true(share >= 0 && share <= 1, message)
  }
  const places = axis.ticks.map(({ at }) => shareOf(axis, at))
  t.true(places.length >= 2 && places[0] === 0 && places.at(-1) === 1, message)
  t.true(new Set(axis.ticks.map(({ label }) => label)).size === axis.ticks.length, message)
}

test('every value lies within an axis, which begins and ends with a tick', (t) => {
  fc.assert(
    fc.property(magnitudes, (values) => {
      assertHolds(t, logAxis('of magnitudes', values, String), values)
      assertHolds(t, linearAxis('from zero', values, String), values)
    }),
    { seed: 7 },
  )
})

test('an axis over few decades has ticks at 1, 2 and 5', (t) => {
  t.deepEqual(
    logAxis('', [15, 300], String).ticks.map(({ at }) => at),
    [10, 20, 50, 100, 200, 500],
  )
  t.deepEqual(
    logAxis('', [15, 300_000], String).ticks.map(({ at }) => at),
    [10, 100, 1000, 10_000, 100_000, 1_000_000],
  )
})

const GAP = 17
const BOUNDS = [80, 380] as const

test('names never lie on each other, and keep the order of what they name', (t) => {
  const places = fc.array(fc.double({ min: 80, max: 380, noNaN: true }), { maxLength: 17 })
  fc.assert(
    fc.property(places, (wanted) => {
      const found = spaced(wanted, GAP, BOUNDS)
      const order = wanted.map((_, index) => index).sort((left, right) => wanted[left]! - wanted[right]!)
      const sorted = order.map((index) => found[index]!)
      for (const [rank, place] of sorted.entries()) {
        if (rank > 0) t.true(place - sorted[rank - 1]! >= GAP - 1e-6, JSON.stringify({ wanted, found }))
        t.true(place >= BOUNDS[0] - 1e-6 && place <= BOUNDS[1] + 1e-6, JSON.stringify({ wanted, found }))
      }
    }),
    { seed: 8 },
  )
})

test('names that are far enough apart stay where they are', (t) => {
  t.deepEqual(spaced([200, 100, 117], GAP, BOUNDS), [200, 100, 117])
  t.deepEqual(spaced([100, 100], GAP, BOUNDS), [91.5, 108.5])
})
