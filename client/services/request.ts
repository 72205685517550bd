import type { Memory } from '../inbound/memory.js'
import { Message } from '../inbound/message.js'
import type { RingPayload } from '../rings/ring-payload.js'
import type { Cancellation } from './cancellation.js'

/** A request: a message that waits for its answer. */
export class Request<T = unknown> extends Message<T> {
  readonly #cancellation: Cancellation

  /** @internal */
  constructor(
    memory: Memory,
    start: number,
    length: number,
    topic: string,
    payload: RingPayload | undefined,
    cancellation: Cancellation,
  ) {
    super(memory, start, length, topic, payload)
    this.#cancellation = cancellation
  }

  /** Aborted when nobody waits for the answer any more: the requester cancelled, or the connection was lost. */
  get signal(): AbortSignal {
    return this.#cancellation.signal
  }
}
