import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { Subscription } from '../../broker/routing/subscription.js'
import { OVERFLOW_POLICIES } from '../../protocol/index.js'
import { DeliveryStage, type Sent } from './delivery-stage.js'

type Step =
  | { readonly does: 'publish'; readonly messages: readonly Omit<Sent, 'mark'>[] }
  | { readonly does: 'credit'; readonly which: number; readonly bytes: number }
  | { readonly does: 'report'; readonly which: number; readonly parts: readonly [number, number, number] }
  | { readonly does: 'drain' | 'end' | 'hang up' | 'make slow'; readonly which: number }
  | { readonly does: 'stick' | 'release' | 'hold rings' | 'let rings pass' }

const which = fc.nat(5)
const PAST_NS = 1
const FAR_NS = 2 ** 53

const messages = fc.array(
  fc.record({
    topic: fc.constantFrom('a', 'b', 'c'),
    priority: fc.constantFrom(0, 3, 31),
    bytes: fc.oneof(fc.integer({ min: 8, max: 100 }), fc.integer({ min: 8, max: 30_000 })),
    byRing: fc.boolean(),
    expiryNs: fc.constantFrom(0, 0, 0, FAR_NS, PAST_NS),
  }),
  { maxLength: 20 },
)

const publishing = fc.record({ does: fc.constant('publish' as const), messages })
const step: fc.Arbitrary<Step> = fc.oneof(
  publishing,
  publishing,
  fc.record({ does: fc.constant('credit' as const), which, bytes: fc.nat(60_000) }),
  fc.record({
    does: fc.constant('report' as const),
    which,
    parts: fc.tuple(fc.nat(9), fc.nat(2), fc.nat(2)),
  }),
  fc.record({ does: fc.constantFrom('drain' as const, 'end' as const, 'make slow' as const), which }),
  fc.record({
    does: fc.constantFrom(
      'stick' as const,
      'release' as const,
      'hold rings' as const,
      'let rings pass' as const,
    ),
  }),
)

/** What every subscription shows, and all together, after each step. */
function addsUp(t: ExecutionContext, stage: DeliveryStage, subscriptions: readonly Subscription[]): void {
  const sums = { matched: 0, handled: 0, dropped: 0, queued: 0, heapBytes: 0, ringBytes: 0, inFlight: 0 }
  for (const { counts, queuedMessages, inFlight, backlog } of subscriptions) {
    t.is(counts.matched, counts.handled + counts.dropped + queuedMessages + inFlight)
    sums.matched += counts.matched
    sums.handled += counts.handled
    sums.dropped += counts.dropped
    sums.queued += queuedMessages
    sums.inFlight += inFlight
    sums.heapBytes += backlog?.heapBytes ?? 0
    sums.ringBytes += backlog?.ringBytes ?? 0
  }
  const { counts, gauges } = stage.overflow
  const { matched, handled, dropped } = counts
  t.deepEqual({ matched, handled, dropped, ...gauges }, sums)
}

function take(stage: DeliveryStage, subscriptions: readonly Subscription[], step: Step): void {
  const subscription = 'which' in step ? subscriptions[step.which]! : subscriptions[0]!
  const { isEnded, isDraining } = subscription
  switch (step.does) {
    case 'publish':
      return stage.publish(step.messages.map((message, mark) => ({ ...message, mark })))
    case 'credit':
      return isEnded ? undefined : stage.credit(subscription, step.bytes)
    case 'report': {
      const [handled, expired, discarded] = step.parts
      if (handled + expired + discarded > subscription.inFlight) return
      return subscription.report(handled, expired, discarded)
    }
    case 'drain':
      if (isEnded || isDraining || subscription.queuedMessages === 0) return
      stage.router.unsubscribe(subscription)
      subscription.onEmptied = () => stage.overflow.end(subscription)
      return stage.overflow.draining(subscription)
    case 'end':
    case 'hang up':
      if (isEnded) return
      if (!isDraining) stage.router.unsubscribe(subscription)
      stage.overflow.end(subscription)
      if (step.does === 'hang up') subscription.lose()
      return
    case 'make slow':
      return stage.overflow.makeSlow(subscription)
    case 'stick':
      stage.channel.isStuck = true
      return
    case 'release':
      return stage.channel.release()
    case 'hold rings':
      stage.rings.passes = false
      return
    case 'let rings pass':
      stage.rings.passes = true
      for (const each of subscriptions) if (!each.isEnded) stage.outbox.unblock(each)
      return stage.flush()
  }
}

test('matched = handled + dropped + queued + in flight after every step, for each subscription and for all', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const stage = new DeliveryStage({ backlogTotalBytesMax: 150_000, pauseSlackBytes: 5000 })
      const policies = [
        ...OVERFLOW_POLICIES.filter((policy) => policy !== 'disconnect'),
        'block',
        'latest',
      ] as const
      const subscriptions = policies.map((overflow, index) =>
        stage.subscribe({
          id: index + 1,
          overflow,
          pattern: index < 4 ? '>' : 'a',
          group: index === 3 ? 'g' : undefined,
          windowBytes: index === 1 ? 1e9 : 0,
          backlogMessages: index === 5 ? undefined : 12,
          backlogBytes: 40_000,
        }),
      )
      for (const each of steps) {
        take(stage, subscriptions, each)
        addsUp(t, stage, subscriptions)
      }
      stage.channel.release()
      // What was sent has arrived, whole, and nothing else has.
      for (const subscription of subscriptions) {
        const { counts, inFlight, id } = subscription
        const { discarded, lost } = counts.drops
        t.true(
          stage.received.get(id)!.length <=
            counts.handled + counts.drops.expired + discarded + lost + inFlight,
        )
        take(stage, subscriptions, { does: 'hang up', which: id - 1 })
        if (subscription.inFlight > 0) subscription.lose()
        addsUp(t, stage, subscriptions)
      }
      t.is(stage.rings.references, 0)
      t.like(stage.overflow.gauges, { queued: 0, heapBytes: 0, ringBytes: 0, inFlight: 0 })
    }),
    { numRuns: 300 },
  )
})

test('[WIRE-3.2] a message that has expired as it arrives is sent to nobody, and counted for each', (t) => {
  const stage = new DeliveryStage()
  const subscriptions = [stage.subscribe({ id: 1, windowBytes: 1e9 }), stage.subscribe({ id: 2, group: 'g' })]
  stage.publish([
    { topic: 'a', mark: 1, expiryNs: PAST_NS },
    { topic: 'a', mark: 2, expiryNs: FAR_NS },
  ])
  for (const { counts } of subscriptions) t.like(counts, { matched: 2, drops: { expired: 1 } })
  t.deepEqual(
    stage.received.get(1)!.map(({ mark }) => mark),
    [2],
  )
  addsUp(t, stage, subscriptions)
})
