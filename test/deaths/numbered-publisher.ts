import type { RingbusClient } from '../../client/index.js'
import { labelOf, payloadOf } from './numbered.js'

/** How a payload comes into the ring: copied by `publish`, or written where it will be read. */
export type Way = 'publish' | 'loan'

/** Publishes numbered messages, as one stream. */
export class NumberedPublisher {
  /** Also the number of the last message. */
  published = 0
  disconnects = 0
  readonly bus: RingbusClient
  /** The name of its stream. */
  readonly stream: string
  readonly #topic: string
  readonly #firstBroker: number

  /** Brokers are counted from 0; `firstBroker` is the one that it begins with. */
  constructor(bus: RingbusClient, topic: string, stream: string, firstBroker = 0) {
    this.bus = bus
    this.stream = stream
    this.#topic = topic
    this.#firstBroker = firstBroker
    bus.on('disconnect', () => {
      this.disconnects += 1
    })
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
    const broker = this.#firstBroker + this.disconnects
    const options = { headers: labelOf(this.stream, number, broker, data) }
    loan?.bytes.set(data)
    const isWelcome =
      loan === undefined ? this.bus.publish(this.#topic, data, options) : loan.publish(options)
    this.published = number
    // Without room in the ring the next one would go by socket.
    if (!isWelcome) await this.bus.ready(this.#topic)
  }
}
