import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { Deferred } from '../../client/deferred.js'
import { connect, type Message, type RingbusClient, RingbusError } from '../../client/index.js'
import { clientOf, eventOf, until } from '../client/fixtures.js'
import { eventually } from '../client/ring-fixtures.js'
import { imbalanceOf, paused, rowsOf, statsOf, topicRow } from './books.js'
import { Company, sumOf } from './company.js'
import { startBrokerChild } from './programs.js'
import { SeriesLog } from './series.js'
import { hourSettings } from './timers-off.js'

const KIB = 1024

/** A backlog that is full at once, and publishers that nothing but a death or an end lets go on. */
const NO_WAY_ON = { ...hourSettings(), backlogBytesMax: 256 * KIB }

const FLOOD = { topics: ['data'], byteLengths: [1000] }

/** Resolves when the broker has begun to stop. */
async function stopping(bus: RingbusClient): Promise<void> {
  for (let code: unknown; code !== 'BROKER_STOPPING'; ) {
    const request = bus.request('nobody', null, { timeout: 0 })
    code = await request.catch((error: RingbusError) => error.code)
    await delay(1)
  }
}

/** Resolves when the publishers wait: each writes on until it has read the pause, then a little more into its own queue. */
async function standsStill(company: Company): Promise<void> {
  let last = ''
  for (let now = 'begun'; now !== last; now = String(await company.progress())) {
    last = now
    await delay(50)
  }
}

test('[FLOW-2] a publisher is killed while it is paused: what it had sent arrives, and another one goes on', async (t) => {
  const company = await Company.open(t, NO_WAY_ON, 'put off')
  const { observer } = company
  await company.subscribe({ reader: { subscriptions: [{ pattern: 'data' }] } })
  const reader = company.subscriber('reader')
  await reader.stop()
  await company.publish(2, FLOOD)
  await eventually(async () => (await paused(observer, 'data')).pausedPublishers === 2)
  const [victim, survivor] = company.publishers.splice(0)
  await victim!.end('SIGKILL')
  await eventually(async () => (await topicRow(observer, 'data'))?.pausedPublishers === 1)

  company.publishers.push(survivor!)
  const [before] = await company.progress()
  reader.continue()
  await eventually(async () => (await company.progress())[0]! > before! + 5_000)
  company.stopPublishing()
  await company.finish()
  await eventually(async () => {
    const [row] = await rowsOf(observer, 'reader')
    return row!.handled === row!.matched
  })
  const [report] = await company.report('reader')
  // Of the one that was killed, no number is known; but none of those that came is left out.
  t.deepEqual([report!.fault, report!.missing], [undefined, 0])
  t.true(report!.handled > sumOf(company.published))
})

test('[FLOW-2] a blocking subscriber is killed: the publishers that it has paused go on at once', async (t) => {
  const count = 3_000
  const company = await Company.open(t, NO_WAY_ON, 'put off')
  const { observer } = company
  const part = { subscriptions: [{ pattern: 'data' }] }
  await company.subscribe({ victim: part, reader: part })
  const victim = company.subscriber('victim')
  await victim.stop()
  await company.publish(3, { ...FLOOD, count })
  await eventually(async () => (await paused(observer, 'data')).pausedPublishers === 3)
  await victim.end('SIGKILL')
  await company.finish()
  await eventually(async () => (await rowsOf(observer, 'reader'))[0]!.handled === 3 * count)
  t.is((await topicRow(observer, 'data'))?.pausedSinceMs ?? null, null)
  const [report] = await company.report('reader')
  t.deepEqual([report!.fault, report!.missing], [undefined, 0])
  const { deliveries } = await statsOf(observer)
  t.is(imbalanceOf(deliveries), undefined)
  t.true(deliveries.droppedBy['ended']! > 0 && deliveries.droppedBy['lost']! > 0)
})

test('[FLOW-2] a blocking subscription ends: the publishers that it has paused go on at once', async (t) => {
  const count = 3_000
  const company = await Company.open(t, NO_WAY_ON, 'put off')
  const bus = await clientOf(t, company.path, { name: 'stuck' })
  const subscription = bus.subscribe('data', () => new Promise<void>(() => {}))
  await subscription.ready
  await company.publish(1, { ...FLOOD, count })
  await paused(company.observer, 'data')
  subscription.unsubscribe()
  await company.finish()
  t.is(sumOf(company.published), count)
})

test('a broker that is told to stop lets queued messages and requests end, and takes no new ones', async (t) => {
  const count = 3_000
  const company = await Company.open(t, { drainTimeoutMs: 60_000 })
  const { observer, path, broker } = company
  await company.subscribe({ slow: { subscriptions: [{ pattern: 'data', workMs: 2 }] } })
  // It takes nothing before the broker stops.
  await company.subscriber('slow').stop()
  const answer = new Deferred<string>()
  const server = await clientOf(t, path, { name: 'server', reconnect: false })
  await server.serve('work', () => answer.promise).ready
  const asker = await clientOf(t, path, { name: 'asker', reconnect: false })
  const request = asker.request('work', null, { timeout: 0 })
  await company.publish(1, { ...FLOOD, count })
  await company.finish()
  const [row] = await rowsOf(observer, 'slow')
  t.true(row!.queued > 0)

  broker.process.kill('SIGTERM')
  await stopping(asker)
  await t.throwsAsync(connect({ path, reconnect: false }), { instanceOf: RingbusError, code: 'NO_BROKER' })
  company.subscriber('slow').continue()
  answer.resolve('done')
  t.is((await request).data, 'done')
  t.is(await broker.ended(), 0)
  const [report] = await company.report('slow')
  t.deepEqual([report!.handled, report!.missing, report!.fault], [count, 0, undefined])
})

test('what a paused publisher has not sent goes to the next broker: nothing is lost when one stops', async (t) => {
  const count = 4_000
  const company = await Company.open(t, {
    backlogBytesMax: 256 * KIB,
    pauseTimeoutMs: 60_000,
    refusedLingerMs: 100,
  })
  const { observer, path, broker } = company
  const subscriber = await clientOf(t, path, { name: 'subscriber' })
  const log = new SeriesLog()
  const gate = new Deferred<void>()
  const take = async (message: Message) => {
    await gate.promise
    log.take(message)
  }
  await subscriber.subscribe('data', take).ready
  await company.publish(1, { ...FLOOD, count, reconnect: true })
  await paused(observer, 'data')
  await standsStill(company)
  const [publisher] = company.publishers
  await publisher!.stop()
  const lost = eventOf(subscriber, 'disconnect')
  broker.process.kill('SIGTERM')
  // Room that appears before would let the publisher send on, to a broker that is gone by the time that it wakes.
  await stopping(observer)
  gate.resolve()
  t.is(await broker.ended(), 0)
  await lost
  const handledBefore = log.handled
  t.true(handledBefore > 0 && handledBefore < count)

  company.broker = await startBrokerChild(t, { path })
  await until(() => subscriber.isConnected)
  await subscriber.flush().catch(() => undefined)
  await subscriber.flush()
  publisher!.continue()
  await company.finish()
  await until(() => log.handled + log.missing === count)
  t.deepEqual([log.fault, log.missing], [undefined, 0])
})
