import test, { type ExecutionContext } from 'ava'
import type { SubscribeOptions } from '../../client/index.js'
import { clientOf, settled } from '../client/fixtures.js'
import { type Label, Streams } from './numbered.js'
import type { Way } from './numbered-publisher.js'
import { buildKillPoints, diedAtPoint, forkChild, Stage } from './stage.js'

const BYTES = 50_000
const TOPIC = 'dying'

/**
 * The message by ring at which the publisher dies: by then its ring has been used more than once round. On a busy machine
 * the ring may be idle for so long that it is asked back; then some go inline, until there is another.
 */
const LAST_BY_RING = 30

/** Messages within which it must have met its point. */
const COUNT_MAX = 400

test.before('the addon with kill points is built', buildKillPoints)

/** A subscriber in this process, which notes what comes. */
async function listen(t: ExecutionContext, path: string, options: SubscribeOptions) {
  const bus = await clientOf(t, path, { name: 'survivor' })
  const streams = new Streams()
  const taken: number[] = []
  const handler = async (message: Parameters<Streams['take']>[0]) => {
    streams.take(message)
    taken.push((message.headers as Label).number)
    await null
    streams.check(message)
  }
  await bus.subscribe(TOPIC, options, handler).ready
  return { bus, streams, taken }
}

/** Kills a publisher at a point; whoever listens gets all messages up to its last one, and that as `arrives` says. */
async function killPublisher(t: ExecutionContext, point: string, way: Way, arrives: boolean): Promise<void> {
  const stage = await Stage.open(t)
  await stage.bystanders.start()
  const listeners = [
    await listen(t, stage.path, {}),
    await listen(t, stage.path, { view: true, concurrency: 3 }),
  ]
  const publisher = forkChild(t, './victim-child.js', point)
  const part = { role: 'publisher', way, count: COUNT_MAX }
  publisher.process.send({ ...part, path: stage.path, name: 'dying', topic: TOPIC, byteLength: BYTES })
  await diedAtPoint(t, publisher)
  await stage.forgotten('dying')
  const numbers = publisher.takeMessages<number>()
  t.true(numbers.length >= LAST_BY_RING)
  const expected = arrives ? numbers : numbers.slice(0, -1)
  for (const { bus, streams, taken } of listeners) {
    await settled(bus)
    t.deepEqual(streams.faults, [])
    t.deepEqual(taken, expected)
  }
  await stage.leavesNothing()
}

// The first claim is the one by which the ring was opened.
test.serial('a publisher dies before it claims', (t) =>
  killPublisher(t, `publisher:before-claim:${LAST_BY_RING + 1}`, 'publish', false),
)

test.serial('a publisher dies while it writes: half a payload is nobody’s message', (t) =>
  killPublisher(t, `publisher:while-writing:${LAST_BY_RING}`, 'publish', false),
)

for (const way of ['publish', 'loan'] as const) {
  test.serial(
    `[RING-9] a publisher dies with the payload in the ring and before its frame: its claim is void, by ${way}`,
    (t) => killPublisher(t, `publisher:after-commit:${LAST_BY_RING}`, way, false),
  )

  test.serial(`a publisher dies after its frame: the message arrives, by ${way}`, (t) =>
    killPublisher(t, `publisher:after-frame:${LAST_BY_RING}`, way, true),
  )
}
