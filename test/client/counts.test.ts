import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { brokerIn, clientOf, until } from './fixtures.js'

interface Deliveries {
  readonly matched: number
  readonly handled: number
  readonly droppedBy: Record<string, number>
  readonly queued: number
  readonly inFlight: number
}

test('[CREDIT-3] however subscriptions end, the counts of the broker come out even, to the last message', async (t) => {
  const path = await brokerIn(t)
  const [bus, publisher, observer] = [
    await clientOf(t, path),
    await clientOf(t, path),
    await clientOf(t, path),
  ]
  let handled = 0
  const count = () => {
    handled += 1
  }
  const left = bus.subscribe('a', count)
  const leftBusy = bus.subscribe('a', { concurrency: 4 }, async () => {
    count()
    await delay(5)
  })
  const drained = bus.subscribe('a', async () => {
    count()
    await delay(0)
  })
  const iterated = bus.subscribe('a')
  const streamed = bus.createReadStream('a')
  const destroyed = bus.createReadStream('a', { highWaterMark: 8 })
  const loops = [iterated, streamed].map(async (messages: AsyncIterable<unknown>) => {
    let steps = 0
    for await (const _ of messages) {
      count()
      await delay(0)
      steps += 1
      if (steps === 30) break
    }
  })
  destroyed.once('data', () => {
    count()
    destroyed.pause()
  })
  await bus.flush()
  for (let number = 0; number < 1000; number++) {
    publisher.publish('a', Buffer.alloc(1000), number % 10 === 0 ? { ttl: 3 } : {})
  }
  await publisher.flush()
  await Promise.all(loops)
  left.unsubscribe()
  leftBusy.unsubscribe()
  destroyed.destroy()
  await drained.drain()
  const deliveries = async () =>
    (await observer.request<{ deliveries: Deliveries }>('$SYS.stats')).data.deliveries
  let counts = await deliveries()
  while (counts.inFlight > 0) counts = await deliveries()
  t.is(counts.handled, handled)
  t.is(counts.queued, 0)
  const dropped = Object.values(counts.droppedBy).reduce((sum, term) => sum + term, 0)
  t.is(counts.handled + dropped, counts.matched)
  t.is(counts.droppedBy['lost'], 0)
  t.true(counts.droppedBy['discarded']! > 0)
  await until(() => destroyed.closed)
})
