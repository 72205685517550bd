import { RingbusError } from '../../protocol/index.js'
import type { RingPayload } from './ring-payload.js'

/** Ends a view: its buffer is detached, unless it is in other hands. */
export type EndView = (buffer: ArrayBuffer) => void

/**
 * A payload that is read where it lies, in the memory of its ring.
 *
 *   open ──release──> ended
 */
export class View implements RingPayload {
  readonly #end: EndView
  /** Undefined once the view has ended. */
  #bytes: Buffer | undefined

  constructor(buffer: ArrayBuffer, end: EndView) {
    this.#bytes = Buffer.from(buffer)
    this.#end = end
  }

  get bytes(): Buffer {
    if (this.#bytes !== undefined) return this.#bytes
    throw new RingbusError(
      'INVALID_ARGUMENT',
      'The view of the message was released; copy what is to be kept',
    )
  }

  release(): boolean {
    if (this.#bytes === undefined) return true
    const buffer = this.#bytes.buffer as ArrayBuffer
    this.#bytes = undefined
    this.#end(buffer)
    return true
  }
}
