import { encodeBody, Flag, Kind, RingbusError, STREAM_WINDOW_BYTES } from '../../protocol/index.js'
import { failureOf } from '../failure.js'
import type { Outbox } from '../outbound/outbox.js'
import type { Sender } from '../outbound/sender.js'
import { Cancellation } from './cancellation.js'

/** Ends a stream. */
const NO_BYTES = new Uint8Array(0)

/** The reason of an aborted signal, and what is answered to nobody. */
export function cancelled(): RingbusError {
  return new RingbusError('CANCELLED', 'The requester cancelled the request')
}

/**
 * The answer to one request: any number of parts if a stream is wanted, then one final frame.
 *
 *   open ──(reply, end, fail)──> over       the final frame gives the slot back
 *   open ──(the connection is lost)──> over  nothing can be answered any more
 */
export class Call {
  readonly cancellation = new Cancellation()
  readonly #outbox: Outbox
  readonly #sender: Sender
  readonly #linkId: number
  readonly #options: { readonly priority: number }
  #state: 'open' | 'over' = 'open'
  /** Bytes of parts that may still be sent; at most one frame below zero. [REQUEST-5] */
  #creditBytes = STREAM_WINDOW_BYTES
  #wake: (() => void) | undefined

  constructor(outbox: Outbox, sender: Sender, linkId: number, priority: number) {
    this.#outbox = outbox
    this.#sender = sender
    this.#linkId = linkId
    this.#options = { priority }
  }

  /** Whether an answer would still reach somebody. */
  get isWanted(): boolean {
    return this.#state === 'open' && !this.cancellation.isCancelled
  }

  /** Ends the request with this answer; fails it when the answer cannot be sent. */
  reply(data: unknown): void {
    if (this.#state === 'over') return
    if (this.cancellation.isCancelled) return this.fail(cancelled())
    try {
      this.#sender.sendTo(Kind.REPLY, 0, this.#linkId, 0, data, this.#options)
      this.#state = 'over'
    } catch (error) {
      this.fail(error)
    }
  }

  /** Sends one part; resolves when there is credit for another, or nobody wants it. */
  async part(data: unknown): Promise<void> {
    if (this.#state === 'over') return
    this.#creditBytes -= this.#sender.sendTo(Kind.REPLY, 0, this.#linkId, Flag.STREAM, data, this.#options)
    while (this.#creditBytes <= 0 && this.isWanted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Ends a stream. */
  end(): void {
    if (this.#state === 'over') return
    this.#sender.sendTo(Kind.REPLY, 0, this.#linkId, 0, NO_BYTES, this.#options)
    this.#state = 'over'
  }

  fail(error: unknown): void {
    if (this.#state === 'over') return
    this.#outbox.control(Kind.FAILURE, 0, this.#linkId, encodeBody(Kind.FAILURE, failureOf(error)))
    this.#state = 'over'
  }

  pull(bytes: number): void {
    this.#creditBytes += bytes
    this.#wakeUp()
  }

  cancel(): void {
    this.cancellation.cancel(cancelled())
    this.#wakeUp()
  }

  connectionLost(error: RingbusError): void {
    this.#state = 'over'
    this.cancellation.cancel(error)
    this.#wakeUp()
  }

  #wakeUp(): void {
    this.#wake?.()
    this.#wake = undefined
  }
}
