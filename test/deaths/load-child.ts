import { writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type Message, type RingbusClient, RingbusError } from '../../client/index.js'
import { QUICK, until } from '../client/fixtures.js'
import { collectUntil } from '../client/garbage.js'
import { unlessDisconnected } from './bystanders.js'
import { Streams } from './numbered.js'
import { NumberedPublisher } from './numbered-publisher.js'
import { createRandom } from './random.js'
import { ownRingMemory } from './ring-memory.js'

/*
 * A client that works until it is killed, or asked to end. Begins when its parent sends it a part, says 'ready', and
 * answers 'busy', 'stop', 'report' and 'close'. Whatever is wrong stands on its standard error at once: it may be dead soon.
 */

export interface LoadPart {
  readonly role: 'publisher' | 'copies' | 'views'
  readonly path: string
  readonly name: string
  readonly topic: string
  readonly seed: number
  /** Brokers that died before. */
  readonly brokersBefore: number
}

export interface LoadReport {
  /** Messages that it has published, or received. */
  readonly messages: number
  readonly disconnects: number
}

const PAYLOAD_BYTES_MIN = 16 * 1024
const PAYLOAD_BYTES_MAX = 200 * 1024
const HUGE_BYTES = 700 * 1024
const PAUSE_MS_MAX = 16
const VIEWS_AT_ONCE = 3

/** What a part goes on with. */
interface Work {
  readonly messages: number
  stop(): Promise<void>
}

function complain(text: string): void {
  writeSync(process.stderr.fd, `${text}\n`)
}

/** Publishes payloads of many sizes, in both ways. */
class Publishing implements Work {
  readonly #publisher: NumberedPublisher
  readonly #random: () => number
  readonly #running: Promise<void>
  #isStopped = false

  constructor(bus: RingbusClient, { topic, name, seed, brokersBefore }: LoadPart) {
    this.#publisher = new NumberedPublisher(bus, topic, name, brokersBefore)
    this.#random = createRandom(seed)
    this.#running = this.#run()
  }

  get messages(): number {
    return this.#publisher.published
  }

  stop(): Promise<void> {
    this.#isStopped = true
    return this.#running
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#publisher.publish(this.#byteLength(), this.#random() < 0.25 ? 'loan' : 'publish')
        if (this.#random() < 0.25) await this.#publisher.bus.flush()
      } catch (error) {
        // The broker is dead, and what is kept for the next one is enough.
        if (!(error instanceof RingbusError && error.code === 'BACKPRESSURE')) unlessDisconnected(error)
      }
      await delay(this.#random() * PAUSE_MS_MAX)
    }
    await this.#publisher.bus.flush().catch(unlessDisconnected)
  }

  #byteLength(): number {
    if (this.#random() < 0.05) return HUGE_BYTES
    return Math.round(PAYLOAD_BYTES_MIN + this.#random() * (PAYLOAD_BYTES_MAX - PAYLOAD_BYTES_MIN))
  }
}

/** Looks at each message as it comes, and at views once more before they are let go. */
class Subscribing implements Work {
  readonly #streams: Streams
  readonly #random: () => number
  readonly ready: Promise<void>

  constructor(bus: RingbusClient, { topic, role, seed, brokersBefore }: LoadPart) {
    this.#streams = new Streams(brokersBefore)
    this.#random = createRandom(seed)
    bus.on('disconnect', () => this.#streams.brokerDied())
    const options = role === 'views' ? { view: true, concurrency: VIEWS_AT_ONCE } : {}
    this.ready = bus.subscribe(topic, options, (message) => this.#take(message)).ready
  }

  get messages(): number {
    return this.#streams.received
  }

  async stop(): Promise<void> {}

  async #take(message: Message): Promise<void> {
    this.#streams.take(message)
    await delay(this.#random() * PAUSE_MS_MAX)
    this.#streams.check(message)
    for (const fault of this.#streams.faults.splice(0)) complain(fault)
  }
}

async function play(part: LoadPart): Promise<void> {
  let disconnects = 0
  const bus = await connect({ path: part.path, name: part.name, reconnect: { ...QUICK, initial: true } })
  bus.on('disconnect', () => {
    disconnects += 1
  })
  bus.on('error', (error) => complain(String(error.stack)))
  const work = part.role === 'publisher' ? new Publishing(bus, part) : new Subscribing(bus, part)
  const answers: Record<string, () => Promise<unknown>> = {
    async busy() {
      await until(() => work.messages > 0)
      return 'busy'
    },
    async stop() {
      await work.stop()
      return 'stopped'
    },
    async report() {
      await collectUntil(() => ownRingMemory().descriptors + ownRingMemory().maps === 0)
      return { messages: work.messages, disconnects } satisfies LoadReport
    },
    async close() {
      await bus.close()
      process.disconnect()
    },
  }
  process.on('message', async (question: string) => {
    const answer = await answers[question]!()
    if (process.connected) process.send!(answer)
  })
  if (work instanceof Subscribing) await work.ready
  process.send!('ready')
}

process.once('message', (part: LoadPart) => play(part))
