import assert from 'node:assert/strict'
import test from 'ava'
import fc from 'fast-check'
import type { OverflowPolicy } from '../../protocol/index.js'
import { DeliveryStage, type Sent } from './delivery-stage.js'

const FAR_NS = 2 ** 52
const PAST_NS = 1

/** Messages that are often alike, with others between them. */
const message = fc.record({
  topic: fc.constantFrom('a', 'a', 'a', 'b'),
  priority: fc.constantFrom(0, 0, 0, 5),
  bytes: fc.constantFrom(8, 8, 40, 41, 600),
  byRing: fc.constantFrom(false, false, false, false, false, true),
  expiryNs: fc.constantFrom(0, 0, 0, 0, FAR_NS, PAST_NS),
})

type Step =
  | { readonly read: readonly Omit<Sent, 'mark'>[] }
  | { readonly credit: number; readonly of: number }
  | { readonly isStuck: boolean }
  | { readonly ringsPass: boolean }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ read: fc.array(message, { maxLength: 12 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ credit: fc.integer({ min: 1, max: 2500 }), of: fc.nat(1) }),
  },
  { weight: 1, arbitrary: fc.record({ isStuck: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ ringsPass: fc.boolean() }) },
)

interface Terms {
  readonly overflow: OverflowPolicy
  readonly backlogBytes: number
  readonly backlogMessages: number
  readonly windowBytes: number
}

const terms: fc.Arbitrary<Terms> = fc.record({
  overflow: fc.constantFrom('block', 'drop-oldest', 'drop-newest', 'latest'),
  backlogBytes: fc.integer({ min: 1, max: 6000 }),
  backlogMessages: fc.integer({ min: 1, max: 20 }),
  windowBytes: fc.integer({ min: 0, max: 1500 }),
})

/**
 * What comes of these steps: all that is sent, counted, queued and asked of publishers after each of them. Whether a
 * message leaves at once may depend on what another subscription of its client got before, so there is one, or a group.
 */
function outcome(inRuns: boolean, members: number, spec: Terms, steps: readonly Step[]): unknown[] {
  const stage = new DeliveryStage({ pauseSlackBytes: 2000 })
  stage.inRuns = inRuns
  const group = members === 1 ? undefined : 'members'
  const subscriptions = Array.from({ length: members }, (_, index) =>
    stage.subscribe({ id: index + 1, group, ...spec }),
  )
  // Whose turn it is first among the members is left to chance.
  for (const topic of ['a', 'b']) {
    const { groups } = stage.router.targetsOf(stage.prepared({ topic, mark: 0 }).route)
    for (const each of groups) each.turn = 0
  }
  let mark = 0
  const taken: unknown[] = []
  for (const next of steps) {
    if ('read' in next) stage.publish(next.read.map((sent) => ({ ...sent, mark: ++mark })))
    else if ('credit' in next) stage.credit(subscriptions[next.of % members]!, next.credit)
    else if ('ringsPass' in next) {
      stage.rings.passes = next.ringsPass
      for (const subscription of subscriptions) stage.outbox.unblock(subscription)
      stage.flush()
    } else if (next.isStuck) stage.channel.isStuck = true
    else stage.channel.release()
    taken.push(
      subscriptions.map(({ id, credit, inFlight, queuedMessages, queuedBytes, counts, isSlow }) => ({
        id,
        ...{ credit, inFlight, queuedMessages, queuedBytes, isSlow },
        ...{ matched: counts.matched, drops: { ...counts.drops } },
        received: stage.received.get(id)!.map((sent) => ({ ...sent })),
        full: stage.full.filter(({ subscription }) => subscription === id),
      })),
      { ...stage.overflow.gauges },
      { ...stage.overflow.counts.drops },
      stage.rings.references,
      stage.outbox.messagesSent,
      stage.router.messagesRouted,
    )
  }
  return taken
}

test('[ORDER-2] [CREDIT-2] [FLOW-1] a run of messages comes to the same as each of them by itself', (t) => {
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.constantFrom(1, 2), terms, fc.array(step, { maxLength: 40 }), (members, spec, steps) => {
        assert.deepEqual(outcome(true, members, spec, steps), outcome(false, members, spec, steps))
      }),
      { numRuns: 500 },
    )
  })
})

test('[CREDIT-2] of a run as many messages leave as credit permits, and the rest waits', (t) => {
  const stage = new DeliveryStage()
  const subscription = stage.subscribe({ id: 1, windowBytes: 100 })
  const run = Array.from({ length: 10 }, (_, mark) => ({ topic: 'a', mark, bytes: 24 }))
  stage.publish(run)
  t.deepEqual(
    stage.received.get(1)!.map(({ mark }) => mark),
    [0, 1, 2],
  )
  t.is(subscription.credit, -20)
  t.is(subscription.queuedMessages, 7)
  stage.credit(subscription, 60)
  t.is(subscription.queuedMessages, 6)
  t.is(subscription.credit, 0)
  stage.credit(subscription, 1000)
  t.deepEqual(
    stage.received.get(1)!.map(({ mark }) => mark),
    run.map(({ mark }) => mark),
  )
  t.is(subscription.inFlight, 10)
})

test('[FLOW-1] of a run that does not fit, what fits is kept, and the oldest of what is less urgent goes', (t) => {
  const stage = new DeliveryStage()
  const subscription = stage.subscribe({ id: 1, overflow: 'drop-oldest', backlogMessages: 5 })
  const run = (first: number, priority: number) =>
    Array.from({ length: 4 }, (_, index) => ({ topic: 'a', mark: first + index, priority }))
  stage.publish(run(0, 0))
  stage.publish(run(4, 7))
  t.is(subscription.counts.drops.oldest, 3)
  stage.credit(subscription, 10_000)
  t.deepEqual(
    stage.received.get(1)!.map(({ mark }) => mark),
    [4, 5, 6, 7, 3],
  )
})

test('[FLOW-1] of a run the last message is the latest, and the others count as replaced', (t) => {
  const stage = new DeliveryStage()
  const subscription = stage.subscribe({ id: 1, overflow: 'latest' })
  for (const first of [0, 6]) {
    stage.publish(Array.from({ length: 6 }, (_, index) => ({ topic: 'a', mark: first + index })))
  }
  t.is(subscription.queuedMessages, 1)
  t.is(subscription.counts.drops.replaced, 11)
  stage.credit(subscription, 10_000)
  t.deepEqual(
    stage.received.get(1)!.map(({ mark }) => mark),
    [11],
  )
})
