import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { startBroker } from '../../broker/index.js'
import type { RingbusClient } from '../../client/index.js'
import { BrokerProcess, clientOf, eventOf, settled, socketIn, until } from './fixtures.js'
import { collectUntil } from './garbage.js'
import { allReleased, LARGE_BYTES, mapRing, openRing, ringStats } from './ring-fixtures.js'

/** A subscription whose handler holds what it gets as a view until it is told to let go. */
async function holdView(bus: RingbusClient, topic: string): Promise<{ held: Buffer[]; letGo: () => void }> {
  const held: Buffer[] = []
  let letGo = () => {}
  const blocked = new Promise<void>((resolve) => {
    letGo = resolve
  })
  const handler = async ({ data }: { data: Buffer }) => {
    held.push(data)
    await blocked
  }
  await bus.subscribe<Buffer>(topic, { view: true, concurrency: 8 }, handler).ready
  return { held, letGo }
}

/** Maps and descriptors of segments that this process has. */
function segmentsHere(): number {
  const maps = readFileSync('/proc/self/maps', 'utf8').match(/memfd:ringbus/g)?.length ?? 0
  const descriptors = readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes('memfd:ringbus')
    } catch {
      // That of the directory itself.
      return false
    }
  })
  return maps + descriptors.length
}

test.serial('nothing of a segment stays behind: after its connection, and after its last view', async (t) => {
  const broker = new BrokerProcess(t)
  await broker.start()
  const publisher = await clientOf(t, broker.path)
  const subscriber = await clientOf(t, broker.path, { reconnect: false })
  await openRing(publisher)
  await mapRing(publisher, subscriber)
  t.true(segmentsHere() >= 2)
  let finish = () => {}
  const blocked = new Promise<void>((resolve) => {
    finish = resolve
  })
  let held: Buffer | undefined
  await subscriber.subscribe<Buffer>('data', { view: true }, ({ data }) => {
    held = data
    return blocked
  }).ready
  for (let number = 0; number < 5; number++) publisher.publish('data', Buffer.alloc(LARGE_BYTES))
  const loan = await publisher.loan('data', LARGE_BYTES)
  await settled(publisher, subscriber)
  t.is(held!.length, LARGE_BYTES)
  await broker.kill()
  await subscriber.closed
  await until(() => !publisher.isConnected)
  t.is(loan.bytes.length, 0)
  finish()
  await until(() => held!.length === 0)
  // Memory that was in the program's hands is unmapped when that is collected.
  await collectUntil(() => segmentsHere() === 0)
  t.pass()
})

test('[RING-10] this side of a connection does not end before the views of what it brought', async (t) => {
  const path = socketIn(t)
  const broker = await startBroker({ path, refusedLingerMs: 60_000 })
  const publisher = await clientOf(t, path)
  const subscriber = await clientOf(t, path)
  await openRing(publisher)
  await mapRing(publisher, subscriber)
  const { held, letGo } = await holdView(subscriber, 'data')
  publisher.publish('data', Buffer.alloc(LARGE_BYTES, 1))
  publisher.publish('data', Buffer.alloc(LARGE_BYTES, 2))
  await until(() => held.length === 2)
  let isClosed = false
  const lost = eventOf(subscriber, 'disconnect')
  const closed = broker.close().then(() => {
    isClosed = true
  })
  t.is((await lost)!.code, 'DISCONNECTED')
  await delay(100)
  t.false(isClosed, 'the broker waits for the end of the stream')
  t.deepEqual(held, [Buffer.alloc(LARGE_BYTES, 1), Buffer.alloc(LARGE_BYTES, 2)])
  letGo()
  await closed
  t.deepEqual(
    held.map(({ length }) => length),
    [0, 0],
  )
})

test('without views, the end of a connection is answered at once', async (t) => {
  const path = socketIn(t)
  const broker = await startBroker({ path, refusedLingerMs: 60_000 })
  const bus = await clientOf(t, path)
  await openRing(bus)
  await mapRing(bus, bus)
  const lost = eventOf(bus, 'disconnect')
  await broker.close()
  await lost
  t.false(bus.isConnected)
})

test('destroy ends views of a connection that was lost before, and that connection', async (t) => {
  const path = socketIn(t)
  const broker = await startBroker({ path, refusedLingerMs: 60_000 })
  const publisher = await clientOf(t, path)
  const subscriber = await clientOf(t, path)
  await openRing(publisher)
  await mapRing(publisher, subscriber)
  const { held } = await holdView(subscriber, 'data')
  publisher.publish('data', Buffer.alloc(LARGE_BYTES, 1))
  await until(() => held.length === 1)
  const lost = eventOf(subscriber, 'disconnect')
  const closed = broker.close()
  await lost
  t.is(held[0]!.length, LARGE_BYTES)
  subscriber.destroy()
  t.is(held[0]!.length, 0)
  await closed
})

test('after kill -9 of the broker views stay, and rings are opened anew', async (t) => {
  const broker = new BrokerProcess(t)
  await broker.start()
  const publisher = await clientOf(t, broker.path)
  const subscriber = await clientOf(t, broker.path)
  await openRing(publisher)
  await mapRing(publisher, subscriber)
  const { held, letGo } = await holdView(subscriber, 'data')
  publisher.publish('data', Buffer.alloc(LARGE_BYTES, 1))
  await until(() => held.length === 1)
  const back = [eventOf(publisher, 'reconnect'), eventOf(subscriber, 'reconnect')]
  await broker.kill()
  await broker.start()
  await Promise.all(back)
  await settled(subscriber)
  await openRing(publisher)
  publisher.publish('data', Buffer.alloc(LARGE_BYTES, 2))
  await until(() => held.length === 2)
  t.deepEqual(held[0], Buffer.alloc(LARGE_BYTES, 1))
  t.deepEqual(held[1], Buffer.alloc(LARGE_BYTES, 2))
  letGo()
  await allReleased(publisher)
  t.deepEqual(
    held.map(({ length }) => length),
    [0, 0],
  )
  const { delivered } = await ringStats(publisher)
  await mapRing(publisher, subscriber)
  t.true((await ringStats(publisher)).delivered > delivered)
})

