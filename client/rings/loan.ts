import { type ArrayLayout, arrayIn, type Dtype, RingbusError, type TypedArray } from '../../protocol/index.js'
import { dispose } from '../dispose.js'
import { checkLoanPublishOptions, type LoanPublishOptions } from '../options.js'
import type { LoanMemory } from './loan-memory.js'

/** A typed array to be lent: the type and number of its elements. */
export interface LoanLayout<D extends Dtype = Dtype> {
  readonly dtype: D
  /** How many elements in each dimension. */
  readonly shape: readonly number[]
}

/** Publishes what a loan holds; returns what `publish` returns. */
export type PublishLoan = (loan: LoanContent, options: LoanPublishOptions) => boolean

/** What a loan is made of. */
export interface LoanContent {
  readonly topic: string
  readonly byteLength: number
  readonly layout: ArrayLayout | undefined
  readonly memory: LoanMemory
}

/**
 * Memory for one message, which subscribers will read where it is: what is written into it is published without a
 * copy. What it holds at first is undefined. It must be published or discarded, for it holds up the ring behind it.
 *
 *   open ──publish, discard──> used       open ──(the connection is lost, the client is closed)──> failed
 */
export class Loan<Elements extends TypedArray | undefined = TypedArray | undefined> implements Disposable {
  /** The topic that it will be published on. */
  readonly topic: string
  /** The memory; of no length once the loan is published, discarded or failed. */
  readonly bytes: Uint8Array
  /** The same memory as a typed array, if one was asked for. */
  readonly array: Elements
  readonly #content: LoanContent
  readonly #publish: PublishLoan
  #state: 'open' | 'used' = 'open'

  /** @internal */
  constructor(content: LoanContent, publish: PublishLoan) {
    const { topic, layout, memory } = content
    this.topic = topic
    this.bytes = new Uint8Array(memory.buffer)
    this.array = (layout === undefined ? undefined : arrayIn(memory.buffer, layout.dtype)) as Elements
    this.#content = content
    this.#publish = publish
  }

  /**
   * Publishes the message; the memory is taken away, and `bytes` and `array` become empty. Returns false as
   * `RingbusClient.publish` does. Throws DISCONNECTED when the connection was lost since the memory was lent,
   * INVALID_ARGUMENT when it was published or discarded before or its buffer was transferred elsewhere; CLOSED,
   * BACKPRESSURE, ENCODE_FAILED.
   */
  publish(options: LoanPublishOptions = {}): boolean {
    this.#checkUnused()
    checkLoanPublishOptions(options)
    const { failure } = this.#content.memory
    if (failure !== undefined) throw failure
    const isWelcome = this.#publish(this.#content, options)
    this.#state = 'used'
    return isWelcome
  }

  /** Gives the memory back unused. Throws INVALID_ARGUMENT when it was published or discarded before. */
  discard(): void {
    this.#checkUnused()
    this.#state = 'used'
    if (this.#content.memory.failure === undefined) this.#content.memory.discard()
  }

  /** Discards it, unless it was published. */
  [dispose](): void {
    if (this.#state === 'open') this.discard()
  }

  #checkUnused(): void {
    if (this.#state === 'open') return
    throw new RingbusError(
      'INVALID_ARGUMENT',
      `The loan for "${this.topic}" was published or discarded before`,
    )
  }
}
