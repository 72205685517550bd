import type { Bus } from '../../bus.js'
import { NS_PER_MS, nowNs } from '../clock.js'
import { checkPayload, newPayload, stampPayload } from '../stream-payload.js'

export interface PingPongOrder {
  /** The topic that this end publishes on, and that on which the other one does. */
  readonly says: string
  readonly hears: string
  readonly payloadBytes: number
}

/** Where the time of sending lies, behind number and count. */
const SENT_OFFSET = 8

/**
 * One of two processes that pass one message to and fro, and time each way: from the call of `publish` in the one to
 * the handler of the other. Numbers count both ways: the end that serves has the even ones.
 */
export class PingPongEnd {
  /** The broker has accepted the subscription; rejects when it has not. */
  readonly ready: Promise<void>
  readonly #bus: Bus
  readonly #topic: string
  readonly #payload: Buffer
  #nextNumber = 0
  #timesNs: number[] = []
  #fault: Error | undefined
  /** This end goes on answering until then; the other one always answers. */
  #endsAtNs = Number.POSITIVE_INFINITY
  #finish: () => void = () => {}

  constructor(bus: Bus, { says, hears, payloadBytes }: PingPongOrder) {
    this.#bus = bus
    this.#topic = says
    this.#payload = newPayload(payloadBytes)
    this.ready = bus.subscribe(hears, (message) => this.#receive(message.bytes as Buffer)).ready
  }

  /** Serves, and plays for so long; resolves as the last message has come back. */
  async play(durationMs: number): Promise<void> {
    this.#endsAtNs = nowNs() + durationMs * NS_PER_MS
    await new Promise<void>((resolve) => {
      this.#finish = resolve
      this.#send()
    })
  }

  /** The times of the messages that came here since it was last asked. Throws a StreamFault if one was not the next. */
  takeTimesNs(): Float64Array {
    if (this.#fault !== undefined) throw this.#fault
    const taken = Float64Array.from(this.#timesNs)
    this.#timesNs = []
    return taken
  }

  #send(): void {
    const payload = this.#payload
    stampPayload(payload, this.#nextNumber)
    this.#nextNumber += 1
    payload.writeDoubleLE(nowNs(), SENT_OFFSET)
    this.#bus.publish(this.#topic, payload)
  }

  #receive(bytes: Buffer): void {
    const arrivedNs = nowNs()
    this.#timesNs.push(arrivedNs - bytes.readDoubleLE(SENT_OFFSET))
    try {
      checkPayload(bytes, this.#nextNumber, this.#payload.length)
      this.#nextNumber += 1
    } catch (error) {
      // Whoever asks for the times is told; the other end would only wait.
      this.#fault = error as Error
      return this.#finish()
    }
    if (arrivedNs < this.#endsAtNs) this.#send()
    else this.#finish()
  }
}
