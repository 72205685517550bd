import test from 'ava'
import { dips } from '../../bench/dips.js'

const BEFORE = [100, 100, 90, 120]

test('a rate that stays has no dip', (t) => {
  t.deepEqual(dips(BEFORE, [100, 90, 110, 95, 100]), { median: 100, lowest: 0.9, below: 0, untilStable: 0 })
})

test('a dip lasts until the rate has come back for good', (t) => {
  const after = [100, 0, 50, 100, 100, 20, 100, 95, 100, 90, 100, 100]
  t.deepEqual(dips(BEFORE, after), { median: 100, lowest: 0, below: 3, untilStable: 5 })
})

test('a dip that nothing follows lasts to the end', (t) => {
  t.deepEqual(dips(BEFORE, [100, 80, 100, 100, 100, 100]), {
    median: 100,
    lowest: 0.8,
    below: 1,
    untilStable: 5,
  })
})
