import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import type { Message } from '../../client/index.js'
import { brokerIn, clientOf, errorsOf, settled, textOf, until } from './fixtures.js'

test('a subscriber gets what is published, decoded as it was sent', async (t) => {
  const path = await brokerIn(t)
  const publisher = await clientOf(t, path)
  const subscriber = await clientOf(t, path)
  const messages: Message[] = []
  await subscriber.subscribe('orders.*', (message) => messages.push(message)).ready
  const sent: [unknown, string][] = [
    [{ id: 1, list: [1, 'two', null] }, 'msgpack'],
    ['text, and ünïcode', 'utf8'],
    [Buffer.from([0, 1, 2]), 'bytes'],
    [new Float32Array([1.5, -2]), 'array'],
    [undefined, 'msgpack'],
    [12, 'msgpack'],
  ]
  for (const [data] of sent) publisher.publish('orders.created', data)
  publisher.publish('orders.created', { j: 1 }, { encoding: 'json' })
  await settled(publisher, subscriber)
  t.deepEqual(
    messages.map(({ encoding }) => encoding),
    [...sent.map(([, encoding]) => encoding), 'json'] as Message['encoding'][],
  )
  t.deepEqual(
    messages.map(({ data }) => data),
    [
      { id: 1, list: [1, 'two', null] },
      'text, and ünïcode',
      Buffer.from([0, 1, 2]),
      new Float32Array([1.5, -2]),
      null,
      12,
      { j: 1 },
    ],
  )
})

test('topic, priority, headers and bytes come with a message', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const messages: Message[] = []
  await bus.subscribe('a.>', (message) => messages.push(message)).ready
  bus.publish('a.b.c', 'hej', { priority: 20, headers: { trace: 'x1', retry: 2, last: true, none: null } })
  await settled(bus)
  const [message] = messages
  t.is(message!.topic, 'a.b.c')
  t.is(message!.priority, 20)
  t.deepEqual(message!.headers, { trace: 'x1', retry: 2, last: true, none: null })
  t.deepEqual(message!.bytes, Buffer.from('hej'))
  t.is(message!.data, 'hej')
  t.true(message!.sentAt! <= Number(process.hrtime.bigint()) / 1e6)
})

test('[SUB-6] overlapping subscriptions of one client are two deliveries, its own messages included', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const got: string[] = []
  bus.subscribe('a.*', (message) => got.push(`* ${textOf(message)}`))
  bus.subscribe('a.b', (message) => got.push(`b ${textOf(message)}`))
  await bus.flush()
  bus.publish('a.b', '1')
  bus.publish('a.c', '2')
  bus.publish('b', 'nobody')
  await settled(bus)
  t.deepEqual(got.sort(), ['* a.b=1', '* a.c=2', 'b a.b=1'])
})

test('[SUB-7] members of a queue group share messages', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const workers = [await clientOf(t, path), await clientOf(t, path)]
  const got: unknown[][] = [[], []]
  for (const [index, worker] of workers.entries()) {
    await worker.subscribe('jobs', { group: 'workers' }, ({ data }) => got[index]!.push(data)).ready
  }
  for (let job = 0; job < 100; job++) bus.publish('jobs', job)
  await settled(bus, ...workers)
  t.deepEqual(
    got.flat().sort((a, b) => Number(a) - Number(b)),
    Array.from({ length: 100 }, (_, job) => job),
  )
})

test('[ORDER-2] order is kept within a topic and priority, through many reads', async (t) => {
  const path = await brokerIn(t)
  const publisher = await clientOf(t, path)
  const subscriber = await clientOf(t, path)
  const got: number[] = []
  await subscriber.subscribe<number>('n', ({ data }) => got.push(data)).ready
  const count = 50_000
  for (let number = 0; number < count; number++) {
    if (!publisher.publish('n', number)) await publisher.ready('n')
  }
  await until(() => got.length === count)
  t.true(got.every((number, index) => number === index))
})

test('a handler that has not returned its promise holds up its subscription, unless `concurrency` is more', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const busiest = { one: 0, four: 0 }
  const running = { one: 0, four: 0 }
  let handled = 0
  const work = (name: 'one' | 'four') => async () => {
    running[name] += 1
    busiest[name] = Math.max(busiest[name], running[name])
    await delay(2)
    running[name] -= 1
    handled += 1
  }
  bus.subscribe('w', work('one'))
  bus.subscribe('w', { concurrency: 4 }, work('four'))
  await bus.flush()
  for (let index = 0; index < 12; index++) bus.publish('w', index)
  await until(() => handled === 24)
  t.deepEqual(busiest, { one: 1, four: 4 })
})

