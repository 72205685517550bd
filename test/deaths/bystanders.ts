import { setTimeout as delay } from 'node:timers/promises'
import { type RingbusClient, RingbusError } from '../../client/index.js'
import { until } from '../client/fixtures.js'
import { Streams } from './numbered.js'
import { NumberedPublisher } from './numbered-publisher.js'

const TOPIC = 'bystanders'
const BYTES = 20_000
const PAUSE_MS = 5

/** A publisher and a subscriber that have nothing to do with whoever dies, and must not notice. */
export class Bystanders {
  readonly streams = new Streams()
  readonly publisher: NumberedPublisher
  readonly #subscriber: RingbusClient
  #isStopped = false
  #running: Promise<void> | undefined

  constructor(publisher: RingbusClient, subscriber: RingbusClient) {
    this.publisher = new NumberedPublisher(publisher, TOPIC, 'bystander')
    this.#subscriber = subscriber
    subscriber.on('disconnect', () => this.streams.brokerDied())
  }

  /** Begins, and resolves when messages go by. */
  async start(): Promise<void> {
    await this.#subscriber.subscribe(TOPIC, (message) => this.streams.take(message)).ready
    await this.publisher.openRing(BYTES)
    this.#running = this.#run()
    // `stop` tells; a test that failed does not come that far.
    this.#running.catch(() => undefined)
    await this.goOn()
  }

  /** Resolves when twenty more messages have arrived. */
  async goOn(): Promise<void> {
    const { received } = this.streams
    await until(() => this.streams.received >= received + 20)
  }

  /** Publishes no more; resolves when all that was published is here. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
    await this.publisher.bus.flush()
    await until(() => this.streams.lastOf(this.publisher.stream) === this.publisher.published)
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      await this.publisher.publish(BYTES)
      await this.publisher.bus.flush().catch(unlessDisconnected)
      await delay(PAUSE_MS)
    }
  }
}

/** The broker may be dead: what was lost with it is no error of those that survive. */
export function unlessDisconnected(error: unknown): void {
  if (!(error instanceof RingbusError && error.code === 'DISCONNECTED')) throw error
}
