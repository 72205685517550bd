import { type Client, RingbusError } from '../client/index.js'
import { countDelivered } from './delivered.js'
import { createDisplay, type Display } from './display.js'
import { runMicroservice } from './microservice.js'
import { DONE, FOUND, PROGRESS, type Progress, type Tally } from './topics.js'

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
  readonly #bus: Client
  readonly #display: Display
  #found: Tally = { files: 0, bytes: 0 }
  #done: Tally = { files: 0, bytes: 0 }
  #bytesMoved = 0
  /** At most `LOOKS_IN_MEAN`, the latest last. */
  readonly #looks: Look[] = []

  constructor(bus: Client, display: Display) {
    this.#bus = bus
    this.#display = display
  }

  async subscribe(): Promise<void> {
    const subscriptions = [
      this.#bus.subscribe<Tally>(FOUND, ({ data }) => {
        this.#found = data
      }),
      this.#bus.subscribe<Tally>(DONE, ({ data }) => {
        this.#done = data
      }),
      this.#bus.subscribe<Progress>(PROGRESS, ({ data }) => {
        this.#bytesMoved += data.bytes
      }),
    ]
    await Promise.all(subscriptions.map((subscription) => subscription.ready))
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
    this.#display.show({
      found: this.#found,
      done: this.#done,
      messagesPerSecond: seconds > 0 ? messagesMoved / seconds : 0,
      bytesPerSecond: seconds > 0 ? (this.#bytesMoved - bytesMoved) / seconds : 0,
    })
  }
}

await runMicroservice('demo-monitor', async (bus) => {
  const display = createDisplay(process.stderr)
  const monitor = new Monitor(bus, display)
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
    await monitor.look()
    display.end()
  }
})
