import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { Deferred } from '../../client/deferred.js'
import { connect } from '../../client/index.js'
import { brokerIn, clientOf, errorsOf, settled, until } from './fixtures.js'
import { ScriptedBroker } from './scripted-broker.js'

test('close sees published messages out, and waits for handlers that run', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const watcher = await clientOf(t, path)
  const seen: unknown[] = []
  await watcher.subscribe('out', ({ data }) => seen.push(data)).ready
  const work = new Deferred<void>()
  let started = 0
  await bus.subscribe('in', async () => {
    started += 1
    await work.promise
    bus.publish('out', 'by a handler, while closing')
  }).ready
  watcher.publish('in', 1)
  watcher.publish('in', 'dropped, for it only waits')
  await until(() => started === 1)
  bus.publish('out', 'before')
  const closing = bus.close()
  t.throws(() => bus.subscribe('x', () => {}), { code: 'CLOSED' })
  work.resolve()
  await closing
  t.is(await bus.closed, undefined)
  await settled(watcher)
  t.deepEqual(seen, ['before', 'by a handler, while closing'])
  t.is(started, 1)
})

test('close answers the requests that were given to a service, and takes no others', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const requester = await clientOf(t, path)
  const work = new Deferred<string>()
  let started = 0
  await bus.serve('s', () => {
    started += 1
    return work.promise
  }).ready
  const request = requester.request('s')
  await until(() => started === 1)
  const closing = bus.close()
  await until(() => started === 1)
  await settled(requester)
  work.resolve('answered')
  t.is((await request).data, 'answered')
  await closing
  await t.throwsAsync(requester.request('s'), { code: 'NO_RESPONDERS' })
})

test('drain handles everything that was published before, then closes', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const publisher = await clientOf(t, path)
  let handled = 0
  await bus.subscribe('d', async () => {
    await delay(0)
    handled += 1
  }).ready
  for (let number = 0; number < 200; number++) publisher.publish('d', Buffer.alloc(4096))
  await publisher.flush()
  await bus.drain()
  t.is(handled, 200)
  t.is(await bus.closed, undefined)
})

test('what takes longer than the time-out is given up, and that is an `error` event', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const errors = errorsOf(bus)
  let started = false
  await bus.subscribe('stuck', () => {
    started = true
    return new Promise(() => {})
  }).ready
  bus.publish('stuck')
  await until(() => started)
  await bus.close({ timeout: 5 })
  t.deepEqual(
    errors.map(({ code }) => code),
    ['TIMEOUT'],
  )
  await t.throwsAsync(bus.close({ timeout: -1 }), { code: 'INVALID_ARGUMENT' })
})

test('close while away waits for the connection as long as it may, since messages are kept for it', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  peer.hangUp()
  await new Promise((resolve) => bus.once('disconnect', resolve))
  bus.publish('a', 'kept')
  const closing = bus.close()
  const next = await broker.welcome()
  await next.expect('TOPIC')
  await next.expect('MESSAGE', { text: 'kept' })
  t.deepEqual(await next.untilFlush(), [])
  await closing
  await next.expectEnd()
})

test('destroy ends everything at once', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const closed: unknown[] = []
  bus.on('close', (error) => closed.push(error))
  const request = bus.request('$SYS.ping')
  const flush = bus.flush()
  const loop = (async () => {
    for await (const _ of bus.subscribe('x'));
    return 'ended'
  })()
  bus.destroy()
  bus.destroy()
  await t.throwsAsync(request, { code: 'CLOSED' })
  await t.throwsAsync(flush, { code: 'CLOSED' })
  t.is(await loop, 'ended')
  t.is(await bus.closed, undefined)
  t.deepEqual(closed, [undefined])
  t.throws(() => bus.publish('a', 1), { code: 'CLOSED' })
})

test('`await using` closes a client and stops a service', async (t) => {
  const path = await brokerIn(t)
  const requester = await clientOf(t, path)
  let closed: Promise<unknown> | undefined
  {
    await using bus = await connect({ path })
    await using service = bus.serve('s', () => 1)
    await service.ready
    t.is((await requester.request('s')).data, 1)
    closed = bus.closed
  }
  t.is(await closed, undefined)
  await t.throwsAsync(requester.request('s'), { code: 'NO_RESPONDERS' })
})

test('an `error` event that nobody listens to becomes a warning of the process', async (t) => {
  const path = await brokerIn(t)
  const bus = await connect({ path })
  t.teardown(() => bus.destroy())
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
  await bus.subscribe('w', () => {
    throw new Error('unheard')
  }).ready
  bus.publish('w')
  t.regex((await warned).message, /unheard/)
})

test('drain does not wait for a subscription that nobody has begun to iterate over', async (t) => {
  const path = await brokerIn(t)
  const [publisher, bus] = [await clientOf(t, path), await clientOf(t, path)]
  await bus.subscribe('c').ready
  publisher.publish('c', 'waits for nobody')
  await publisher.flush()
  await bus.drain()
  t.is(await bus.closed, undefined)
})

test('[SUB-8] unsubscribe cuts a drain short that nobody gives credit for any more', async (t) => {
  const path = await brokerIn(t)
  const [publisher, bus] = [await clientOf(t, path), await clientOf(t, path)]
  const never = new Promise<void>(() => {})
  const begun = new Deferred<void>()
  const subscription = bus.subscribe('c', () => {
    begun.resolve()
    return never
  })
  await subscription.ready
  // More than the window: some of it waits in the broker.
  for (let count = 0; count < 100; count++) publisher.publish('c', Buffer.alloc(10_000))
  await begun.promise
  const drained = subscription.drain()
  await bus.flush()
  subscription.unsubscribe()
  const observer = await clientOf(t, path)
  const rows = async () =>
    (await observer.request<{ rows: { state: string; inFlight: number }[] }>('$SYS.subscriptions')).data.rows
  while ((await rows()).some(({ state }) => state !== 'ended')) await delay(5)
  // Only what its handler has not returned is still under way.
  while ((await rows())[0]?.inFlight !== 1) await delay(5)
  t.is((await rows()).length, 1)
  void drained
})
