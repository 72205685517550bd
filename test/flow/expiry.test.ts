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
    let isRelieved = false
    subscription.onRelieved = () => {
      isRelieved = true
    }
    while (subscription.queuedMessages > 90) await delay(10)
    t.true(isRelieved)
    t.true(stage.relieved.includes(1))
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

test('what is closed up because frames between have expired is not written before it has left', async (t) => {
  const stage = new DeliveryStage()
  const subscription = stage.subscribe({
    id: 1,
    overflow: 'drop-oldest',
    backlogMessages: 4000,
    pattern: 'a',
  })
  stage.subscribe({ id: 2, pattern: 'b' })
  let mark = 0
  const publishSome = (count: number, expiryNs = 0) => {
    for (let left = count; left > 0; left -= 500) {
      const read = Array.from({ length: 500 }, () => ({ topic: 'a', mark: mark++, bytes: 200 }))
      stage.publish(read.map((message) => (message.mark % 10 === 9 ? { ...message, expiryNs } : message)))
    }
  }
  // The first expires soon after, behind others that are being sent by then.
  publishSome(10_000)
  const soonNs = nowInNs() + SOON_NS
  publishSome(2000, soonNs)
  stage.channel.isStuck = true
  stage.credit(subscription, 30_000)
  const sent = subscription.inFlight
  t.true(sent > 100)
  while (subscription.counts.drops.expired < 200) await delay(5)
  // As much as uses every block that was given back.
  for (let count = 0; count < 100; count++) {
    stage.publish(Array.from({ length: 100 }, () => ({ topic: 'b', mark: 0, bytes: 1000 })))
  }
  stage.channel.release()
  const received = stage.received.get(1)!.map((message) => message.mark)
  t.deepEqual(
    received,
    Array.from({ length: sent }, (_, index) => 8000 + index),
  )
})
