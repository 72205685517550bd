import { encodeBody, GRANULE_BYTES, granulesOf, Kind, type RingDescriptor } from '../../protocol/index.js'
import { RingClaim, type RingHandle } from '../../shmring/index.js'
import type { OfferedSegment } from './attach.js'
import type { RingConnection } from './ring-connection.js'

/** Where `ringClaim` writes what it has set aside: position, padding, restarted, need. */
const claimed = new Float64Array(4)

/**
 * A segment that this client owns, mapped: a ring that it claims spans of. The broker gives the memory back by
 * adding to a semaphore in it.
 *
 *   open ──(RETIRE, or a successor)──> retiring ──(RETIRE was read, and no loan is open)──> closed
 *   open, retiring ──(the connection is lost)──> closed
 */
export class OwnedSegment {
  readonly id: number
  /** Of its data area. */
  readonly bytes: number
  readonly #connection: RingConnection
  readonly #ring: RingHandle
  /** Where the next claim begins, unless it has to skip something. */
  #headGranules = 0
  #openClaims = 0
  #state: 'open' | 'retiring' | 'closed' = 'open'
  #isAskedToRetire = false

  /** Takes the descriptor over. Throws what is wrong with the segment. */
  constructor(connection: RingConnection, offered: OfferedSegment, descriptor: number) {
    this.id = offered.id
    this.bytes = offered.bytes
    this.#connection = connection
    this.#ring = connection.host.ringMap(descriptor, offered.bytes)
  }

  /**
   * Sets a span aside, for `write` and then a frame with what is returned, or for `abort`. Undefined when there is
   * no room now. Throws when the system has no memory for it.
   */
  claim(byteLength: number): RingDescriptor | undefined {
    if (this.#state !== 'open') return undefined
    if (this.#connection.host.ringClaim(this.#ring, byteLength, claimed) !== RingClaim.OK) return undefined
    const position = claimed[0]!
    this.#headGranules = position + granulesOf(byteLength)
    this.#openClaims += 1
    return {
      segment: this.id,
      position,
      length: byteLength,
      padding: claimed[1]!,
      restarted: claimed[2] === 1,
    }
  }

  write({ position }: RingDescriptor, bytes: Uint8Array): void {
    this.#connection.host.ringWrite(this.#ring, position, bytes)
  }

  /** The memory of a claim itself; undefined where the runtime forbids memory that is not its own. */
  lend({ position, length }: RingDescriptor): ArrayBuffer | undefined {
    return this.#connection.host.ringLoan(this.#ring, position, length)
  }

  /** Takes lent memory back; false when it is still in somebody's hands. */
  takeBack(buffer: ArrayBuffer): boolean {
    return this.#connection.host.ringEndLoan(this.#ring, buffer)
  }

  /** A copy of what was written to a claim that the broker has not been told of; undefined as with `lend`. */
  read(span: RingDescriptor): Uint8Array | undefined {
    const lent = this.#state === 'closed' ? undefined : this.lend(span)
    if (lent === undefined) return undefined
    const copy = new Uint8Array(lent.slice(0))
    this.takeBack(lent)
    return copy
  }

  /** The broker has been told of a claim, by the frame that refers to it or by ABORT. */
  settle(): void {
    this.#openClaims -= 1
    this.#retireIfIdle()
  }

  /** Tells the broker that nothing will refer to a claim; `settle` must follow. */
  abort({ position, length, padding, restarted }: RingDescriptor): void {
    const { outbox, isCurrent } = this.#connection
    if (!isCurrent) return
    const body = { position, length, padding, ...(restarted ? { restarted } : {}) }
    outbox.control(Kind.ABORT, this.id, 0, encodeBody(Kind.ABORT, body))
  }

  /** Whether a claim of this size would succeed; if not, SPACE comes when it would. */
  awaitRoom(byteLength: number): boolean {
    return this.#connection.host.ringWait(this.#ring, this.#needOf(granulesOf(byteLength)))
  }

  /** Nothing will be claimed here any more. */
  supersede(): void {
    if (this.#state === 'open') this.#state = 'retiring'
  }

  /** The broker has asked for it: answered once no claim is open. */
  retire(): void {
    this.supersede()
    this.#isAskedToRetire = true
    this.#retireIfIdle()
  }

  /** The connection is gone, and with it every claim. Memory that is lent stays mapped until it is collected. */
  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#connection.host.ringClose(this.#ring)
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  #retireIfIdle(): void {
    if (!this.#isAskedToRetire || this.#openClaims > 0 || this.#state !== 'retiring') return
    this.#connection.outbox.control(Kind.RETIRED, this.id, 0)
    this.close()
  }

  /** Granules that must be free for the next claim: with the rest of this round, when it has to begin the next one. */
  #needOf(granules: number): number {
    const capacity = this.bytes / GRANULE_BYTES
    const rest = capacity - (this.#headGranules % capacity)
    if (granules <= rest) return granules
    return Math.min(rest + granules, capacity)
  }
}
