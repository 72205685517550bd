import { isByRing, type RingbusError } from '../../protocol/index.js'
import type { Message } from '../inbound/message.js'
import { unwatchAbort, watchAbort } from './abort-watch.js'
import { cancelledError, type PendingRequest, timeoutError } from './pending-request.js'
import { type ReplyReader, replyMessage } from './reply-message.js'

export interface SingleRequestSettings extends ReplyReader {
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
  part(bytes: Buffer, start: number): void {
    if (isByRing(bytes, start)) this.#settings.incoming.drop(bytes, start)
  }

  end(bytes: Buffer, start: number, length: number): void {
    try {
      const message = replyMessage(this.#settings, this.topic, bytes, start, length)
      this.#release()
      this.#resolve(message)
    } catch (error) {
      // There is no memory for the copy.
      this.fail(error as RingbusError)
    }
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