test('messages by ring that wait for a handler are lost with the connection, those inline are not', async (t) => {
  const broker = new BrokerProcess(t)
  await broker.start()
  const publisher = await clientOf(t, broker.path)
  const subscriber = await clientOf(t, broker.path)
  await openRing(publisher)
  await mapRing(publisher, subscriber)
  const got: string[] = []
  let proceed = () => {}
  const blocked = new Promise<void>((resolve) => {
    proceed = resolve
  })
  await subscriber.subscribe<string>('data', async ({ data }) => {
    got.push(data.slice(0, 7))
    await blocked
  }).ready
  publisher.publish('data', 'first')
  publisher.publish('data', 'by ring'.padEnd(LARGE_BYTES))
  publisher.publish('data', 'second')
  publisher.publish('data', 'by ring'.padEnd(LARGE_BYTES))
  publisher.publish('data', 'third')
  await settled(publisher, subscriber)
  const back = [eventOf(publisher, 'reconnect'), eventOf(subscriber, 'reconnect')]
  await broker.kill()
  await broker.start()
  await Promise.all(back)
  await settled(subscriber, publisher)
  publisher.publish('data', 'a new one')
  await settled(publisher, subscriber)
  proceed()
  await until(() => got.length >= 4)
  t.deepEqual(got, ['first', 'second', 'third', 'a new o'])
})

test('loans fail with the connection, those that wait and those that are made', async (t) => {
  const broker = new BrokerProcess(t)
  await broker.start()
  const bus = await clientOf(t, broker.path)
  await openRing(bus)
  const made = await bus.loan('data', 40 * 1024 * 1024)
  const inline = await bus.loan('data', 100)
  const waiting = bus.loan('data', 40 * 1024 * 1024)
  t.false(bus.publish('data', Buffer.alloc(LARGE_BYTES)), 'a loan waits')
  const ready = bus.ready('data')
  const lost = eventOf(bus, 'disconnect')
  const back = eventOf(bus, 'reconnect')
  await broker.kill()
  await t.throwsAsync(waiting, { code: 'DISCONNECTED' })
  await lost
  await ready
  t.is(made.bytes.length, 0)
  t.throws(() => made.publish(), { code: 'DISCONNECTED' })
  t.notThrows(() => made.discard())
  const kept: unknown[] = []
  bus.subscribe('data', ({ data }) => kept.push(data))
  t.true(inline.publish(), 'ordinary memory is kept for the next connection')
  const small = await bus.loan('data', LARGE_BYTES)
  small.publish()
  await t.throwsAsync(bus.loan('data', 65 * 1024 * 1024), { code: 'DISCONNECTED' })
  await broker.start()
  await back
  await until(() => kept.length === 2)
  t.deepEqual(kept, [Buffer.alloc(100), Buffer.alloc(LARGE_BYTES)])
  const again = await bus.loan('data', 40 * 1024 * 1024)
  t.false(again.publish(), 'the ring has no room for another of its size')
})

test('parts of a stream that were not fetched as the connection was lost may still be looked at', async (t) => {
  const path = socketIn(t)
  const broker = await startBroker({ path, refusedLingerMs: 60_000 })
  const requester = await clientOf(t, path)
  const responder = await clientOf(t, path)
  await openRing(responder)
  await mapRing(responder, requester)
  responder.serve('parts', async function* ({ signal }) {
    yield Buffer.alloc(LARGE_BYTES, 1)
    yield Buffer.alloc(LARGE_BYTES, 2)
    await delay(60_000, undefined, { signal }).catch(() => {})
  })
  await responder.flush()
  const stream = requester.requestStream<Buffer>('parts', null, { view: true, timeout: 0 })
  const first = await stream.next()
  await settled(responder, requester)
  const lost = eventOf(requester, 'disconnect')
  const closed = broker.close()
  await lost
  t.deepEqual(first.value!.data, Buffer.alloc(LARGE_BYTES, 1))
  const second = await stream.next()
  t.deepEqual(second.value!.data, Buffer.alloc(LARGE_BYTES, 2))
  await t.throwsAsync(stream.next(), { code: 'DISCONNECTED' })
  await closed
})

test('a client that does not come back keeps its views, too', async (t) => {
  const broker = new BrokerProcess(t)
  await broker.start()
  const publisher = await clientOf(t, broker.path)
  const subscriber = await clientOf(t, broker.path, { reconnect: false })
  await openRing(publisher)
  await mapRing(publisher, subscriber)
  const { held, letGo } = await holdView(subscriber, 'data')
  publisher.publish('data', Buffer.alloc(LARGE_BYTES, 6))
  await until(() => held.length === 1)
  await broker.kill()
  t.is((await subscriber.closed)!.code, 'DISCONNECTED')
  t.deepEqual(held[0], Buffer.alloc(LARGE_BYTES, 6))
  letGo()
  await until(() => held[0]!.length === 0)
})
