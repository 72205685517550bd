import { isReserved, Kind, RingbusError } from '../../protocol/index.js'
import { Deferred } from '../deferred.js'
import type { PublishOptions } from '../options.js'
import type { Barriers } from './barriers.js'
import type { Outbox } from './outbox.js'
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
  /** Topics that were asked to pause, with those who wait for the end of it. */
  readonly #paused = new Map<string, Deferred<void> | undefined>()
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
    if (isReserved(topic)) {
      throw new RingbusError('TOPIC_RESERVED', `"${topic}" belongs to the broker`, { details: { topic } })
    }
    this.#sender.sendTo(Kind.MESSAGE, alias, 0, 0, data, options)
    this.#published += 1
    if (outbox.waitingBytes <= SOFT_BYTES) return true
    if (!this.#paused.has(topic)) this.#paused.set(topic, undefined)
    return false
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
    if (!this.#paused.has(topic)) return
    let waiting = this.#paused.get(topic)
    if (waiting === undefined) {
      waiting = new Deferred()
      this.#paused.set(topic, waiting)
    }
    await waiting.promise
  }

  /** What waited has left: everyone may go on. */
  resume(): void {
    if (this.#paused.size === 0 || this.#outbox.waitingBytes > SOFT_BYTES / 2) return
    const paused = [...this.#paused]
    this.#paused.clear()
    for (const [topic, waiting] of paused) {
      waiting?.resolve()
      this.#drained(topic)
    }
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
    for (const waiting of this.#paused.values()) waiting?.reject(error)
    this.#paused.clear()
  }
}
