import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import fc from 'fast-check'
import type { Subscription } from '../../broker/routing/subscription.js'
import { Kind } from '../../protocol/index.js'
import { BacklogModel } from './backlog-model.js'
import { DeliveryStage, type Sent, weightOf } from './delivery-stage.js'

const PLENTY = 1e9

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function marks(stage: DeliveryStage, id = 1): number[] {
  return stage.received.get(id)!.map(({ mark }) => mark)
}

function numbered(count: number, message: Partial<Sent> = {}): Sent[] {
  return Array.from({ length: count }, (_, mark) => ({ topic: 'a', ...message, mark }))
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index)
}

const message = fc.record({
  topic: fc.constantFrom('a', 'b', 'c', 'd'),
  priority: fc.oneof(fc.constantFrom(0, 3), fc.nat(31)),
  bytes: fc.oneof(fc.integer({ min: 8, max: 60 }), fc.integer({ min: 8, max: 900 })),
  byRing: fc.boolean(),
  expiryNs: fc.constant(0),
})

for (const overflow of ['drop-oldest', 'drop-newest', 'latest'] as const) {
  test(`[FLOW-1] ${overflow}: what waits, and what is dropped, is what the rule says`, (t) => {
    fc.assert(
      fc.property(
        fc.array(fc.array(message, { maxLength: 8 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 4000 }),
        fc.integer({ min: 1, max: 12 }),
        (reads, backlogBytes, backlogMessages) => {
          const stage = new DeliveryStage()
          const subscription = stage.subscribe({ id: 1, overflow, backlogBytes, backlogMessages })
          const model = new BacklogModel(overflow, backlogBytes, backlogMessages)
          let mark = 0
          for (const read of reads) {
            const sent = read.map((fields) => ({ ...fields, mark: ++mark }))
            stage.publish(sent)
            for (const each of sent) model.push(each)
            t.is(subscription.queuedMessages, model.messages)
            t.is(subscription.queuedBytes, model.bytes)
            t.like(subscription.counts.drops, model.dropped)
          }
          const references = stage.rings.references
          stage.credit(subscription, PLENTY)
          t.deepEqual(marks(stage), model.order)
          t.is(stage.received.get(1)!.filter(({ byRing }) => byRing).length, references)
          t.is(stage.rings.references, 0)
          t.like(stage.overflow.gauges, { queued: 0, heapBytes: 0, ringBytes: 0, inFlight: model.messages })
        },
      ),
      { numRuns: 150 },
    )
  })
}

test('[FLOW-1] block: everything waits, and its publisher is named by the alias that it used', (t) => {
  const stage = new DeliveryStage()
  const subscription = stage.subscribe({ id: 1, backlogMessages: 2 })
  stage.publish(numbered(4), 9)
  t.is(subscription.queuedMessages, 4)
  t.true(subscription.isFull)
  const full = { subscription: 1, topic: 'a', publisher: 77, alias: 9 }
  t.deepEqual(stage.full, [full, full])
  stage.credit(subscription, 1)
  t.true(stage.relieved.includes(1))
  t.is(subscription.counts.dropped, 0)
})

test('[FLOW-1] what the broker publishes pauses nobody: a full blocking subscription drops its oldest', (t) => {
  const stage = new DeliveryStage()
  const subscription = stage.subscribe({ id: 1, backlogMessages: 2 })
  const own = stage.subscribe({ id: 2, backlogMessages: 2, pattern: '$SYS.>' })
  t.is(own.policy, 'drop-oldest')
  stage.publish(numbered(4), 0, 'broker')
  stage.publish(numbered(4, { topic: '$SYS.x' }))
  t.deepEqual(stage.full, [])
  for (const each of [subscription, own]) {
    t.is(each.counts.drops.oldest, 2)
    stage.credit(each, PLENTY)
    t.deepEqual(marks(stage, each.id), [2, 3])
  }
})

test('[FLOW-2] beyond its limit and the slack a blocking subscription is slow at once; payloads in rings are no slack', (t) => {
  const limits = { backlogBytesMax: 2000, pauseSlackBytes: 1000 }
  const stage = new DeliveryStage(limits)
  const subscription = stage.subscribe({ id: 1 })
  stage.publish(numbered(10, { bytes: 5000, byRing: true }))
  t.false(subscription.isSlow)
  t.is(subscription.counts.dropped, 0)
  stage.publish(numbered(15, { bytes: 84 }))
  t.is(subscription.counts.dropped, 0)
  // 512 for the topic, 10 × 48, 21 × 100: more than 3000
  stage.publish(numbered(6, { bytes: 84 }))
  t.true(subscription.isSlow)
  t.is(subscription.policy, 'drop-oldest')
  t.true(subscription.queuedBytes <= 2000)
  t.is(subscription.counts.drops.oldest, 31 - subscription.queuedMessages)
  t.is(stage.rings.references, 0)
  t.deepEqual(stage.suffering, [1])
  const asked = stage.full.length
  stage.publish(numbered(20))
  t.is(stage.full.length, asked)
})

test('[FLOW-2] a subscription that becomes slow drops what it has too much, oldest first', (t) => {
  const stage = new DeliveryStage()
  const subscription = stage.subscribe({ id: 1, backlogMessages: 3 })
  stage.publish(numbered(10))
  stage.overflow.makeSlow(subscription)
  t.like(subscription, { queuedMessages: 3, isSlow: true, policy: 'drop-oldest' })
  t.is(subscription.counts.drops.oldest, 7)
  stage.flush()
  t.deepEqual(stage.controls, [{ kind: Kind.SLOW, id: 1 }])
  stage.credit(subscription, PLENTY)
  t.deepEqual(marks(stage), [7, 8, 9])
  for (const overflow of ['drop-newest', 'latest', 'disconnect'] as const) {
    const other = stage.subscribe({ id: 2, overflow })
    stage.overflow.makeSlow(other)
    t.false(other.isSlow)
    stage.overflow.end(other)
  }
})

test('[FLOW-2] a slow subscription blocks again after it was calm for ten times pauseTimeoutMs', async (t) => {
  const stage = new DeliveryStage({ pauseTimeoutMs: 10 })
  const [subscription, busy] = [
    stage.subscribe({ id: 1, backlogMessages: 4 }),
    stage.subscribe({ id: 2, backlogMessages: 4 }),
  ]
  stage.publish(numbered(4))
  const sinceMs = performance.now()
  for (const each of [subscription, busy]) stage.overflow.makeSlow(each)
  // Two are half of its limit; the other one stays at three.
  stage.credit(subscription, 25)
  stage.credit(busy, 1)
  while (stage.recovered.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  t.true(performance.now() - sinceMs >= 100)
  t.deepEqual(stage.recovered, [1])
  t.like(subscription, { isSlow: false, policy: 'block', slowSinceMs: undefined })
  t.true(busy.isSlow)
  stage.publish(numbered(3))
  t.true(stage.full.length > 0)
})

test('[FLOW-1] disconnect: the client is let go once there is no room', (t) => {
  const stage = new DeliveryStage()
  const subscription = stage.subscribe({ id: 1, overflow: 'disconnect', backlogMessages: 3 })
  stage.publish(numbered(3))
  t.deepEqual(stage.overflows, [])
  stage.publish(numbered(3))
  t.deepEqual(stage.overflows, ['SLOW_CONSUMER'])
  t.is(subscription.counts.matched, subscription.counts.dropped + subscription.queuedMessages)
})

test('[FLOW-1] when all backlogs together are full, whoever has something queued gets no more than that', (t) => {
  const stage = new DeliveryStage({ backlogTotalBytesMax: 8000, pauseSlackBytes: 1000 })
  const [oldest, newest, blocking, idle] = [
    stage.subscribe({ id: 1, overflow: 'drop-oldest', pattern: 'a' }),
    stage.subscribe({ id: 2, overflow: 'drop-newest', pattern: 'b' }),
    stage.subscribe({ id: 3, pattern: 'c' }),
    stage.subscribe({ id: 4, pattern: 'd' }),
  ]
  stage.publish(numbered(2, { topic: 'c', bytes: 84 }))
  stage.publish(numbered(20, { topic: 'b', bytes: 84 }))
  stage.publish(numbered(30, { topic: 'a', bytes: 84 }))
  t.is(oldest.queuedMessages, 30)
  // 3 × 512 and 52 × 100 bytes: blocking ones count as full, in time for their publishers to be paused.
  stage.publish(numbered(5, { topic: 'c', bytes: 84 }))
  t.like(blocking, { queuedMessages: 7, isFull: true, isSlow: false })
  t.is(stage.full.length, 3)
  stage.publish(numbered(10, { topic: 'a', bytes: 84 }))
  t.true(stage.overflow.gauges.heapBytes <= 8000)
  const before = oldest.queuedMessages
  stage.publish(numbered(10, { topic: 'a', bytes: 84 }))
  stage.publish(numbered(10, { topic: 'b', bytes: 84 }))
  t.true(oldest.queuedMessages <= before)
  t.is(newest.queuedMessages, 20)
  stage.publish(numbered(10, { topic: 'c', bytes: 84 }))
  t.true(blocking.isSlow)
  stage.publish(numbered(3, { topic: 'd', bytes: 84 }))
  t.is(idle.queuedMessages, 1)
  t.true(stage.overflow.gauges.heapBytes <= 8000 + 512 + 100)
})

test('blocks of a queue that evicts while its client does not read are not written before they have left', (t) => {
  const stage = new DeliveryStage()
  const subscription = stage.subscribe({ id: 1, overflow: 'drop-oldest', backlogMessages: 4000 })
  let mark = 0
  const publishSome = (count: number) => {
    for (let left = count; left > 0; left -= 500) {
      stage.publish(Array.from({ length: 500 }, () => ({ topic: 'a', mark: mark++, bytes: 200 })))
    }
  }
  // Often enough for all of its blocks to be of those that are used again.
  publishSome(10_000)
  // It stays in the channel as it lies there when the rest of its block is evicted, and the queue goes on.
  stage.channel.isStuck = true
  stage.credit(subscription, 30_000)
  const sent = subscription.inFlight
  t.true(sent > 100)
  publishSome(20_000)
  stage.channel.release()
  t.deepEqual(marks(stage), range(6000, sent))
  stage.credit(subscription, PLENTY)
  t.deepEqual(marks(stage).slice(sent), range(26_000, 4000))
})

test('[FLOW-3] of a subscription that has ended nothing is told any more', (t) => {
  const stage = new DeliveryStage()
  const subscription = stage.subscribe({
    id: 1,
    overflow: 'drop-oldest',
    backlogMessages: 1,
    windowBytes: PLENTY,
  })
  stage.channel.isStuck = true
  stage.publish(numbered(2))
  stage.publish(numbered(2))
  t.deepEqual(stage.suffering, [1])
  stage.overflow.end(subscription)
  stage.channel.release()
  t.deepEqual(stage.controls, [])
})

for (const overflow of ['drop-oldest', 'latest'] as const) {
  test(`a million messages to a stuck ${overflow} subscriber take no more memory than its backlog`, (t) => {
    const stage = new DeliveryStage()
    const subscription = stage.subscribe({ id: 1, overflow, backlogMessages: 5000 })
    const topics = Array.from({ length: 100 }, (_, index) => `t.${index}`)
    const read = Array.from({ length: 1000 }, (_, mark) =>
      stage.prepared({ topic: topics[mark % 100]!, mark, bytes: 100, priority: mark % 3 }),
    )
    const used = () => {
      collectGarbage()
      return process.memoryUsage().arrayBuffers
    }
    for (let round = 0; round < 20; round++) stage.send(read)
    const before = used()
    for (let round = 0; round < 1000; round++) stage.send(read)
    t.true(used() - before < 16 * 1024 * 1024, `${used() - before} bytes more`)
    t.is(subscription.queuedMessages, overflow === 'latest' ? 100 : 5000)
    t.is(subscription.counts.matched, 1_020_000)
    t.is(subscription.counts.dropped, 1_020_000 - subscription.queuedMessages)
  })
}

test('a frame that waits for its ring and is dropped holds up nothing behind it', (t) => {
  for (const overflow of ['drop-oldest', 'latest'] as const) {
    const stage = new DeliveryStage()
    const subscription = stage.subscribe({ id: 1, overflow, backlogMessages: 1, windowBytes: PLENTY })
    stage.rings.passes = false
    stage.publish([{ topic: 'a', mark: 1, byRing: true, bytes: 5000 }])
    t.is(subscription.queuedMessages, 1)
    stage.publish([{ topic: 'a', mark: 2 }])
    t.deepEqual(marks(stage), [2])
    t.is(stage.rings.references, 0)
  }
})

function roomOf({ roomBytes, isFull }: Subscription): object {
  return { roomBytes, isFull }
}

test('the room of a subscription is that of its bytes, or of its messages where those are scarcer', (t) => {
  const stage = new DeliveryStage()
  const subscription = stage.subscribe({ id: 1, backlogBytes: 10_000, backlogMessages: 10 })
  t.deepEqual(roomOf(subscription), { roomBytes: 10_000, isFull: false })
  stage.publish(numbered(4, { bytes: 8 }))
  t.deepEqual(roomOf(subscription), { roomBytes: 6000, isFull: false })
  stage.publish(numbered(1, { bytes: 7000 }))
  const taken =
    512 + 4 * weightOf({ mark: 0, topic: 'a', bytes: 8 }) + weightOf({ mark: 0, topic: 'a', bytes: 7000 })
  t.deepEqual(roomOf(subscription), { roomBytes: 10_000 - taken, isFull: false })
  stage.publish(numbered(1, { bytes: 7000 }))
  t.deepEqual(roomOf(subscription), { roomBytes: 0, isFull: true })
  t.is(subscription.limits.bytes, 10_000)
})
