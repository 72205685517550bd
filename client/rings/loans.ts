import { arrayByteLength, isReserved, Kind, RingbusError } from '../../protocol/index.js'
import { checkTopic } from '../outbound/aliases.js'
import type { Outbox } from '../outbound/outbox.js'
import { reservedError } from '../outbound/publisher.js'
import { expected } from '../validate.js'
import { Loan, type LoanLayout, type PublishLoan } from './loan.js'
import { type LoanMemory, RingMemory } from './loan-memory.js'
import type { OutgoingRing } from './outgoing-ring.js'

/** Makes loans of what the ring lends, or of memory of this process. */
export class Loans {
  readonly #ring: OutgoingRing
  readonly #outbox: Outbox
  readonly #publish: PublishLoan
  /** Loans that were collected as garbage. One that was forgotten would hold up the ring for ever. */
  readonly #collected = new FinalizationRegistry<LoanMemory>((memory) => this.#ring.lender.reclaim(memory))

  constructor(ring: OutgoingRing, outbox: Outbox, publish: PublishLoan) {
    this.#ring = ring
    this.#outbox = outbox
    this.#publish = publish
  }

  /** See `RingbusClient.loan`. */
  async take(topic: string, size: number | LoanLayout, signal: AbortSignal | undefined): Promise<Loan> {
    checkTopic(topic)
    if (isReserved(topic)) throw reservedError(topic)
    const layout = typeof size === 'object' && size !== null ? size : undefined
    const byteLength = layout === undefined ? checkByteLength(size) : arrayByteLength(layout)
    const memory = await this.#memory(byteLength, signal)
    // The connection may have gone between the promise and this.
    if (memory.failure !== undefined) throw memory.failure
    const loan = new Loan({ topic, byteLength, layout, memory }, this.#publish)
    if (memory instanceof RingMemory) this.#collected.register(loan, memory)
    return loan
  }

  #memory(byteLength: number, signal: AbortSignal | undefined): Promise<LoanMemory> | LoanMemory {
    const { lender } = this.#ring
    if (this.#ring.takes(Kind.MESSAGE, byteLength)) return lender.lend(byteLength, signal)
    if (byteLength <= lender.inlineBytesMax || this.#outbox.isConnected) return lender.lendInline(byteLength)
    throw new RingbusError(
      'DISCONNECTED',
      `Only a ring can hold ${byteLength} bytes, and there is no connection now`,
    )
  }
}

function checkByteLength(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw expected('byteLength', 'a number of bytes, or an object with `dtype` and `shape`', value)
}
