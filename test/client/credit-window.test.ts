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
  t.deepEqual(window.report(), { bytes: 128 * KIB, messages: 2, expired: 1, discarded: 1 })
  t.false(window.hasUnreported)
})

test('[CREDIT-6] the window grows to 1 MiB once a full one has passed, and no further', (t) => {
  const window = opened()
  window.finished(128 * KIB, true)
  t.is(window.report().bytes, 128 * KIB)
  window.finished(128 * KIB, true)
  t.is(window.report().bytes, (128 + 768) * KIB)
  t.is(window.reset(0), 1024 * KIB)
  for (let half = 0; half < 10; half++) {
    t.true(window.finished(512 * KIB, true))
    t.is(window.report().bytes, 512 * KIB)
  }
})

test('[CREDIT-6] a window through which little passes stays as it is', (t) => {
  const window = opened()
  for (let count = 0; count < 20; count++) {
    window.finished(100 * KIB, true)
    t.is(window.reportSlowly().bytes, 100 * KIB)
    window.finished(130 * KIB, true)
    t.is(window.report().bytes, 130 * KIB)
  }
  t.is(window.reset(0), 256 * KIB)
})

test('the window of whoever wants the newest alone is the smallest, and stays so', (t) => {
  const window = opened(true)
  t.is(window.reset(0), 16 * KIB)
  for (let half = 0; half < 10; half++) {
    t.true(window.finished(8 * KIB, true))
    t.is(window.report().bytes, 8 * KIB)
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
