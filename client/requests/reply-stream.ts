import { HEADER_BYTES, inlineLength, type RingbusError, STREAM_WINDOW_BYTES } from '../../protocol/index.js'
import type { Message } from '../inbound/message.js'
import { unwatchAbort, watchAbort } from './abort-watch.js'
import { cancelledError, type PendingRequest, timeoutError } from './pending-request.js'
import { type ReplyReader, replyMessage } from './reply-message.js'

/** What a stream needs of the requester's books. */
export interface StreamSource {
  /** Sends the request. */
  readonly start: (stream: ReplyStream) => void
  /** Lets the service send more. */
  readonly pull: (bytes: number) => void
  /** Takes the request out of the books and tells the broker. */
  readonly cancel: () => void
}

export interface ReplyStreamSettings extends ReplyReader {
  readonly topic: string
  /** Between one part and the next; 0: none. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

type Step = IteratorResult<Message, undefined>

interface Part {
  readonly message: Message
  /** What it costs of the credit. */
  readonly bytes: number
}

interface Waiter {
  readonly resolve: (step: Step) => void
  readonly reject: (error: RingbusError) => void
}

/**
 * A request that is answered by parts, as the iterator over them.
 *
 *   unasked ──(first step)──> asked ──(final frame, failure, cancellation)──> over
 *
 * Parts that nobody has fetched yet wait in `#parts`, within the credit granted. [REQUEST-5] Those that the loop has
 * are released at the step after, should they be views.
 */
export class ReplyStream implements PendingRequest, AsyncIterableIterator<Message> {
  readonly topic: string
  readonly #settings: ReplyStreamSettings
  readonly #source: StreamSource
  #state: 'unasked' | 'asked' | 'over' = 'unasked'
  readonly #parts: Part[] = []
  readonly #given: Message[] = []
  readonly #waiting: Waiter[] = []
  #error: RingbusError | undefined
  #takenBytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(settings: ReplyStreamSettings, source: StreamSource) {
    this.topic = settings.topic
    this.#settings = settings
    this.#source = source
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Step> {
    this.#releaseGiven()
    if (this.#state === 'unasked') this.#ask()
    const part = this.#parts.shift()
    if (part !== undefined) return Promise.resolve(this.#give(part))
    if (this.#state === 'over') return this.#finish()
    this.#startTimer()
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  async return(): Promise<Step> {
    if (this.#state === 'asked') this.#source.cancel()
    this.#releaseGiven()
    this.#dropParts()
    this.#end(undefined)
    return { done: true, value: undefined }
  }

  part(bytes: Buffer, start: number, length: number): void {
    const message = replyMessage(this.#settings, this.topic, bytes, start, length)
    const part = { message, bytes: inlineLength(bytes, start, length) }
    const waiter = this.#waiting.shift()
    if (waiter === undefined) {
      this.#parts.push(part)
      return
    }
    waiter.resolve(this.#give(part))
    if (this.#waiting.length > 0) this.#startTimer()
  }

  end(bytes: Buffer, start: number, length: number): void {
    // The broker's own topics know no streams, and answer with one reply.
    if (length > HEADER_BYTES) this.part(bytes, start, length)
    this.#end(undefined)
  }

  fail(error: RingbusError): void {
    this.#end(error)
  }

  #ask(): void {
    const { signal } = this.#settings
    if (signal?.aborted) return this.#end(cancelledError(this.topic, signal.reason))
    this.#state = 'asked'
    if (signal !== undefined) watchAbort(signal, this.#aborted)
    try {
      this.#source.start(this)
    } catch (error) {
      this.#end(error as RingbusError)
    }
  }

  #end(error: RingbusError | undefined): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#error = error
    clearTimeout(this.#timer)
    const { signal } = this.#settings
    if (signal !== undefined) unwatchAbort(signal, this.#aborted)
    for (const { resolve, reject } of this.#waiting.splice(0)) this.#finish().then(resolve, reject)
  }

  /** The step after the last part: the error if there is one, once. */
  #finish(): Promise<Step> {
    const error = this.#error
    this.#error = undefined
    return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error)
  }

  #give({ message, bytes }: Part): Step {
    this.#given.push(message)
    this.#takenBytes += bytes
    if (this.#takenBytes * 2 >= STREAM_WINDOW_BYTES && this.#state === 'asked') {
      this.#source.pull(this.#takenBytes)
      this.#takenBytes = 0
    }
    return { done: false, value: message }
  }

  #releaseGiven(): void {
    for (const message of this.#given.splice(0)) message.release()
  }

  #dropParts(): void {
    for (const { message } of this.#parts.splice(0)) message.release()
  }

  /** Only a step that has to wait is timed: a slow reader is no fault of the service. */
  #startTimer(): void {
    const { timeoutMs } = this.#settings
    if (timeoutMs === 0) return
    if (this.#timer === undefined) this.#timer = setTimeout(this.#timedOut, timeoutMs)
    else this.#timer.refresh()
  }

  readonly #timedOut = (): void => {
    if (this.#waiting.length === 0) return
    this.#source.cancel()
    this.#end(timeoutError(this.topic, this.#settings.timeoutMs, 'no part'))
  }

  readonly #aborted = (): void => {
    this.#source.cancel()
    this.#dropParts()
    this.#end(cancelledError(this.topic, this.#settings.signal?.reason))
  }
}
