import { Kind, RingbusError, type RingDescriptor } from '../../protocol/index.js'
import { debug } from '../debug.js'
import type { QueuedClaims } from '../outbound/topic-queues.js'
import type { OfferedSegment } from './attach.js'
import { type Claim, type ClaimSource, Lender } from './lender.js'
import type { OwnedSegment } from './owned-segment.js'
import type { RingConnection } from './ring-connection.js'
import { type OpenerListener, RingOpener } from './ring-opener.js'

/** After the system has refused memory for a claim, how long none is made: payloads go inline meanwhile. */
const CLAIM_REST_MS = 250

/**
 * The ring by which large payloads leave. It is opened when first needed, replaced by a larger one when a payload
 * does not fit, and opened anew after the broker took it back or the connection was lost:
 *
 *   absent ──(opened)──> there ──(opened: a larger one)──> there     the way to `opened`: see ring-opener.ts
 *   there ──(RETIRE, a spoilt claim, the connection is lost)──> absent
 *
 * While loans wait, `publish` claims nothing, or the ring would never have room for a large one. Whoever waits is
 * noted in the semaphore, and SPACE comes when there is room.
 */
export class OutgoingRing implements OpenerListener, ClaimSource, QueuedClaims {
  /** Payloads of this many bytes go by ring; where no ring is to be had, none does. */
  thresholdBytes = Number.POSITIVE_INFINITY
  readonly lender = new Lender(this)
  readonly #spaceFreed: () => void
  #connection: RingConnection | undefined
  #opener: RingOpener | undefined
  #segment: OwnedSegment | undefined
  /** Those that have a successor, until the broker has asked for them and no claim of them is open. */
  readonly #left = new Map<number, OwnedSegment>()
  /** The largest payload that publishers wait to have room for; 0: none waits. */
  #awaitedBytes = 0
  #claimsRestUntilMs = 0

  /** `spaceFreed` is called when publishers that were told of a full ring may go on. */
  constructor(spaceFreed: () => void) {
    this.#spaceFreed = spaceFreed
  }

  connected(connection: RingConnection, thresholdBytes: number): void {
    this.#connection = connection
    this.#opener = new RingOpener(connection, this)
    this.thresholdBytes = thresholdBytes
  }

