import { isByRing, type RingbusError } from '../../protocol/index.js'
import type { Message } from '../inbound/message.js'
import { unwatchAbort, watchAbort } from './abort-watch.js'
import { cancelledError, type PendingRequest, timeoutError } from './pending-request.js'
import { type ReplyReader, replyMessage } from './reply-message.js'

/** What a request needs of the requester's books. */
export interface RequestBooks {
  /** Takes the request out of the books and tells the broker. */
  cancel(id: number): void
}

/** A request that waits for its one reply. */
export class SingleRequest implements PendingRequest {
  readonly topic: string
  readonly #books: RequestBooks
  readonly #id: number
  readonly #reader: ReplyReader
  readonly #timeoutMs: number
  readonly #timer: NodeJS.Timeout | undefined
  readonly #unwatch: (() => void) | undefined
  #resolve!: (message: Message) => void
  #reject!: (error: RingbusError) => void

  /** A `timeoutMs` of 0 is none. */
  constructor(
    books: RequestBooks,
    id: number,
    topic: string,
    reader: ReplyReader,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ) {
    this.topic = topic
    this.#books = books
    this.#id = id
    this.#reader = reader
    this.#timeoutMs = timeoutMs
    this.#timer = timeoutMs > 0 ? setTimeout(timeOut, timeoutMs, this) : undefined
    this.#unwatch = signal === undefined ? undefined : this.#watch(signal)
  }

  /** Resolves to the reply, or rejects with why there is none. To be called once. */
  whenReplied(): Promise<Message> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** The broker lets no part pass that was not asked for. */
  part(bytes: Buffer, start: number): void {
    if (isByRing(bytes, start)) this.#reader.incoming.drop(bytes, start)
  }

  end(bytes: Buffer, start: number, length: number): void {
    try {
      const message = replyMessage(this.#reader, this.topic, bytes, start, length)
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

  timedOut(): void {
    this.#books.cancel(this.#id)
    this.fail(timeoutError(this.topic, this.#timeoutMs, 'no reply'))
  }

  #watch(signal: AbortSignal): () => void {
    const aborted = () => {
      this.#books.cancel(this.#id)
      this.fail(cancelledError(this.topic, signal.reason))
    }
    watchAbort(signal, aborted)
    return () => unwatchAbort(signal, aborted)
  }

  #release(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#unwatch?.()
  }
}

/** One function for the timers of all requests. */
function timeOut(request: SingleRequest): void {
  request.timedOut()
}
