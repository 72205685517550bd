import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import type { RingbusError } from '../../client/index.js'
import { backoffMs } from '../../client/link/backoff.js'
import { BrokerProcess, clientOf, errorsOf, eventOf, QUICK, settled, until } from './fixtures.js'
import { error, ScriptedBroker } from './scripted-broker.js'

test('after kill -9 of the broker a client comes back with its subscriptions and services', async (t) => {
  const broker = new BrokerProcess(t)
  await broker.start()
  const bus = await clientOf(t, broker.path)
  const other = await clientOf(t, broker.path)
  const got: unknown[] = []
  bus.subscribe('a.*', ({ data }) => got.push(data))
  bus.serve('echo', ({ data }) => data)
  const iterated: unknown[] = []
  const loop = (async () => {
    for await (const { data } of bus.subscribe('b')) if (iterated.push(data) === 2) break
  })()
  await bus.flush()
  other.publish('a.1', 1)
  other.publish('b', 1)
  await settled(other, bus)
  const disconnected = [eventOf(bus, 'disconnect'), eventOf(other, 'disconnect')]
  const reconnected = [eventOf(bus, 'reconnect'), eventOf(other, 'reconnect')]
  await broker.kill()
  const [reason] = await Promise.all(disconnected)
  t.is(reason!.code, 'DISCONNECTED')
  t.false(bus.isConnected)
  await broker.start()
  await Promise.all(reconnected)
  await settled(bus)
  other.publish('a.2', 2)
  other.publish('b', 2)
  t.is((await other.request('echo', 'hej')).data, 'hej')
  await settled(other, bus)
  await loop
  t.deepEqual(got, [1, 2])
  t.deepEqual(iterated, [1, 2])
})

test('what is published, asked and subscribed while away waits for the connection', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [first, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  bus.publish('before', 1)
  await first.expect('TOPIC', { topic: 0, text: 'before' })
  await first.expect('MESSAGE')
  const gone = eventOf(bus, 'disconnect')
  first.hangUp()
  await gone
  bus.publish('away', 'kept')
  bus.publish('before', 'bound anew')
  const subscription = bus.subscribe('later', () => {})
  const request = bus.request('question', 'x')
  const next = await broker.welcome()
  // Subscriptions first, then a barrier for them, then requests, then messages, with aliases bound from nothing.
  await next.expect('SUBSCRIBE')
  t.deepEqual(await next.untilFlush(), [])
  await subscription.ready
  await next.expect('TOPIC', { topic: 0, text: 'question' })
  await next.expect('REQUEST', { topic: 0, text: 'x' })
  await next.expect('TOPIC', { topic: 1, text: 'away' })
  await next.expect('MESSAGE', { topic: 1, text: 'kept' })
  await next.expect('TOPIC', { topic: 2, text: 'before' })
  await next.expect('MESSAGE', { topic: 2, text: 'bound anew' })
  bus.destroy()
  await t.throwsAsync(request, { code: 'CLOSED' })
})

test('requests and flushes under way fail with DISCONNECTED', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  const request = bus.request('a', 1, { timeout: 0 })
  const stream = bus.requestStream('b', 1, { timeout: 0 }).next()
  const flush = bus.flush()
  await peer.expect('TOPIC')
  await peer.expect('REQUEST')
  peer.hangUp()
  await t.throwsAsync(request, { code: 'DISCONNECTED' })
  await t.throwsAsync(stream, { code: 'DISCONNECTED' })
  await t.throwsAsync(flush, { code: 'DISCONNECTED' })
})

test('a flush after a disconnect does not vouch for what may be lost, but the next one does', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  const routed = bus.flush()
  await peer.untilFlush()
  await routed
  bus.publish('a', 'perhaps lost')
  const back = eventOf(bus, 'reconnect')
  await peer.expect('TOPIC')
  peer.hangUp()
  const next = await broker.welcome()
  await back
  await t.throwsAsync(bus.flush(), { code: 'DISCONNECTED' })
  const flushed = bus.flush()
  t.deepEqual(await next.untilFlush(), [])
  await t.notThrowsAsync(flushed)
})

