import test, { type ExecutionContext } from 'ava'
import { clientOf, settled, until } from '../client/fixtures.js'
import { unlessDisconnected } from './bystanders.js'
import { type Label, Streams } from './numbered.js'
import { NumberedPublisher } from './numbered-publisher.js'
import { buildKillPoints, diedAtPoint, forkChild, Stage } from './stage.js'
import type { Part } from './victim-child.js'

/** Too small for a ring of its own: the whole message goes by the pair. */
const BYTES = 5_000
const TOPIC = 'dying'

/** Messages within which everybody has a pair and the victim has met its point. */
const COUNT_MAX = 5_000

/** So many fill the rings of a pair several times. */
const COUNT_AFTER = 100

/** Every stream moves at once, and each ring is full every dozen messages. */
const PAIRS = { pairAfterBytes: 1, pairPieceBytesMin: 1, pairBytes: 64 * 1024 }

test.before('the addon with kill points is built', buildKillPoints)

/** Kills a publisher; whoever listens gets the first messages, `missing` less than it had begun with. */
async function killPublisher(t: ExecutionContext, point: string, missing: readonly number[]): Promise<void> {
  const stage = await Stage.open(t, undefined, PAIRS)
  await stage.bystanders.start()
  const survivor = await clientOf(t, stage.path, { name: 'survivor' })
  const streams = new Streams()
  const numbers: number[] = []
  await survivor.subscribe(TOPIC, (message) => {
    streams.take(message)
    numbers.push((message.headers as Label).number)
  }).ready
  const dying = forkChild(t, './victim-child.js', point)
  let begun = 0
  dying.process.on('message', (number: number) => {
    begun = number
  })
  const disconnected = new Promise((resolve) => dying.process.once('disconnect', resolve))
  const part = { role: 'publisher', way: 'publish', count: COUNT_MAX, path: stage.path, name: 'dying' }
  dying.process.send({ ...part, topic: TOPIC, byteLength: BYTES })
  await Promise.all([diedAtPoint(t, dying), disconnected])
  await stage.forgotten('dying')
  await settled(survivor)
  t.deepEqual(streams.faults, [])
  t.deepEqual(
    numbers,
    numbers.map((_, index) => index + 1),
  )
  t.true(missing.includes(begun - numbers.length), `${begun} begun, ${numbers.length} delivered`)
  await stage.leavesNothing()
}

// What it writes may be a FLUSH as well, and then the message before has been written whole.
test.serial('[PAIR-6] a publisher dies while it writes to its pair: half a write is nobody’s', (t) =>
  killPublisher(t, 'pair:while-writing:21', [0, 1]),
)

test.serial('[PAIR-6] a publisher dies as it has written: all of it is delivered', (t) =>
  killPublisher(t, 'pair:written:21', [0]),
)

test.serial('[PAIR-6] a publisher dies while it reads from its pair: all that it wrote is delivered', (t) =>
  killPublisher(t, 'pair:while-reading:21', [0]),
)

for (const point of ['pair:while-writing:5', 'pair:written:5', 'pair:while-reading:30']) {
  test.serial(`a subscriber dies at ${point}: nobody else misses anything`, async (t) => {
    const stage = await Stage.open(t, undefined, PAIRS)
    await stage.bystanders.start()
    const streams = new Streams()
    const survivor = await clientOf(t, stage.path, { name: 'survivor' })
    await survivor.subscribe(TOPIC, (message) => streams.take(message)).ready
    const publisher = new NumberedPublisher(
      await clientOf(t, stage.path, { name: 'publisher' }),
      TOPIC,
      'publisher',
    )
    const dying = forkChild(t, './victim-child.js', point)
    const part: Part = {
      role: 'subscriber',
      view: false,
      held: 1,
      path: stage.path,
      name: 'dying',
      topic: TOPIC,
      byteLength: BYTES,
      count: COUNT_MAX,
    }
    dying.process.send(part)
    await Promise.race([dying.message().catch(() => undefined), dying.ended()])
    while (dying.isRunning && publisher.published < COUNT_MAX) {
      await publisher.publish(BYTES)
      await publisher.bus.flush()
    }
    await diedAtPoint(t, dying)
    await stage.forgotten('dying')
    const before = publisher.published
    while (publisher.published < before + COUNT_AFTER) await publisher.publish(BYTES)
    await until(() => streams.lastOf(publisher.stream) === publisher.published)
    t.deepEqual(streams.faults, [])
    t.is(streams.received, publisher.published)
    await stage.leavesNothing()
  })
}

for (const point of ['pair:while-writing', 'pair:written', 'pair:while-reading']) {
  test.serial(`a broker dies at ${point}: everybody comes to the next one, and to a new pair`, async (t) => {
    const stage = await Stage.open(t, `${point}:200`, PAIRS)
    await stage.bystanders.start()
    const streams = new Streams()
    const subscriber = await clientOf(t, stage.path, { name: 'subscriber' })
    subscriber.on('disconnect', () => streams.brokerDied())
    await subscriber.subscribe(TOPIC, (message) => streams.take(message)).ready
    const bus = await clientOf(t, stage.path, { name: 'publisher' })
    const publisher = new NumberedPublisher(bus, TOPIC, 'publisher')
    while (stage.broker.isRunning && publisher.published < COUNT_MAX) {
      await publisher.publish(BYTES).catch(unlessDisconnected)
      await Promise.race([bus.flush().catch(unlessDisconnected), stage.broker.ended()])
    }
    if (stage.broker.isRunning) await stage.broker.end('SIGTERM')
    await diedAtPoint(t, stage.broker)
    await stage.replaceBroker()
    await until(() => [stage.observer, bus, subscriber].every((each) => each.isConnected))
    await bus.flush().catch(unlessDisconnected)
    await settled(bus, subscriber)
    for (let number = 0; number < COUNT_AFTER; number++) await publisher.publish(BYTES)
    await until(() => streams.lastOf(publisher.stream) === publisher.published)
    t.deepEqual(streams.faults, [])
    t.is(stage.bystanders.publisher.disconnects, 1)
    await stage.leavesNothing()
  })
}
