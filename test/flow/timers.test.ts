import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Deferred } from '../../client/deferred.js'
import { type Message, type RingbusClient, RingbusError } from '../../client/index.js'
import { type Child, spawnBroker } from '../broker/processes.js'
import { clientOf, eventOf, socketIn, until } from '../client/fixtures.js'
import { eventually, leases, mapRing, openRing, ringStats, segments } from '../client/ring-fixtures.js'
import { startBrokerChild, startProgram, WATCHDOG_MS } from './programs.js'
import { HOUR_MS, hourSettings } from './timers-off.js'
import type { VictimPart } from './victim-child.js'

/*
 * Every time that can be set is an hour here, and no timer of the broker fires earlier, whatever it is set to. What
 * these tests wait for comes all the same, because the kernel tells of a death: they fail by the watchdog.
 */

const RING_BYTES = 1024 * 1024
const BYTES = 50_000

/** So many fill a ring several times. */
const COUNT_AFTER = 100

/** Seldom enough to be no part of what is waited for. */
const RECONNECT = { delayMin: 1, delayMax: 20 }

test.beforeEach((t) => t.timeout(WATCHDOG_MS, 'the watchdog'))

function startBroker(t: ExecutionContext, path: string): Promise<Child> {
  return startBrokerChild(t, { ...hourSettings(), path, ringBytes: RING_BYTES }, 'put off')
}

function startVictim(
  t: ExecutionContext,
  path: string,
  part: Omit<VictimPart, 'path' | 'byteLength'>,
): Child {
  return startProgram<VictimPart>(t, './victim-child.js', { ...part, path, byteLength: BYTES })
}

/** How a request ended: its reply, or the code of its error. */
function outcomeOf(request: Promise<Message>): Promise<unknown> {
  return request.then(
    ({ data }) => data,
    (error: unknown) => (error instanceof RingbusError ? error.code : error),
  )
}

function ask(bus: RingbusClient, topic: string, count: number): Promise<unknown>[] {
  return Array.from({ length: count }, () => outcomeOf(bus.request(topic, null, { timeout: HOUR_MS })))
}

async function heldFor(bus: RingbusClient, pattern: string): Promise<number> {
  const { rows } = (await bus.request<{ rows: { pattern: string; held: number }[] }>('$SYS.services')).data
  return rows.find((row) => row.pattern === pattern)!.held
}

test('[REQUEST-7] a responder is killed: what it was given is RESPONDER_LOST, what waits goes to another', async (t) => {
  const path = socketIn(t)
  await startBroker(t, path)
  const [requester, other] = [await clientOf(t, path), await clientOf(t, path)]
  const victim = startVictim(t, path, { role: 'responder', topic: 'work', count: 2 })
  t.is(await victim.message(), 'ready')
  const given = ask(requester, 'work', 2)
  for (let request = 0; request < 2; request++) t.is(await victim.message(), 'given')

  const busy = new Deferred<string>()
  const service = other.serve('work', () => busy.promise, { concurrency: 1 })
  await service.ready
  const waiting = ask(requester, 'work', 4)
  await eventually(async () => (await heldFor(requester, 'work')) === 3)

  await victim.end('SIGKILL')
  t.deepEqual(await Promise.all(given), ['RESPONDER_LOST', 'RESPONDER_LOST'])
  busy.resolve('done')
  t.deepEqual(await Promise.all(waiting), ['done', 'done', 'done', 'done'])
})

test('[REQUEST-7] the only responder is killed: what waits for it is NO_RESPONDERS', async (t) => {
  const path = socketIn(t)
  await startBroker(t, path)
  const requester = await clientOf(t, path)
  const victim = startVictim(t, path, { role: 'responder', topic: 'work', count: 1 })
  t.is(await victim.message(), 'ready')
  const requests = ask(requester, 'work', 3)
  t.is(await victim.message(), 'given')
  await eventually(async () => (await heldFor(requester, 'work')) === 2)
  await victim.end('SIGKILL')
  t.deepEqual(await Promise.all(requests), ['RESPONDER_LOST', 'NO_RESPONDERS', 'NO_RESPONDERS'])
})