  /** The connection is gone. Loans fail with this error; publishers may go on, since they go inline. */
  disconnected(error: RingbusError): void {
    this.#connection = undefined
    this.#opener = undefined
    this.thresholdBytes = Number.POSITIVE_INFINITY
    this.lender.fail(error)
    this.#segment?.close()
    this.#segment = undefined
    for (const segment of this.#left.values()) segment.close()
    this.#left.clear()
    this.#resume()
  }

  /** Whether a payload of this size may go by ring, in a frame of this kind. */
  takes(kind: number, byteLength: number): boolean {
    if (byteLength < this.thresholdBytes) return false
    const { offer } = this.#connection!
    if (kind === Kind.MESSAGE) return byteLength <= offer.payloadBytesMax
    return offer.takesRequests && byteLength <= this.lender.inlineBytesMax
  }

  /** Copies a payload that it takes into the ring; `settled` must follow the frame that refers to it. */
  place(payload: Uint8Array): Claim | 'full' | 'absent' {
    const segment = this.#segmentFor(payload.length)
    if (segment === undefined) return 'absent'
    let span: RingDescriptor | undefined
    try {
      span = this.#claim(segment, payload.length)
    } catch (error) {
      this.#exhausted(error)
      return 'absent'
    }
    if (span === undefined) return 'full'
    segment.write(span, payload)
    return { segment, span }
  }

  /** Whether another payload of this size has room; if not, `spaceFreed` will be called. */
  hasRoomFor(byteLength: number): boolean {
    // Who waits already shares the one word of the semaphore, and is told first.
    if (this.#awaitedBytes > 0 || this.lender.isAwaited) return true
    if (this.#segment === undefined || this.#segment.awaitRoom(byteLength)) return true
    this.#awaitedBytes = byteLength
    return false
  }

  claimForLoan(byteLength: number): Claim | 'wait' | 'none' {
    const segment = this.#segmentFor(byteLength)
    if (segment === undefined) return this.#mayStillCome ? 'wait' : 'none'
    try {
      let span = segment.claim(byteLength)
      if (span === undefined && segment.awaitRoom(byteLength)) span = segment.claim(byteLength)
      return span === undefined ? 'wait' : { segment, span }
    } catch (error) {
      this.#exhausted(error)
      return 'none'
    }
  }

  loansServed(): void {
    if (this.#awaitedBytes === 0) return
    if (this.#segment === undefined || this.#segment.awaitRoom(this.#awaitedBytes)) this.#resume()
  }

  settled(segment: OwnedSegment): void {
    segment.settle()
    if (segment.isClosed) this.#left.delete(segment.id)
  }

  frameLeft(id: number): void {
    const segment = this.#find(id)
    if (segment !== undefined) this.settled(segment)
  }

  payloadOf(span: RingDescriptor): Uint8Array | undefined {
    if (span.length > this.lender.inlineBytesMax) return undefined
    return this.#find(span.segment)?.read(span)
  }

  spoilt(segment: OwnedSegment): void {
    if (this.#segment !== segment) return
    this.#leaveSegment()
    this.#opener?.ask(segment.bytes)
  }

  /** SEGMENT, with this client as the owner. */
  offered(segment: OfferedSegment): void {
    this.#opener?.offered(segment)
  }

  /** ERROR, to OPEN. */
  openRefused(error: RingbusError): void {
    this.#opener?.refusedBy(error)
  }

  /** SPACE. */
  roomMade(id: number): void {
    if (this.#segment?.id === id) this.lender.serve()
  }

  /** RETIRE. */
  retire(id: number): void {
    if (this.#segment?.id === id) this.#leaveSegment()
    const segment = this.#left.get(id)
    if (segment === undefined) {
      throw new RingbusError('SEGMENT_UNKNOWN', `Segment ${id} is no ring of this client`)
    }
    segment.retire()
    if (segment.isClosed) this.#left.delete(id)
    this.lender.serve()
  }

  opened(segment: OwnedSegment): void {
    this.#leaveSegment()
    this.#segment = segment
    this.lender.serve()
  }

  refused(): void {
    this.lender.serve()
  }

  #find(id: number): OwnedSegment | undefined {
    return this.#segment?.id === id ? this.#segment : this.#left.get(id)
  }

  /** The ring, if it is there, large enough and not resting; where it is not, a ring is asked for. */
  #segmentFor(byteLength: number): OwnedSegment | undefined {
    if (this.#segment === undefined || this.#segment.bytes < byteLength) {
      this.#opener?.ask(byteLength)
      return undefined
    }
    return performance.now() < this.#claimsRestUntilMs ? undefined : this.#segment
  }

  get #mayStillCome(): boolean {
    return this.#opener?.isHopeful === true && performance.now() >= this.#claimsRestUntilMs
  }

  /** Undefined when there is no room, which has been noted then. */
  #claim(segment: OwnedSegment, byteLength: number): RingDescriptor | undefined {
    const awaitedBytes = Math.max(this.#awaitedBytes, byteLength)
    if (this.lender.isAwaited) {
      this.#awaitedBytes = awaitedBytes
      return undefined
    }
    const span = segment.claim(byteLength)
    if (span !== undefined) return span
    if (!segment.awaitRoom(awaitedBytes)) {
      this.#awaitedBytes = awaitedBytes
      return undefined
    }
    // Room was made in between. Whoever waited must hear of it, but not within somebody's call of `publish`.
    if (this.#awaitedBytes > 0) queueMicrotask(() => this.#resume())
    return segment.claim(byteLength)
  }

  /** The system has no memory for a claim. */
  #exhausted(error: unknown): void {
    debug('no memory for the ring: %s', error)
    this.#claimsRestUntilMs = performance.now() + CLAIM_REST_MS
  }

  #leaveSegment(): void {
    const segment = this.#segment
    if (segment === undefined) return
    this.#segment = undefined
    segment.supersede()
    this.#left.set(segment.id, segment)
  }

  #resume(): void {
    this.#awaitedBytes = 0
    this.#spaceFreed()
  }
}
