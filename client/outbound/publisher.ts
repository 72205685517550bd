import { isReserved, Kind, RingbusError } from '../../protocol/index.js'
import type { LoanPublishOptions, PublishOptions } from '../options.js'
import type { LoanContent } from '../rings/loan.js'
import type { Barriers } from './barriers.js'
import type { Outbox } from './outbox.js'
import { Pauses } from './pauses.js'
import type { Sender } from './sender.js'

/** Past this many waiting bytes `publish` asks for a pause: some milliseconds of a busy socket. */
const SOFT_BYTES = 1024 * 1024

/** Past this many `publish` throws: the program does not heed the pause, and would fill its memory. */
const HARD_BYTES = 16 * 1024 * 1024

/** Publishes, and tells publishers when to pause and when to go on. */
export class Publisher {
  readonly #outbox: Outbox
  readonly #sender: Sender
  /** The most that is kept while there is no connection. */
  readonly #keptBytesMax: number
  /** Below this many waiting bytes there is room in any case. */
  readonly #roomyBytes: number
  readonly #drained: (topic: string) => void
  /** Until less waits to be sent. */
  readonly #outboxPauses = new Pauses()
  /** Until the ring has room. */
  readonly #ringPauses = new Pauses()
  /** Messages written since the start, and how many of them the broker is known to have routed. */
  #published = 0
  #routed = 0
  #lossUnreported = false

  constructor(outbox: Outbox, sender: Sender, keptBytesMax: number, drained: (topic: string) => void) {
    this.#outbox = outbox
    this.#sender = sender
    this.#keptBytesMax = keptBytesMax
    this.#roomyBytes = Math.min(SOFT_BYTES, keptBytesMax)
    this.#drained = drained
  }

  publish(topic: string, data: unknown, options: PublishOptions | undefined): boolean {
    const outbox = this.#outbox
    if (outbox.waitingBytes >= this.#roomyBytes) this.checkRoom(topic)
    const alias = outbox.aliases.find(topic)
    if (isReserved(topic)) throw reservedError(topic)
    const writtenBytes = this.#sender.sendTo(Kind.MESSAGE, alias, 0, 0, data, options)
    return this.#written(topic, writtenBytes)
  }

  /** Publishes what was lent. */
  publishLoan(loan: LoanContent, options: LoanPublishOptions): boolean {
    const { topic } = loan
    if (this.#outbox.waitingBytes >= this.#roomyBytes) this.checkRoom(topic)
    return this.#written(topic, this.#sender.sendLoan(this.#outbox.aliases.find(topic), loan, options))
  }

  /** Throws BACKPRESSURE when no more may wait. */
  checkRoom(topic: string): void {
    const waitingBytes = this.#outbox.waitingBytes
    const connected = this.#outbox.isConnected
    const bytesMax = connected ? HARD_BYTES : this.#keptBytesMax
    if (waitingBytes < bytesMax) return
    throw new RingbusError(
      'BACKPRESSURE',
      connected
        ? `${waitingBytes} bytes wait to be sent, the limit is ${bytesMax}: await ready("${topic}") after publish has returned false`
        : `${waitingBytes} bytes wait for the connection to come back, the limit is ${bytesMax}`,
      { details: { topic, waitingBytes, bytesMax } },
    )
  }

  /** Resolves when `topic` may be published again: at once if nothing asked for a pause. */
  async ready(topic: string): Promise<void> {
    await this.#outboxPauses.over(topic)
    await this.#ringPauses.over(topic)
  }

  /** What waited has left: everyone may go on. */
  resume(): void {
    if (this.#outboxPauses.isEmpty || this.#outbox.waitingBytes > SOFT_BYTES / 2) return
    for (const topic of this.#outboxPauses.end()) if (!this.#ringPauses.has(topic)) this.#drained(topic)
  }

  /** The ring has room, or there is none to wait for. */
  ringHasRoom(): void {
    for (const topic of this.#ringPauses.end()) if (!this.#outboxPauses.has(topic)) this.#drained(topic)
  }

  /** Resolves once the broker has routed everything published before; rejects DISCONNECTED when it may not have. */
  async flush(barriers: Barriers): Promise<void> {
    if (this.#lossUnreported) {
      this.#lossUnreported = false
      throw new RingbusError(
        'DISCONNECTED',
        'The connection was lost before everything that was published had been routed; some of it may be lost',
      )
    }
    const published = this.#published
    await barriers.pass()
    this.#routed = Math.max(this.#routed, published)
  }

  /** The connection is gone, and what was sent may have gone with it: the next flush must not say otherwise. */
  disconnected(): void {
    if (this.#published > this.#routed) this.#lossUnreported = true
    this.#routed = this.#published
  }

  /** Nobody will publish any more. */
  close(error: RingbusError): void {
    this.#outboxPauses.fail(error)
    this.#ringPauses.fail(error)
  }

  /** Whether the next message is welcome. Throws BACKPRESSURE when this one was not written at all. */
  #written(topic: string, writtenBytes: number): boolean {
    if (writtenBytes > 0) this.#published += 1
    let isWelcome = true
    if (this.#outbox.waitingBytes > SOFT_BYTES) {
      this.#outboxPauses.add(topic)
      isWelcome = false
    }
    if (this.#sender.ringIsShort) {
      this.#sender.ringIsShort = false
      this.#ringPauses.add(topic)
      isWelcome = false
    }
    if (writtenBytes > 0) return isWelcome
    throw new RingbusError(
      'BACKPRESSURE',
      `The ring has no room for the payload, which is too large for a frame: await ready("${topic}"), or use \`loan\``,
      { details: { topic } },
    )
  }
}

export function reservedError(topic: string): RingbusError {
  return new RingbusError('TOPIC_RESERVED', `"${topic}" belongs to the broker`, { details: { topic } })
}
