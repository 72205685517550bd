import test, { type ExecutionContext } from 'ava'
import type { SubscribeOptions } from '../../client/index.js'
import { clientOf, settled } from '../client/fixtures.js'
import { type Label, Streams } from './numbered.js'
import type { Way } from './numbered-publisher.js'
import { buildKillPoints, diedAtPoint, forkChild, Stage } from './stage.js'

const BYTES = 50_000
const TOPIC = 'dying'

/** The message at which the publisher dies: by then its ring has been used more than once round. */
const LAST = 30

test.before('the addon with kill points is built', buildKillPoints)

/** A subscriber in this process, which notes what comes. */
async function listen(t: ExecutionContext, path: string, options: SubscribeOptions) {
  const bus = await clientOf(t, path, { name: 'survivor' })
  const streams = new Streams()
  const numbers: number[] = []
  const handler = async (message: Parameters<Streams['take']>[0]) => {
    streams.take(message)
    numbers.push((message.headers as Label).number)
    await null
    streams.check(message)
  }
  await bus.subscribe(TOPIC, options, handler).ready
  return { bus, streams, numbers }
}

/** Kills a publisher at a point; whoever listens gets messages 1 to `delivered` and no other. */
async function killPublisher(t: ExecutionContext, point: string, way: Way, delivered: number): Promise<void> {
  const stage = await Stage.open(t)
  await stage.bystanders.start()
  const listeners = [
    await listen(t, stage.path, {}),
    await listen(t, stage.path, { view: true, concurrency: 3 }),
  ]
  const publisher = forkChild(t, './victim-child.js', point)
  const part = { role: 'publisher', way, count: LAST + 10 }
  publisher.process.send({ ...part, path: stage.path, name: 'dying', topic: TOPIC, byteLength: BYTES })
  await diedAtPoint(t, publisher)
  await stage.forgotten('dying')
  const expected = Array.from({ length: delivered }, (_, index) => index + 1)
  for (const { bus, streams, numbers } of listeners) {
    await settled(bus)
    t.deepEqual(streams.faults, [])
    t.deepEqual(numbers, expected)
  }
  await stage.leavesNothing()
}

// The first claim is the one by which the ring was opened.
test.serial('a publisher dies before it claims', (t) =>
  killPublisher(t, `publisher:before-claim:${LAST + 1}`, 'publish', LAST - 1),
)

test.serial('a publisher dies while it writes: half a payload is nobody’s message', (t) =>
  killPublisher(t, `publisher:while-writing:${LAST}`, 'publish', LAST - 1),
)

for (const way of ['publish', 'loan'] as const) {
  test.serial(
    `[RING-9] a publisher dies with the payload in the ring and before its frame: its claim is void, by ${way}`,
    (t) => killPublisher(t, `publisher:after-commit:${LAST}`, way, LAST - 1),
  )

  test.serial(`a publisher dies after its frame: the message arrives, by ${way}`, (t) =>
    killPublisher(t, `publisher:after-frame:${LAST}`, way, LAST),
  )
}
