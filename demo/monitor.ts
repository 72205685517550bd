import { type RingbusClient, RingbusError, type Subscription } from '../client/index.js'
import { countDelivered } from './delivered.js'
import { createDisplay, type Display } from './display.js'
import { runMicroservice } from './microservice.js'
import { DONE, FOUND, PROGRESS, type Progress, type WalkProgress } from './topics.js'

/** The eye follows that many steps a second as a movement. */
const LOOK_EVERY_MS = 200

/** Rates are a mean over this many looks, two seconds, so that they can be read. */
const LOOKS_IN_MEAN = 10

/** How far things had come at one look. */
interface Look {
  readonly atMs: number
  readonly messages: number
  readonly bytesMoved: number
}

/** Follows the run by what the others publish, and shows it. */
class Monitor {
  readonly #bus: RingbusClient
  readonly #display: Display
  #subscriptions: readonly Subscription[] = []
  /** Undefined until the walk has begun: until then there is nothing to show. */
  #walk: WalkProgress | undefined
  #bytesMoved = 0
  /** At most `LOOKS_IN_MEAN`, the latest last. */
  readonly #looks: Look[] = []

  constructor(bus: RingbusClient, display: Display) {
    this.#bus = bus
    this.#display = display
  }

  async subscribe(): Promise<void> {
    this.#subscriptions = [
      this.#bus.subscribe<WalkProgress>(FOUND, ({ data }) => {
        this.#walk = data
      }),
      this.#bus.subscribe<WalkProgress>(DONE, ({ data }) => {
        this.#walk = data
      }),
      this.#bus.subscribe<Progress>(PROGRESS, ({ data }) => {
        this.#bytesMoved += data.bytes
      }),
    ]
    await Promise.all(this.#subscriptions.map(({ ready }) => ready))
  }

  async look(): Promise<void> {
    const messages = await countDelivered(this.#bus)
    const now: Look = { atMs: performance.now(), messages, bytesMoved: this.#bytesMoved }
    this.#looks.push(now)
    if (this.#looks.length > LOOKS_IN_MEAN) this.#looks.shift()
    const { atMs, messages: messagesThen, bytesMoved } = this.#looks[0]!
    const seconds = (now.atMs - atMs) / 1000
    // A client that died takes its count with it, and the sum falls.
    const messagesMoved = Math.max(0, messages - messagesThen)
    if (this.#walk === undefined) return
    this.#display.show({
      walk: this.#walk,
      bytesMoved: this.#bytesMoved,
      messagesPerSecond: seconds > 0 ? messagesMoved / seconds : 0,
      bytesPerSecond: seconds > 0 ? (this.#bytesMoved - bytesMoved) / seconds : 0,
    })
  }

  /** Takes what is still on its way. */
  async end(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.drain()))
    if (this.#walk !== undefined) this.#display.end(this.#walk)
  }
}

await runMicroservice('demo-monitor', async (bus) => {
  const monitor = new Monitor(bus, createDisplay(process.stderr))
  await monitor.subscribe()
  const look = (): void => {
    // A look that the end of the run cuts short is no loss.
    monitor.look().catch((error: unknown) => {
      if (!(error instanceof RingbusError)) throw error
    })
  }
  const timer = setInterval(look, LOOK_EVERY_MS)
  return async () => {
    clearInterval(timer)
    await monitor.end()
  }
})
