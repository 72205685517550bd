import type { RingbusClient } from '../../client/index.js'
import { labelOf, payloadOf } from './numbered.js'

/** How a payload comes into the ring: copied by `publish`, or written where it will be read. */
export type Way = 'publish' | 'loan'

/** Publishes numbered messages, as one stream for each connection. */
export class NumberedPublisher {
  /** Also the number of the last message. */
  published = 0
  disconnects = 0
  readonly bus: RingbusClient
  readonly #topic: string
  readonly #name: string

  constructor(bus: RingbusClient, topic: string, name: string) {
    this.bus = bus
    this.#topic = topic
    this.#name = name
    bus.on('disconnect', () => {
      this.disconnects += 1
    })
  }

  get stream(): string {
    return `${this.#name}/${this.disconnects}`
  }

  /** Has the ring opened, so that what follows goes by it. */
  async openRing(byteLength: number): Promise<void> {
    const loan = await this.bus.loan(this.#topic, byteLength)
    loan.discard()
  }

  /** Publishes the next message, and waits for room for another; rejects with what the client has against it, and then it has no number. */
  async publish(byteLength: number, way: Way = 'publish'): Promise<void> {
    const loan = way === 'loan' ? await this.bus.loan(this.#topic, byteLength) : undefined
    const number = this.published + 1
    const data = payloadOf(number, byteLength)
    const options = { headers: labelOf(this.stream, number, data) }
    loan?.bytes.set(data)
    const isWelcome =
      loan === undefined ? this.bus.publish(this.#topic, data, options) : loan.publish(options)
    this.published = number
    // Without room in the ring the next one would go by socket.
    if (!isWelcome) await this.bus.ready(this.#topic)
  }
}