test('a handler that throws or rejects is an `error` event, and the subscription goes on', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const errors = errorsOf(bus)
  const got: unknown[] = []
  bus.subscribe('h', ({ data }) => {
    got.push(data)
    if (data === 1) throw new TypeError('sync')
    if (data === 2) return Promise.reject(new RangeError('async'))
    return undefined
  })
  await bus.flush()
  for (const number of [1, 2, 3]) bus.publish('h', number)
  await until(() => got.length === 3)
  t.deepEqual(
    errors.map(({ code, details, cause }) => [code, details['topic'], (cause as Error).name]),
    [
      ['HANDLER_ERROR', 'h', 'TypeError'],
      ['HANDLER_ERROR', 'h', 'RangeError'],
    ],
  )
})

test('publish refuses what cannot be published', async (t) => {
  const path = await brokerIn(t, { payloadBytesMax: 65_536 })
  const bus = await clientOf(t, path)
  t.throws(() => bus.publish('a.*', 1), { code: 'BAD_TOPIC' })
  t.throws(() => bus.publish('$SYS.x', 1), { code: 'TOPIC_RESERVED' })
  t.throws(() => bus.publish('a', () => 1), { code: 'ENCODE_FAILED' })
  t.throws(() => bus.publish('a', Buffer.alloc(65_537)), { code: 'MESSAGE_TOO_LARGE' })
  t.throws(() => bus.publish('a', 'ü'.repeat(32_769)), { code: 'MESSAGE_TOO_LARGE' })
  t.throws(() => bus.publish('a', 1, { priority: 32 }), { code: 'INVALID_ARGUMENT' })
  t.throws(() => bus.publish('a', 1, { ttl: 0 }), { code: 'INVALID_ARGUMENT' })
  t.true(bus.publish('a', 'ü'.repeat(32_768)))
  await bus.flush()
  t.true(bus.isConnected)
})

test('[WIRE-3.2] a message whose ttl has passed is not handled', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const got: unknown[] = []
  let release = () => {}
  bus.subscribe('e', async ({ data }) => {
    got.push(data)
    if (data === 'first') await new Promise<void>((resolve) => (release = resolve))
  })
  await bus.flush()
  bus.publish('e', 'first')
  bus.publish('e', 'short', { ttl: 1 })
  bus.publish('e', 'long', { ttl: 60_000 })
  await settled(bus)
  await delay(5)
  release()
  await until(() => got.length === 2)
  t.deepEqual(got, ['first', 'long'])
})

test('unsubscribe stops at once; messages that wait are dropped', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const got: unknown[] = []
  const subscription = bus.subscribe('u', ({ data }) => {
    got.push(data)
    if (data === 2) subscription.unsubscribe()
  })
  await subscription.ready
  for (let number = 0; number < 1000; number++) bus.publish('u', number)
  await settled(bus)
  t.deepEqual(got, [0, 1, 2])
  bus.publish('u', 'late')
  await settled(bus)
  t.is(got.length, 3)
})

test('drain ends a subscription after everything that was published before', async (t) => {
  const path = await brokerIn(t)
  const publisher = await clientOf(t, path)
  const subscriber = await clientOf(t, path)
  let handled = 0
  const subscription = subscriber.subscribe('d', { concurrency: 4 }, async () => {
    await delay(0)
    handled += 1
  })
  await subscription.ready
  // More than the first window, so that some of it still waits in the broker.
  for (let number = 0; number < 400; number++) publisher.publish('d', Buffer.alloc(4096))
  await publisher.flush()
  await subscription.drain()
  t.is(handled, 400)
  publisher.publish('d', 'late')
  await settled(publisher, subscriber)
  t.is(handled, 400)
})

test('[SUB-2] a refusal rejects `ready`, and else is an `error` event', async (t) => {
  const path = await brokerIn(t, { subscriptionsMax: 1 })
  const bus = await clientOf(t, path)
  const errors = errorsOf(bus)
  await bus.subscribe('a', () => {}).ready
  await t.throwsAsync(bus.subscribe('b', () => {}).ready, { code: 'SUBSCRIPTION_LIMIT' })
  t.deepEqual(errors, [])
  bus.subscribe('c', () => {})
  await bus.flush()
  t.deepEqual(
    errors.map(({ code }) => code),
    ['SUBSCRIPTION_LIMIT'],
  )
  const iterated = bus.subscribe('d')
  await t.throwsAsync(
    async () => {
      for await (const _ of iterated) t.fail()
    },
    { code: 'SUBSCRIPTION_LIMIT' },
  )
  t.is(errors.length, 1)
})

test('subscribe refuses bad patterns and options at once', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  t.throws(() => bus.subscribe('a..b', () => {}), { code: 'BAD_PATTERN' })
  t.throws(() => bus.subscribe('a', { concurrency: -1 }, () => {}), {
    code: 'INVALID_ARGUMENT',
    message: 'Expected `concurrency` to be a positive integer up to 65536, got `-1` (number)',
  })
  t.throws(() => bus.subscribe('a', { grupp: 'x' } as object, () => {}), {
    code: 'INVALID_ARGUMENT',
    message: /^Expected the options of subscribe to hold only `group`, `concurrency`, .*, got `grupp`$/,
  })
  t.throws(() => bus.subscribe('a', {}, 7 as never), { code: 'INVALID_ARGUMENT' })
})
