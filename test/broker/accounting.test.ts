import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import type { Drops } from '../../broker/routing/delivery-counts.js'
import { HOUR_NS, passTime, startBench } from './fixtures.js'
import { credit, publish, subscribe, topic, unsubscribe } from './frames.js'
import type { Client } from './transcript.js'

interface Counts {
  readonly subscription: number
  readonly matched: number
  readonly handled: number
  readonly dropped: number
  readonly droppedBy: Drops
  readonly queued: number
  readonly inFlight: number
}

async function countsOf(observer: Client): Promise<Counts[]> {
  const { rows } = await observer.ask<{ rows: Counts[] }>('$SYS.subscriptions')
  return rows
}

function addsUp(t: ExecutionContext, counts: Counts): void {
  const { matched, handled, dropped, droppedBy, queued, inFlight } = counts
  t.is(matched, handled + dropped + queued + inFlight, JSON.stringify(counts))
  t.is(
    dropped,
    Object.values(droppedBy).reduce((sum, count) => sum + count),
  )
}

test('matched = handled + dropped + queued + in flight, at every moment', async (t) => {
  const { client } = await startBench(t, { backlogMessagesMax: 5 })
  const [publisher, subscriber, observer] = [await client(), await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 60, overflow: 'drop-newest' }))
  await subscriber.expectNothing()
  const look = async (expected: object) => {
    const [counts] = await countsOf(observer)
    addsUp(t, counts!)
    t.like(counts, expected)
  }
  await look({ matched: 0 })
  const expiryNs = Number(process.hrtime.bigint()) + HOUR_NS
  publisher.send(topic(0, 'a'), ...['1', '2', '3', '4'].map((mark) => publish(0, mark)))
  await publisher.expectNothing()
  await look({ matched: 4, inFlight: 4 })
  publisher.send(...['5', '6', '7'].map((mark) => publish(0, mark, { expiryNs })))
  publisher.send(...['8', '9', '10', '11'].map((mark) => publish(0, mark)))
  await publisher.expectNothing()
  await look({ matched: 11, inFlight: 4, queued: 5, dropped: 2 })
  await subscriber.texts(4)
  subscriber.send(credit(1, 8, 2))
  await subscriber.expectNothing()
  await look({ handled: 2, inFlight: 2, queued: 5 })
  passTime(t, HOUR_NS)
  subscriber.send(credit(1, 1, 0, 1))
  // 17 bytes of credit: one of the two that have not expired
  t.deepEqual(await subscriber.texts(1), ['8'])
  await subscriber.expectNothing()
  await look({ handled: 2, inFlight: 2, queued: 1, dropped: 6, droppedBy: { expired: 4, newest: 2 } })
  subscriber.send(unsubscribe(1, { drain: true }))
  await subscriber.expectNothing()
  await look({ matched: 11, queued: 1 })
})

type Step =
  | { readonly does: 'publish'; readonly priority: number; readonly bytes: number }
  | { readonly does: 'credit'; readonly id: number; readonly bytes: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    does: fc.constant('publish' as const),
    priority: fc.nat(31),
    bytes: fc.nat(300),
  }),
  fc.record({
    does: fc.constant('credit' as const),
    id: fc.integer({ min: 1, max: 3 }),
    bytes: fc.nat(500),
  }),
)

test('the counts add up whatever is published and granted, and what was sent was counted', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { client, broker } = await startBench(t, { backlogMessagesMax: 8, backlogBytesMax: 1500 })
      const [publisher, subscriber] = [await client(), await client()]
      subscriber.send(subscribe(1, 'a', { window: 0, overflow: 'drop-oldest' }))
      subscriber.send(subscribe(2, '>', { window: 100, overflow: 'drop-newest' }))
      subscriber.send(subscribe(3, '*', { window: 1, group: 'g', overflow: 'latest' }))
      await subscriber.expectNothing()
      publisher.send(topic(0, 'a'))
      const received = [0, 0, 0, 0]
      const reported = [0, 0, 0, 0]
      for (const { ...step } of steps) {
        if (step.does === 'publish') {
          publisher.send(publish(0, '.'.repeat(step.bytes), { priority: step.priority }))
          await publisher.expectNothing()
        } else {
          const finished = received[step.id]! - reported[step.id]!
          reported[step.id]! += finished
          subscriber.send(credit(step.id, step.bytes, finished))
        }
        for (const { consumer } of await subscriber.arrived()) received[consumer!]! += 1
      }
      for (const counts of await countsOf(publisher)) {
        addsUp(t, counts)
        t.is(counts.handled, reported[counts.subscription]!)
        t.is(counts.handled + counts.inFlight, received[counts.subscription]!)
      }
      await broker.close()
    }),
    { numRuns: 40 },
  )
})

test('what a client leaves behind at its hang-up is counted: queued, and in flight', async (t) => {
  const { client } = await startBench(t, { backlogMessagesMax: 5 })
  const [publisher, subscriber, observer] = [await client(), await client(), await client()]
  subscriber.send(subscribe(1, 'a', { window: 60, overflow: 'drop-newest' }))
  await subscriber.expectNothing()
  publisher.send(topic(0, 'a'), ...Array.from({ length: 12 }, (_, index) => publish(0, String(index))))
  await publisher.expectNothing()
  await subscriber.texts(4)
  subscriber.send(credit(1, 0, 1))
  await subscriber.expectNothing()
  subscriber.hangUp()
  const totals = { deliveries: {}, clients: 0 }
  do Object.assign(totals, await observer.ask('$SYS.stats'))
  while (totals.clients > 2)
  // 12 matched = 1 handled + 3 lost in flight + 5 dropped with the queue + 3 that found it full
  const droppedBy = { newest: 3, ended: 5, lost: 3, expired: 0, discarded: 0 }
  t.like(totals.deliveries, { matched: 12, handled: 1, queued: 0, inFlight: 0, droppedBy })
})
