import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { nowInNs } from '../../broker/flow/expiry-sweeps.js'
import { DeliveryStage } from './delivery-stage.js'

const SOON_NS = 1e9

for (const overflow of ['drop-oldest', 'latest'] as const) {
  test(`[WIRE-3.2] ${overflow}: what expires leaves the backlog of a subscriber that takes nothing`, async (t) => {
    const stage = new DeliveryStage()
    const subscription = stage.subscribe({ id: 1, overflow })
    const soonNs = nowInNs() + SOON_NS
    // Before, between and behind those that stay, over several blocks.
    stage.publish(
      Array.from({ length: 900 }, (_, mark) => ({
        topic: `t.${mark}`,
        mark,
        bytes: 500,
        byRing: mark % 7 === 0,
        priority: mark % 3,
        expiryNs: mark % 10 === 5 ? 0 : soonNs,
      })),
    )
    const isRelieved = () => stage.relieved.includes(1)
    while (subscription.queuedMessages > 90) await delay(10)
    t.true(isRelieved())
    t.true(nowInNs() > soonNs)
    t.like(subscription.counts, { matched: 900, dropped: 810, drops: { expired: 810 } })
    stage.credit(subscription, 1e9)
    const expected = [2, 1, 0].flatMap((priority) =>
      Array.from({ length: 90 }, (_, index) => index * 10 + 5).filter((mark) => mark % 3 === priority),
    )
    t.deepEqual(
      stage.received.get(1)!.map(({ mark }) => mark),
      expected,
    )
    t.is(stage.rings.references, 0)
    t.like(stage.overflow.gauges, { queued: 0, heapBytes: 0, ringBytes: 0 })
  })
}

test('[WIRE-3.2] no live message is dropped while an expired one takes room', async (t) => {
  for (const overflow of ['drop-oldest', 'drop-newest', 'block'] as const) {
    const stage = new DeliveryStage()
    const subscription = stage.subscribe({ id: 1, overflow, backlogMessages: 3 })
    const soonNs = nowInNs() + SOON_NS / 10
    stage.publish([
      { topic: 'a', mark: 1 },
      { topic: 'a', mark: 2, expiryNs: soonNs },
      { topic: 'a', mark: 3, priority: 5, expiryNs: soonNs },
    ])
    // The timer does not come in between: nothing else runs.
    while (nowInNs() <= soonNs);
    stage.publish([
      { topic: 'a', mark: 4 },
      { topic: 'a', mark: 5 },
    ])
    t.like(subscription.counts, { dropped: 2, drops: { expired: 2 } }, overflow)
    t.deepEqual(stage.full, [])
    stage.credit(subscription, 1e9)
    t.deepEqual(
      stage.received.get(1)!.map(({ mark }) => mark),
      [1, 4, 5],
    )
  }
})

test('[WIRE-3.2] a draining subscription whose last message expires ends', async (t) => {
  const stage = new DeliveryStage()
  const subscription = stage.subscribe({ id: 1 })
  const soonNs = nowInNs() + SOON_NS
  stage.publish([{ topic: 'a', mark: 1, expiryNs: soonNs }])
  let isEmptied = false
  subscription.onEmptied = () => {
    isEmptied = true
  }
  while (!isEmptied) await delay(5)
  t.true(nowInNs() > soonNs)
  t.is(subscription.counts.drops.expired, 1)
})

test('[WIRE-3.2] the next expiry is known after some have passed', async (t) => {
  const stage = new DeliveryStage()
  const subscription = stage.subscribe({ id: 1 })
  const startNs = nowInNs()
  const times = [100e6, 250e6, 400e6].map((afterNs) => startNs + afterNs)
  stage.publish(times.map((expiryNs, mark) => ({ topic: 'a', mark, expiryNs })))
  for (const [index, expiryNs] of times.entries()) {
    while (subscription.queuedMessages > times.length - index - 1) await delay(5)
    t.true(nowInNs() > expiryNs)
  }
})
