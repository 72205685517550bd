import test from 'ava'
import { CreditWindow } from '../../client/subscriptions/credit-window.js'
import { InboxBudget } from '../../client/subscriptions/inbox-budget.js'

const KIB = 1024

function opened(staysSmall = false): CreditWindow {
  const window = new CreditWindow(new InboxBudget(), staysSmall)
  window.open()
  return window
}

test('[CREDIT-6] it is time to report when half a window is done with, in whatever way', (t) => {
  const window = opened()
  t.is(window.reset(0), 256 * KIB)
  t.false(window.finished(64 * KIB, true))
  t.false(window.expired(32 * KIB, true))
  t.false(window.discarded(32 * KIB - 1, true))
  t.true(window.finished(1, true))
  t.deepEqual(window.report(0), { bytes: 128 * KIB, messages: 2, expired: 1, discarded: 1 })
  t.false(window.hasUnreported)
})

/** A full window of 256 KiB passes, at time 0. */
function active(budget = new InboxBudget()): CreditWindow {
  const window = new CreditWindow(budget, false)
  window.open()
  window.finished(128 * KIB, true)
  window.report(0)
  window.finished(128 * KIB, true)
  window.report(0)
  return window
}

test('[CREDIT-6] the window grows to 1 MiB once a full one has passed', (t) => {
  const window = opened()
  window.finished(128 * KIB, true)
  t.is(window.report(0).bytes, 128 * KIB)
  window.finished(128 * KIB, true)
  t.is(window.report(1).bytes, (128 + 768) * KIB)
  t.is(window.reset(0), 1024 * KIB)
})

test('[CREDIT-6] a window that takes 3 ms to be handled stays as it is', (t) => {
  const window = active()
  for (let half = 1; half <= 10; half++) {
    t.true(window.finished(512 * KIB, true))
    t.is(window.report(1.5 * half).bytes, 512 * KIB)
  }
})

test('[CREDIT-6] a window that is handled sooner is doubled, up to 4 MiB', (t) => {
  const window = active()
  let nowMs = 0
  for (const windowKib of [1024, 2048]) {
    t.false(window.finished(windowKib * (KIB / 2) - 1, true))
    t.true(window.finished(1, true))
    nowMs += 1.4
    t.is(window.report(nowMs).bytes, (windowKib * KIB * 3) / 2)
  }
  window.finished(2048 * KIB, true)
  t.is(window.report(nowMs + 1.4).bytes, 2048 * KIB)
  t.is(window.reset(0), 4096 * KIB)
})

test('[CREDIT-6] a window beyond 1 MiB shrinks by half of what is done with, once it takes 20 ms', (t) => {
  const window = active()
  window.finished(512 * KIB, true)
  t.is(window.report(1).bytes, 1536 * KIB)
  window.finished(1024 * KIB, true)
  t.is(window.report(10.9).bytes, 1024 * KIB, 'not yet')
  window.finished(1024 * KIB, true)
  t.is(window.report(21).bytes, 512 * KIB)
  window.finished(768 * KIB, true)
  t.is(window.report(41).bytes, 384 * KIB)
  window.finished(576 * KIB, true)
  t.is(window.report(62).bytes, (576 - 128) * KIB, 'to 1 MiB and no less')
  t.is(window.reset(0), 1024 * KIB)
})

test('[CREDIT-6] a window beyond 1 MiB shrinks as well where less than half of it is reported', (t) => {
  const window = active()
  window.finished(512 * KIB, true)
  window.report(1)
  window.finished(200 * KIB, true)
  t.is(window.reportSlowly().bytes, 100 * KIB)
  t.is(window.reset(0), 1948 * KIB)
})

test('windows beyond 1 MiB leave half of the budget to others, and what one gives back another may take', (t) => {
  const budget = new InboxBudget()
  const windows = Array.from({ length: 10 }, () => active(budget))
  const sizes = () => windows.map((window) => window.reset(0) / KIB)
  let nowMs = 0
  for (let round = 0; round < 4; round++) {
    nowMs += 0.1
    for (const window of windows) {
      window.finished(4096 * KIB, true)
      window.report(nowMs)
    }
  }
  t.deepEqual(sizes(), [4096, 4096, 4096, 4096, 4096, 4096, 2048, 2048, 2048, 2048])
  windows[0]!.close()
  windows[9]!.finished(4096 * KIB, true)
  windows[9]!.report(nowMs + 0.1)
  t.deepEqual(sizes().slice(1), [4096, 4096, 4096, 4096, 4096, 2048, 2048, 2048, 4096])
})

test('[CREDIT-6] a window through which little passes stays as it is', (t) => {
  const window = opened()
  for (let count = 0; count < 20; count++) {
    window.finished(100 * KIB, true)
    t.is(window.reportSlowly().bytes, 100 * KIB)
    window.finished(130 * KIB, true)
    t.is(window.report(0).bytes, 130 * KIB)
  }
  t.is(window.reset(0), 256 * KIB)
})

test('the window of whoever wants the newest alone is the smallest, and stays so', (t) => {
  const window = opened(true)
  t.is(window.reset(0), 16 * KIB)
  for (let half = 0; half < 10; half++) {
    t.true(window.finished(8 * KIB, true))
    t.is(window.report(0).bytes, 8 * KIB)
  }
})

test('[CREDIT-3] messages of an earlier connection make room, and are not counted', (t) => {
  const window = opened()
  t.is(window.reset(56 * KIB), 200 * KIB)
  window.finished(20 * KIB, false)
  window.expired(20 * KIB, false)
  window.discarded(16 * KIB, false)
  t.deepEqual(window.reportSlowly(), { bytes: 56 * KIB, messages: 0, expired: 0, discarded: 0 })
})
