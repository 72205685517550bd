import {
  Flag,
  RING_DESCRIPTOR_BYTES,
  RingbusError,
  type RingDescriptor,
  writeDescriptor,
} from '../../protocol/index.js'
import type { OwnedSegment } from './owned-segment.js'

/** Writes the frame of a loan, given its payload and flags; says whether it is on its way, or waits for that. */
export type WriteFrame = (payload: Uint8Array, flags: number) => 'sent' | 'queued'

/** Where the bytes of a loan are, until `commit` or `discard` takes them from the program. */
export interface LoanMemory {
  readonly buffer: ArrayBuffer
  /** Why it can be neither committed nor discarded any more. */
  readonly failure: RingbusError | undefined
  /** Has the frame written. Throws INVALID_ARGUMENT when the buffer is in other hands. */
  commit(write: WriteFrame): void
  discard(): void
}

/** Memory of this process, where no ring is to be had: the bytes travel within the frame. */
export class InlineMemory implements LoanMemory {
  readonly buffer: ArrayBuffer
  failure: RingbusError | undefined
  readonly #byteLength: number

  constructor(byteLength: number) {
    this.buffer = new ArrayBuffer(byteLength)
    this.#byteLength = byteLength
  }

  commit(write: WriteFrame): void {
    if (this.buffer.byteLength !== this.#byteLength) {
      this.failure = escapedError()
      throw this.failure
    }
    write(new Uint8Array(this.buffer), 0)
    detach(this.buffer)
  }

  discard(): void {
    detach(this.buffer)
  }
}

/** Who hears what becomes of claims that were lent. */
export interface ClaimListener {
  /** The program has it no longer, and the broker has been told what becomes of it. */
  returned(memory: RingMemory): void
  /** The program has it no longer; the broker is told once the frame that refers to it has left. */
  queued(memory: RingMemory): void
  /** The program has passed the memory on: nobody knows who may still write to it. */
  escaped(memory: RingMemory): void
}

/** A claim of a ring. */
export class RingMemory implements LoanMemory {
  readonly buffer: ArrayBuffer
  readonly segment: OwnedSegment
  failure: RingbusError | undefined
  readonly #claim: RingDescriptor
  readonly #isLent: boolean
  readonly #listener: ClaimListener

  constructor(segment: OwnedSegment, claim: RingDescriptor, listener: ClaimListener) {
    this.segment = segment
    this.#claim = claim
    this.#listener = listener
    const lent = segment.lend(claim)
    this.#isLent = lent !== undefined
    // Where the runtime forbids memory that is not its own, the bytes are copied into the claim at the end.
    this.buffer = lent ?? new ArrayBuffer(claim.length)
  }

  commit(write: WriteFrame): void {
    if (!this.#takeBack()) throw this.failure
    let written: 'sent' | 'queued' | undefined
    try {
      written = write(descriptorBytes(this.#claim), Flag.RING)
    } finally {
      if (written === undefined) this.segment.abort(this.#claim)
      if (written === 'queued') this.#listener.queued(this)
      else this.#listener.returned(this)
    }
  }

  discard(): void {
    if (!this.#takeBack()) return
    this.segment.abort(this.#claim)
    this.#listener.returned(this)
  }

  /** The connection is gone, and the claim with it. */
  revoke(error: RingbusError): void {
    this.failure = error
    if (this.#isLent) this.segment.takeBack(this.buffer)
    else detach(this.buffer)
  }

  /**
   * False when the memory is in other hands. They may still write to it, and nothing tells when that ends: so the
   * claim stays open for as long as the connection lasts, and its ring, which cannot move on beyond it, is replaced.
   */
  #takeBack(): boolean {
    if (this.#isLent ? this.segment.takeBack(this.buffer) : this.#copy()) return true
    this.failure = escapedError()
    this.#listener.escaped(this)
    return false
  }

  #copy(): boolean {
    if (this.buffer.byteLength !== this.#claim.length) return false
    this.segment.write(this.#claim, new Uint8Array(this.buffer))
    detach(this.buffer)
    return true
  }
}

/** A descriptor as the payload of a frame, in memory that is written again by the next one. */
export function descriptorBytes(claim: RingDescriptor): Uint8Array {
  writeDescriptor(descriptor, 0, claim)
  return descriptor
}

const descriptor = new Uint8Array(RING_DESCRIPTOR_BYTES)

function detach(buffer: ArrayBuffer): void {
  structuredClone(buffer, { transfer: [buffer] })
}

function escapedError(): RingbusError {
  return new RingbusError(
    'INVALID_ARGUMENT',
    'The memory of the loan was transferred elsewhere, and cannot be published',
  )
}