test('a broker is killed: the next one has its path and its lock at once, and its clients come over', async (t) => {
  const path = socketIn(t)
  const first = await startBroker(t, path)
  const publisher = await clientOf(t, path, { reconnect: RECONNECT })
  const subscriber = await clientOf(t, path, { reconnect: RECONNECT })
  const received: unknown[] = []
  await subscriber.subscribe('news', ({ data }) => received.push(data)).ready
  subscriber.serve('work', ({ data }) => data)
  await openRing(publisher, BYTES)
  publisher.publish('news', 'before')
  await until(() => received.length === 1)

  const asked = outcomeOf(subscriber.request('nobody.answers', null, { timeout: HOUR_MS }))
  t.is(await asked, 'NO_RESPONDERS')
  const silent = new Deferred<string>()
  const service = publisher.serve('silent', () => silent.promise)
  await service.ready
  const pending = outcomeOf(subscriber.request('silent', null, { timeout: HOUR_MS }))
  const lost = [eventOf(publisher, 'disconnect'), eventOf(subscriber, 'disconnect')]
  await first.end('SIGKILL')
  for (const error of await Promise.all(lost)) t.is(error?.code, 'DISCONNECTED')
  t.is(await pending, 'DISCONNECTED')

  await startBroker(t, path)
  t.deepEqual(readdirSync(dirname(path)).sort(), ['b.sock', 'b.sock.lock'])
  await until(() => publisher.isConnected && subscriber.isConnected)
  await subscriber.flush()
  await openRing(publisher, BYTES)
  publisher.publish('news', 'after')
  await until(() => received.length === 2)
  t.deepEqual(received, ['before', 'after'])
  t.is((await publisher.request('work', 'done', { timeout: HOUR_MS })).data, 'done')
})

test('a broker that is stopped is not dead: nobody takes its path, and nobody is lost', async (t) => {
  const path = socketIn(t)
  const broker = await startBroker(t, path)
  const bus = await clientOf(t, path, { reconnect: false })
  const received: unknown[] = []
  await bus.subscribe('news', ({ data }) => received.push(data)).ready
  await broker.stop()
  const second = spawnBroker(t, path)
  t.not(await second.ended(), 0)
  t.regex(second.stderr, /BROKER_RUNNING/)
  bus.publish('news', 'meanwhile')
  broker.continue()
  await until(() => received.length === 1)
  t.true(bus.isConnected)
})

test('[RING-7] a reader is killed while it holds views: its leases end, and the ring goes on', async (t) => {
  const path = socketIn(t)
  await startBroker(t, path)
  const [publisher, subscriber] = [await clientOf(t, path), await clientOf(t, path)]
  await openRing(publisher, BYTES)
  await mapRing(publisher, subscriber)
  const victim = startVictim(t, path, { role: 'reader', topic: 'data', count: 3 })
  t.is(await victim.message(), 'ready')
  const { delivered } = await ringStats(publisher)
  for (let number = 0; number < 3; number++) publisher.publish('data', Buffer.alloc(BYTES, number))
  t.is(await victim.message(), 'holding')
  t.is(await leases(publisher), 3)
  t.is((await ringStats(publisher)).delivered, delivered + 3)

  await victim.end('SIGKILL')
  await eventually(async () => (await leases(publisher)) === 0)
  await goesByRing(t, publisher, subscriber)
})

test('[RING-9] a publisher is killed with open claims: its ring is freed once its readers are done', async (t) => {
  const path = socketIn(t)
  await startBroker(t, path)
  const [publisher, subscriber] = [await clientOf(t, path), await clientOf(t, path)]
  const kept: Message<Buffer>[] = []
  const letGo = new Deferred<void>()
  const keep = (message: Message<Buffer>) => {
    kept.push(message)
    return letGo.promise
  }
  await subscriber.subscribe<Buffer>('data', { view: true, concurrency: 3 }, keep).ready
  const victim = startVictim(t, path, { role: 'lender', topic: 'data', count: 3 })
  t.is(await victim.message(), 'lent')
  await until(() => kept.length === 3)
  t.is((await segments(publisher)).length, 1)

  await victim.end('SIGKILL')
  await eventually(async () => (await segments(publisher))[0]!.client === null)
  t.deepEqual(
    kept.map(({ bytes }) => bytes.equals(Buffer.alloc(BYTES, bytes[0]!))),
    [true, true, true],
  )
  letGo.resolve()
  await eventually(async () => (await segments(publisher)).length === 0)
  await openRing(publisher, BYTES)
  await mapRing(publisher, subscriber)
  await goesByRing(t, publisher, subscriber)
})

/** Messages enough to fill a ring several times all go by it. */
async function goesByRing(
  t: ExecutionContext,
  publisher: RingbusClient,
  subscriber: RingbusClient,
): Promise<void> {
  let received = 0
  await subscriber.subscribe('after', () => {
    received += 1
  }).ready
  const before = await ringStats(publisher)
  for (let number = 1; number <= COUNT_AFTER; number++) {
    publisher.publish('after', Buffer.alloc(BYTES, number))
    await until(() => received === number)
  }
  const { committed, delivered, inlined } = await ringStats(publisher)
  t.is(committed, before.committed + COUNT_AFTER)
  t.is(delivered, before.delivered + COUNT_AFTER)
  t.is(inlined, before.inlined)
}
