import type { Bus } from '../../bus.js'
import { nowNs } from '../clock.js'
import { newReport, writeReport } from '../progress-report.js'
import { StreamFault } from '../stream-fault.js'
import { checkPayload, countIn } from '../stream-payload.js'

export interface SubscriberOrder {
  readonly topic: string
  readonly progressTopic: string
  /** Which of the subscribers of the stream this is. */
  readonly index: number
  readonly payloadBytes: number
  /** Messages between two reports of how many are handled. */
  readonly reportMessages: number
  /** Reads payloads in the ring, where they came by one, instead of having them copied. */
  readonly views: boolean
}

export interface Received {
  readonly received: number
  readonly endNs: number
}

/** Takes streams, one after the other, and checks every payload. */
export class StreamSubscriber {
  /** The broker has accepted the subscription; rejects when it has not. */
  readonly ready: Promise<void>
  readonly #bus: Bus
  readonly #order: SubscriberOrder
  readonly #report = newReport()
  #stream = 0
  #received = 0
  #isOver = true
  #complete: (received: Received) => void = () => {}
  #fail: (fault: unknown) => void = () => {}

  constructor(bus: Bus, order: SubscriberOrder) {
    this.#bus = bus
    this.#order = order
    const { topic, views } = order
    this.ready = bus.subscribe(topic, { view: views }, (message) => this.#take(message.bytes)).ready
  }

  /** Resolves once a stream is here that begins after this call. Rejects with a StreamFault at the first that is wrong. */
  nextStream(): Promise<Received> {
    this.#stream += 1
    this.#received = 0
    this.#isOver = false
    return new Promise((resolve, reject) => {
      this.#complete = resolve
      this.#fail = reject
    })
  }

  #take(payload: Uint8Array): void {
    if (this.#isOver) return
    try {
      this.#check(payload)
    } catch (fault) {
      this.#isOver = true
      return this.#fail(fault)
    }
    this.#received += 1
    if (this.#received % this.#order.reportMessages === 0) this.#sayProgress()
    if (countIn(payload) === 0) return
    this.#isOver = true
    this.#complete({ received: this.#received, endNs: nowNs() })
  }

  #check(payload: Uint8Array): void {
    const number = this.#received
    checkPayload(payload, number, this.#order.payloadBytes)
    const count = countIn(payload)
    if (count !== 0 && count !== number + 1) {
      throw new StreamFault(`payload ${number} came as the last of ${count}`)
    }
  }

  #sayProgress(): void {
    const { index, progressTopic } = this.#order
    writeReport(this.#report, { index, stream: this.#stream, handled: this.#received })
    this.#bus.publish(progressTopic, this.#report)
  }
}
