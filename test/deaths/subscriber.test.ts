import test, { type ExecutionContext } from 'ava'
import { clientOf, until } from '../client/fixtures.js'
import { Streams } from './numbered.js'
import { NumberedPublisher } from './numbered-publisher.js'
import { buildKillPoints, diedAtPoint, forkChild, Stage } from './stage.js'
import type { Part } from './victim-child.js'

const BYTES = 50_000
const TOPIC = 'dying'

/** Messages within which a subscriber must have met its point. */
const COUNT_MAX = 200

/** So many fill the ring several times. */
const COUNT_AFTER = 100

test.before('the addon with kill points is built', buildKillPoints)

/** Kills a subscriber at a point; the publisher has its ring back, and the other subscriber misses nothing. */
async function killSubscriber(
  t: ExecutionContext,
  point: string,
  { view, held }: { view: boolean; held: number },
): Promise<void> {
  const stage = await Stage.open(t)
  await stage.bystanders.start()
  const streams = new Streams()
  const survivor = await clientOf(t, stage.path, { name: 'survivor' })
  await survivor.subscribe(TOPIC, { view: true }, (message) => streams.take(message)).ready
  const bus = await clientOf(t, stage.path, { name: 'publisher' })
  const publisher = new NumberedPublisher(bus, TOPIC, 'publisher')
  await publisher.openRing(BYTES)
  const dying = forkChild(t, './victim-child.js', point)
  const part: Part = {
    role: 'subscriber',
    view,
    held,
    path: stage.path,
    name: 'dying',
    topic: TOPIC,
    byteLength: BYTES,
    count: COUNT_MAX,
  }
  dying.process.send(part)
  await dying.message()
  while (dying.isRunning && publisher.published < COUNT_MAX) {
    await publisher.publish(BYTES)
    await bus.flush()
  }
  await diedAtPoint(t, dying)
  await stage.forgotten('dying')
  const before = publisher.published
  while (publisher.published < before + COUNT_AFTER) await publisher.publish(BYTES)
  await until(() => streams.lastOf(publisher.stream) === publisher.published)
  t.deepEqual(streams.faults, [])
  t.is(streams.received, publisher.published)
  await stage.leavesNothing()
}

const COPY = { view: false, held: 1 }
const VIEW = { view: true, held: 3 }

test.serial('a subscriber dies as a segment is offered to it', (t) =>
  killSubscriber(t, 'subscriber:before-attach', COPY),
)

test.serial('a subscriber dies before it asks for the descriptor', (t) =>
  killSubscriber(t, 'client:before-attach', COPY),
)

test.serial('a subscriber dies with the descriptor, before it has mapped it', (t) =>
  killSubscriber(t, 'client:attached', COPY),
)

test.serial('[RING-7] a subscriber dies while it holds views: its leases end', (t) =>
  killSubscriber(t, 'subscriber:holding:2', VIEW),
)

test.serial('a subscriber dies after a copy, before the release has left', (t) =>
  killSubscriber(t, 'subscriber:before-release:5', COPY),
)

test.serial('a subscriber dies after its views, before the release has left', (t) =>
  killSubscriber(t, 'subscriber:before-release:5', VIEW),
)
