import test, { type ExecutionContext } from 'ava'
import type { Loan, Message, RingbusClient } from '../../client/index.js'
import { clientOf, settled, until } from '../client/fixtures.js'
import { unlessDisconnected } from './bystanders.js'
import { faultOf, Streams } from './numbered.js'
import { NumberedPublisher } from './numbered-publisher.js'
import { buildKillPoints, diedAtPoint, Stage } from './stage.js'

const BYTES = 50_000
const TOPIC = 'data'

/** Messages within which a broker must have met its point. */
const COUNT_MAX = 400

/** So many fill the ring several times. */
const COUNT_AFTER = 100

test.before('the addon with kill points is built', buildKillPoints)

/** Who lives on. */
interface Cast {
  readonly publisher: NumberedPublisher
  readonly subscribers: RingbusClient[]
  readonly streams: Streams[]
}

async function castOf(t: ExecutionContext, path: string): Promise<Cast> {
  const subscribers = [
    await clientOf(t, path, { name: 'copies' }),
    await clientOf(t, path, { name: 'views' }),
  ]
  const streams = subscribers.map((bus) => watched(bus))
  await subscribers[0]!.subscribe(TOPIC, (message) => streams[0]!.take(message)).ready
  await subscribers[1]!.subscribe(TOPIC, { view: true }, (message) => streams[1]!.take(message)).ready
  const publisher = new NumberedPublisher(await clientOf(t, path, { name: 'publisher' }), TOPIC, 'publisher')
  return { publisher, subscribers, streams }
}

/** What a program has of a ring as the broker dies. */
interface Possessions {
  /** Views that it keeps. */
  readonly views: Message[]
  readonly loan: Loan<undefined> | undefined
}

/** The owner of the second ring, and a reader of it. */
async function possessionsOf(t: ExecutionContext, path: string): Promise<Possessions> {
  const views: Message[] = []
  const keep = (message: Message) => {
    views.push(message)
    return new Promise<void>(() => undefined)
  }
  const keeper = await clientOf(t, path, { name: 'keeper' })
  await keeper.subscribe('kept', { view: true, concurrency: 3 }, keep).ready
  const lender = new NumberedPublisher(await clientOf(t, path, { name: 'lender' }), 'kept', 'lender')
  await lender.openRing(BYTES)
  for (let number = 0; number < 3; number++) await lender.publish(BYTES)
  await until(() => views.length === 3)
  return { views, loan: await lender.bus.loan('kept', BYTES) }
}

function watched(bus: RingbusClient): Streams {
  const streams = new Streams()
  bus.on('disconnect', () => streams.brokerDied())
  return streams
}

/** Publishes until the broker is dead. */
async function publishUntilDeath(stage: Stage, publisher: NumberedPublisher): Promise<void> {
  await publisher.openRing(BYTES).catch(unlessDisconnected)
  while (stage.broker.isRunning && publisher.published < COUNT_MAX) {
    await publisher.publish(BYTES)
    await Promise.race([publisher.bus.flush().catch(unlessDisconnected), stage.broker.ended()])
  }
  // One that is still there has not met its point, and is not to end as if it had.
  if (stage.broker.isRunning) await stage.broker.end('SIGTERM')
}

/** Everybody is back, and messages come as before: each of them, and by ring. */
async function carryOn(t: ExecutionContext, stage: Stage, cast: Cast): Promise<void> {
  const { publisher, subscribers, streams } = cast
  await until(() => [stage.observer, publisher.bus, ...subscribers].every((bus) => bus.isConnected))
  await publisher.bus.flush().catch(unlessDisconnected)
  await settled(publisher.bus, ...subscribers)
  const exchange = async () => {
    await publisher.publish(BYTES)
    // What waits for readers in a crowded ring would go by socket.
    await until(() => streams.every((each) => each.lastOf(publisher.stream) === publisher.published))
  }
  await exchange()
  const received = streams.map((each) => each.received)
  const { committed, delivered } = (await stage.stats()).rings
  await publisher.openRing(BYTES)
  for (let number = 0; number < COUNT_AFTER; number++) await exchange()
  const { rings } = await stage.stats()
  t.deepEqual(
    streams.map((each, index) => each.received - received[index]!),
    [COUNT_AFTER, COUNT_AFTER],
  )
  t.true(rings.committed - committed >= COUNT_AFTER)
  t.true(rings.delivered - delivered >= COUNT_AFTER * streams.length)
  t.is(stage.bystanders.publisher.disconnects, 1)
  t.deepEqual(
    streams.flatMap(({ faults }) => faults),
    [],
  )
}

/** Kills a broker at a point that is met when the second ring is opened. */
async function killOpening(t: ExecutionContext, point: string): Promise<void> {
  const stage = await Stage.open(t, `${point}:2`)
  await stage.bystanders.start()
  const cast = await castOf(t, stage.path)
  await publishUntilDeath(stage, cast.publisher)
  await diedAtPoint(t, stage.broker)
  await stage.replaceBroker()
  await carryOn(t, stage, cast)
  await stage.leavesNothing()
}

/** Kills a broker at a point that is met when rings have been used for some time. */
async function killInUse(t: ExecutionContext, point: string): Promise<void> {
  const stage = await Stage.open(t, `${point}:120`)
  await stage.bystanders.start()
  const { views, loan } = await possessionsOf(t, stage.path)
  const cast = await castOf(t, stage.path)
  await publishUntilDeath(stage, cast.publisher)
  await diedAtPoint(t, stage.broker)
  await stage.replaceBroker()
  await carryOn(t, stage, cast)
  t.throws(() => loan!.publish(), { code: 'DISCONNECTED' })
  for (const message of views) {
    t.is(faultOf(message), undefined)
    message.release()
    t.throws(() => message.bytes, { code: 'INVALID_ARGUMENT' }, 'it was a view')
  }
  await stage.leavesNothing()
}

for (const point of ['broker:segment-created', 'broker:before-seal', 'broker:sealed']) {
  test.serial(`a broker dies at ${point}: everybody comes to the next one, rings and all`, (t) =>
    killOpening(t, point),
  )
}

for (const point of [
  'broker:commit-validated',
  'broker:lease-counted',
  'broker:before-post',
  'broker:after-post',
]) {
  test.serial(`a broker dies at ${point}: views stay, and everybody comes to the next one`, (t) =>
    killInUse(t, point),
  )
}