test('a service whose connection is lost aborts its requests, and answers none of them', async (t) => {
  const broker = new BrokerProcess(t)
  await broker.start()
  const bus = await clientOf(t, broker.path)
  const requester = await clientOf(t, broker.path)
  const signals: AbortSignal[] = []
  let release = () => {}
  bus.serve('s', ({ data, signal }) => {
    signals.push(signal)
    return signals.length > 1 ? data : new Promise((resolve) => (release = () => resolve('too late')))
  })
  await bus.flush()
  const lost = requester.request('s', 1, { timeout: 0 })
  await until(() => signals.length === 1)
  const back = [eventOf(bus, 'reconnect'), eventOf(requester, 'reconnect')]
  await broker.kill()
  await t.throwsAsync(lost, { code: 'DISCONNECTED' })
  await until(() => signals[0]!.aborted)
  await broker.start()
  await Promise.all(back)
  await settled(bus)
  release()
  t.is((await requester.request('s', 'new')).data, 'new')
})

test('without `reconnect` the end of the connection is the end of the client', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path, { reconnect: false })])
  const loop = (async () => {
    for await (const _ of bus.subscribe('a'));
  })()
  peer.hangUp()
  t.is((await bus.closed)?.code, 'DISCONNECTED')
  await t.throwsAsync(loop, { code: 'DISCONNECTED' })
  t.throws(() => bus.publish('a', 1), { code: 'CLOSED' })
  t.throws(() => bus.subscribe('a', () => {}), { code: 'CLOSED' })
  t.throws(() => bus.serve('a', () => 1), { code: 'CLOSED' })
  await t.throwsAsync(bus.request('a'), { code: 'CLOSED' })
  await t.throwsAsync(bus.flush(), { code: 'CLOSED' })
  await t.throwsAsync(bus.ready('a'), { code: 'CLOSED' })
  await t.notThrowsAsync(bus.close())
})

test('[ERR-2] a fatal refusal is the reason of the disconnect', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  const disconnect = eventOf(bus, 'disconnect')
  peer.send(error('OUTBOX_OVERFLOW', 0, 0, true))
  peer.socket.end()
  const reason = await disconnect
  t.is(reason.code, 'DISCONNECTED')
  t.is((reason.cause as RingbusError).code, 'OUTBOX_OVERFLOW')
})

test('[ERR-4] a fault in the broker’s stream ends the connection, and its code is reported', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  const disconnect = eventOf(bus, 'disconnect')
  peer.send(Buffer.from('10000000ff000000000000000000000000000000', 'hex'))
  const reason = await disconnect
  t.is((reason.cause as RingbusError).code, 'UNKNOWN_KIND')
  await peer.expectEnd()
  await broker.welcome()
})

test('a broker that offers fewer aliases than requests used meanwhile costs those, and says so', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  const errors = errorsOf(bus)
  const gone = eventOf(bus, 'disconnect')
  peer.hangUp()
  await gone
  for (let topic = 0; topic < 10; topic++) bus.publish(`t.${topic}`, topic)
  const asked = Array.from({ length: 5 }, (_, number) =>
    t.throwsAsync(bus.request(`asked.${number}`, 1, { timeout: 0 })),
  )
  const next = await broker.welcome({ aliases: 4 })
  await until(() => errors.length > 0)
  t.is(errors[0]!.code, 'ALIAS_OUT_OF_RANGE')
  for (const refused of asked) t.like(await refused, { code: 'ALIAS_OUT_OF_RANGE' })
  const flushed = bus.flush()
  const frames = await next.untilFlush()
  await flushed
  t.is(frames.length, 20, 'what was published is there')
  t.true(frames.every(({ topic }) => topic < 4))
})

test('delays before attempts are random, and their bound doubles up to the largest', (t) => {
  const settings = { delayMinMs: 50, delayMaxMs: 2000 }
  for (const [attempt, bound] of [
    [0, 50],
    [1, 100],
    [5, 1600],
    [6, 2000],
    [1000, 2000],
  ] as const) {
    const delays = Array.from({ length: 200 }, () => backoffMs(attempt, settings))
    t.true(delays.every((ms) => ms >= 0 && ms < bound))
    t.true(Math.max(...delays) > bound / 2, 'the delays do not use their range')
    t.true(new Set(delays).size > 1)
  }
})

test('a client keeps trying while the broker is away', async (t) => {
  const broker = new BrokerProcess(t)
  await broker.start()
  const bus = await clientOf(t, broker.path, { reconnect: { ...QUICK, bufferBytesMax: 1000 } })
  const gone = eventOf(bus, 'disconnect')
  await broker.kill()
  await gone
  await delay(50)
  const back = eventOf(bus, 'reconnect')
  await broker.start()
  await back
  await bus.flush()
  t.true(bus.isConnected)
})
