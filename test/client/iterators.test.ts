import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { brokerIn, clientOf, settled, until } from './fixtures.js'

test('an iterator gets every message in turn, and `break` unsubscribes', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const subscription = bus.subscribe<number>('i')
  const got: number[] = []
  const loop = (async () => {
    for await (const { data } of subscription) {
      got.push(data)
      await delay(0)
      if (data === 5) break
    }
  })()
  await bus.flush()
  for (let number = 0; number < 20; number++) bus.publish('i', number)
  await loop
  t.deepEqual(got, [0, 1, 2, 3, 4, 5])
  const stats = await bus.request<{ subscriptions: number }>('$SYS.stats')
  t.is(stats.data.subscriptions, 0)
})

test('more urgent messages come first to an iterator that was busy', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const got: unknown[] = []
  let published = false
  const loop = (async () => {
    for await (const { data } of bus.subscribe('p')) {
      got.push(data)
      while (!published) await delay(1)
      if (got.length === 4) break
    }
  })()
  await bus.flush()
  bus.publish('p', 'first')
  await until(() => got.length === 1)
  bus.publish('p', 'low')
  bus.publish('p', 'high', { priority: 31 })
  bus.publish('p', 'middle', { priority: 7 })
  await settled(bus)
  published = true
  await loop
  t.deepEqual(got, ['first', 'high', 'middle', 'low'])
})

test('a second iterator throws, and so does one beside a handler', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const iterated = bus.subscribe('a')
  iterated[Symbol.asyncIterator]()
  t.throws(() => iterated[Symbol.asyncIterator](), { code: 'INVALID_ARGUMENT' })
  const handled = bus.subscribe('b', () => {})
  t.throws(() => handled[Symbol.asyncIterator](), { code: 'INVALID_ARGUMENT' })
})

test('unsubscribe, drain and close end an iteration', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const iterate = async (subscription: AsyncIterable<{ data: unknown }>) => {
    const got: unknown[] = []
    for await (const { data } of subscription) got.push(data)
    return got
  }
  const unsubscribed = bus.subscribe('e')
  const drained = bus.subscribe('e')
  const left = bus.subscribe('e')
  const loops = [unsubscribed, drained, left].map(iterate)
  await bus.flush()
  bus.publish('e', 1)
  await settled(bus)
  unsubscribed.unsubscribe()
  bus.publish('e', 2)
  await drained.drain()
  bus.publish('e', 3)
  await settled(bus)
  await bus.close()
  t.deepEqual(await Promise.all(loops), [[1], [1, 2], [1, 2, 3]])
})

test('several steps may be waiting at once', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const iterator = bus.subscribe('s')[Symbol.asyncIterator]()
  const steps = [iterator.next(), iterator.next(), iterator.next()]
  await bus.flush()
  bus.publish('s', 1)
  bus.publish('s', 2)
  const [first, second] = await Promise.all(steps.slice(0, 2))
  t.deepEqual([first!.value?.data, second!.value?.data], [1, 2])
  await iterator.return?.()
  t.true((await steps[2]!).done)
  t.true((await iterator.next()).done)
})

test('`using` unsubscribes and `await using` drains, by the symbols that the language calls', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const got: unknown[] = []
  {
    await using drained = bus.subscribe('u', ({ data }) => got.push(['await', data]))
    using subscription = bus.subscribe('u', ({ data }) => got.push(['using', data]))
    await Promise.all([subscription.ready, drained.ready])
    bus.publish('u', 1)
  }
  t.deepEqual(got, [['await', 1]])
  bus.publish('u', 2)
  await settled(bus)
  t.is(got.length, 1)
})
