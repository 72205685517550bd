import './with-parent.js'
import { once } from 'node:events'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { connect, type Message, type RingbusClient } from '../../client/index.js'

/*
 * One end of a stream of numbered messages. Begins when its parent sends it a part; the sink says 'ready', and 'half'
 * in the middle. Both report at the end.
 */
export interface PipelinePart {
  readonly path: string
  readonly role: 'source' | 'sink'
  readonly topic: string
  readonly count: number
}

export interface PipelineReport {
  /** The most memory that the process had in each half. */
  readonly rssMax: readonly [number, number]
  /** The first message that was not the one that had to come. */
  readonly fault: string | undefined
}

const LOOK_INTERVAL = 1_000

/** So long that what is queued somewhere would be seen. */
const TEXT_BYTES = 200

const rssMax: [number, number] = [0, 0]
let fault: string | undefined

function passed(number: number, count: number): void {
  if (number % LOOK_INTERVAL !== 0) return
  const half = number * 2 <= count ? 0 : 1
  rssMax[half] = Math.max(rssMax[half], process.memoryUsage.rss())
}

function* numbered(count: number): Iterable<string> {
  for (let number = 1; number <= count; number++) {
    passed(number, count)
    yield String(number).padEnd(TEXT_BYTES)
  }
}

async function source(bus: RingbusClient, { topic, count }: PipelinePart): Promise<void> {
  await pipeline(Readable.from(numbered(count)), bus.createWriteStream(topic))
}

async function sink(bus: RingbusClient, { topic, count }: PipelinePart): Promise<void> {
  let received = 0
  const messages = bus.createReadStream<string>(topic)
  await messages.ready
  const checked = new Writable({
    objectMode: true,
    write({ data }: Message<string>, _encoding, done) {
      received += 1
      if (data.length !== TEXT_BYTES || Number(data) !== received)
        fault ??= `${data.trim()} is number ${received}`
      passed(received, count)
      if (received * 2 === count) process.send!('half')
      if (received === count) void messages.drain()
      done()
    },
  })
  process.send!('ready')
  await pipeline(messages, checked)
}

process.once('message', async (part: PipelinePart) => {
  const bus = await connect({ path: part.path, name: part.role, reconnect: false })
  await (part.role === 'source' ? source : sink)(bus, part)
  process.send!({ rssMax, fault } satisfies PipelineReport)
  // The broker is asked about this client first.
  await once(process, 'disconnect')
})
