import { writeSync } from 'node:fs'
import { connect, type RingbusClient } from '../../client/index.js'
import { killPoint } from '../../shmring/index.js'
import { Streams } from './numbered.js'
import { NumberedPublisher, type Way } from './numbered-publisher.js'

/*
 * A client in a process of its own, to be killed at a point. Begins when its parent sends it a part; one that has
 * played it to the end has not met the point, and says so by its exit code. A publisher tells the number of each message
 * before it publishes it.
 */

/** Sends its parent the number of each message before it publishes that. */
interface PublisherPart {
  readonly role: 'publisher'
  readonly way: Way
}

interface SubscriberPart {
  readonly role: 'subscriber'
  readonly view: boolean
  /** Messages that it keeps before it lets all of them go. */
  readonly held: number
}

export type Part = (PublisherPart | SubscriberPart) & {
  readonly path: string
  readonly name: string
  readonly topic: string
  readonly byteLength: number
  /** The number of the last message. */
  readonly count: number
}

const EXIT_ALIVE = 3

async function publish(bus: RingbusClient, part: Part & PublisherPart): Promise<void> {
  const publisher = new NumberedPublisher(bus, part.topic, part.name)
  await publisher.openRing(part.byteLength)
  for (let number = 1; number <= part.count; number++) {
    process.send!(number)
    await publisher.publish(part.byteLength, part.way)
    await bus.flush()
  }
  process.exit(EXIT_ALIVE)
}

async function subscribe(bus: RingbusClient, part: Part & SubscriberPart): Promise<void> {
  const { topic, view, held, count } = part
  const streams = new Streams()
  const waiting: (() => void)[] = []
  const subscription = bus.subscribe(topic, { view, concurrency: held }, async (message) => {
    streams.take(message)
    if (waiting.length + 1 < held) await new Promise<void>((resolve) => waiting.push(resolve))
    else {
      killPoint?.('subscriber:holding')
      for (const proceed of waiting.splice(0)) proceed()
    }
    streams.check(message)
    // By the time that a process message is read, this one may be dead.
    for (const fault of streams.faults) writeSync(process.stderr.fd, `${fault}\n`)
    if (streams.received === count) process.exit(EXIT_ALIVE)
  })
  await subscription.ready
  process.send!('ready')
}

process.once('message', async (part: Part) => {
  const bus = await connect({ path: part.path, name: part.name })
  if (part.role === 'publisher') await publish(bus, part)
  else await subscribe(bus, part)
})
