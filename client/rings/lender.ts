import { PAYLOAD_BYTES_MAX_DEFAULT, RingbusError, type RingDescriptor } from '../../protocol/index.js'
import { type ClaimListener, InlineMemory, type LoanMemory, RingMemory } from './loan-memory.js'
import { cancelledLoan, LoanQueue } from './loan-queue.js'
import type { OwnedSegment } from './owned-segment.js'

/** A span of a ring, set aside. */
export interface Claim {
  readonly segment: OwnedSegment
  readonly span: RingDescriptor
}

/** Where lent memory comes from. */
export interface ClaimSource {
  /** `wait`: there may be room later, and `roomMade` is called then. `none`: no ring is to be had for now. */
  claimForLoan(byteLength: number): Claim | 'wait' | 'none'
  /** Nobody waits for a loan any more: what is free is for everybody. */
  loansServed(): void
  /** A claim of the segment is settled. */
  settled(segment: OwnedSegment): void
  /** A claim of the segment will never be settled. */
  spoilt(segment: OwnedSegment): void
}

/** Lends memory for payloads: of the ring, in the order in which it was asked for, or of this process. */
export class Lender implements ClaimListener {
  /** The largest payload that a frame may carry itself. */
  inlineBytesMax = PAYLOAD_BYTES_MAX_DEFAULT
  readonly #source: ClaimSource
  readonly #waiting = new LoanQueue()
  readonly #lent = new Set<RingMemory>()

  constructor(source: ClaimSource) {
    this.#source = source
  }

  /** Whether somebody waits for room, which is not to be given to others then. */
  get isAwaited(): boolean {
    return this.#waiting.first !== undefined
  }

  /** Memory of the ring, as soon as there is room. Rejects with CANCELLED, DISCONNECTED, CLOSED, MESSAGE_TOO_LARGE. */
  async lend(byteLength: number, signal: AbortSignal | undefined): Promise<LoanMemory> {
    if (signal?.aborted) throw cancelledLoan(signal.reason)
    const memory = this.#waiting.enter(byteLength, signal, () => this.serve())
    this.serve()
    return memory
  }

  /** Memory of this process. Throws MESSAGE_TOO_LARGE when it would not fit a frame. */
  lendInline(byteLength: number): LoanMemory {
    if (byteLength <= this.inlineBytesMax) return new InlineMemory(byteLength)
    throw new RingbusError(
      'MESSAGE_TOO_LARGE',
      `The payload has ${byteLength} bytes, the broker takes at most ${this.inlineBytesMax} without a ring, and none is to be had`,
      { details: { bytes: byteLength, bytesMax: this.inlineBytesMax } },
    )
  }

  /** Serves who waits, in order, as far as there is room. */
  serve(): void {
    for (let waiter = this.#waiting.first; waiter !== undefined; waiter = this.#waiting.first) {
      const claim = this.#source.claimForLoan(waiter.byteLength)
      if (claim === 'wait') return
      this.#waiting.shift()
      try {
        waiter.memory.resolve(claim === 'none' ? this.lendInline(waiter.byteLength) : this.#lend(claim))
      } catch (error) {
        waiter.memory.reject(error)
      }
    }
    this.#source.loansServed()
  }

  /** Nobody can publish or discard the loan of this memory any more. */
  reclaim(memory: LoanMemory): void {
    if (this.#lent.has(memory as RingMemory)) memory.discard()
  }

  /** The rings are gone: what is lent of them fails with this error, and nobody waits for them any longer. */
  fail(error: RingbusError): void {
    for (const memory of this.#lent) memory.revoke(error)
    this.#lent.clear()
    this.#waiting.fail(error)
  }

  returned(memory: RingMemory): void {
    this.#lent.delete(memory)
    this.#source.settled(memory.segment)
  }

  queued(memory: RingMemory): void {
    this.#lent.delete(memory)
  }

  escaped(memory: RingMemory): void {
    this.#lent.delete(memory)
    this.#source.spoilt(memory.segment)
  }

  #lend({ segment, span }: Claim): RingMemory {
    const memory = new RingMemory(segment, span, this)
    this.#lent.add(memory)
    return memory
  }
}
