import type { RingbusError } from '../../protocol/index.js'
import { Message } from '../inbound/message.js'
import { ownFrames } from '../inbound/read-memory.js'
import { unwatchAbort, watchAbort } from './abort-watch.js'
import { cancelledError, type PendingRequest, timeoutError } from './pending-request.js'

export interface SingleRequestSettings {
  readonly topic: string
  /** 0: none. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  /** Takes the request out of the books and tells the broker. */
  readonly cancel: () => void
}

/** A request that waits for its one reply. */
export class SingleRequest implements PendingRequest {
  readonly topic: string
  readonly #settings: SingleRequestSettings
  readonly #timer: NodeJS.Timeout | undefined
  readonly #resolve: (message: Message) => void
  readonly #reject: (error: RingbusError) => void

  constructor(
    settings: SingleRequestSettings,
    resolve: (message: Message) => void,
    reject: (error: RingbusError) => void,
  ) {
    this.topic = settings.topic
    this.#settings = settings
    this.#resolve = resolve
    this.#reject = reject
    if (settings.timeoutMs > 0) this.#timer = setTimeout(this.#timedOut, settings.timeoutMs)
    if (settings.signal !== undefined) watchAbort(settings.signal, this.#aborted)
  }

  /** The broker lets no part pass that was not asked for. */
  part(): void {}

  end(bytes: Buffer, start: number, length: number): void {
    this.#release()
    this.#resolve(new Message(ownFrames(bytes, start, start + length), 0, length, this.topic))
  }

  fail(error: RingbusError): void {
    this.#release()
    this.#reject(error)
  }

  readonly #timedOut = (): void => {
    this.#settings.cancel()
    this.fail(timeoutError(this.topic, this.#settings.timeoutMs, 'no reply'))
  }

  readonly #aborted = (): void => {
    this.#settings.cancel()
    this.fail(cancelledError(this.topic, this.#settings.signal?.reason))
  }

  #release(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    const { signal } = this.#settings
    if (signal !== undefined) unwatchAbort(signal, this.#aborted)
  }
}
