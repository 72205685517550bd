import { recordName } from '../../protocol/index.js'
import type { Lane } from '../egress/lane.js'
import type { RingRecord } from './ring-record.js'
import type { Segment, SegmentReader } from './segment.js'

/** What an attachment needs of the client that it belongs to. */
export interface AttachmentHolder {
  readonly clientId: number
  /** Lets a lane go on that waited for the segment, or for leases of its records. */
  unblock(lane: Lane): void
  /** Tells the client that nothing refers to the segment any more. */
  tellDetached(segment: Segment): void
  /** The client has no part in the segment any longer. */
  forget(segment: Segment): void
}

interface Lease {
  readonly record: RingRecord<Segment>
  /** One for each delivery: two subscriptions of a client may have the same record. */
  count: number
  /** Since the first of them. */
  readonly sinceMs: number
}

/**
 * One client's share in a segment that it reads, and the leases that it holds there.
 *
 *   offered ──(too late)──> late     both: ──MAPPED──> mapped, ──DECLINE──> declined
 *   mapped ──(segment closed)──> detaching ──DETACHED──> gone
 *   offered, late ──(segment closed)──> withdrawn ──MAPPED──> detaching     ──DECLINE, DETACHED──> gone
 *   declined ──(segment closed)──> gone
 */
export class Attachment implements SegmentReader {
  readonly segment: Segment
  state: 'offered' | 'late' | 'mapped' | 'declined' | 'detaching' | 'withdrawn' = 'offered'
  /** Payload bytes of the leases. */
  leasedBytes = 0
  readonly #holder: AttachmentHolder
  readonly #leases = new Map<number, Lease>()
  /** Lanes whose next frame must wait here. */
  readonly #waiting = new Set<Lane>()

  constructor(segment: Segment, holder: AttachmentHolder) {
    this.segment = segment
    this.#holder = holder
    segment.readers.add(this)
  }

  get clientId(): number {
    return this.#holder.clientId
  }

  heldSinceMs(record: RingRecord<Segment>): number | undefined {
    return this.#leases.get(recordName(record.position))?.sinceMs
  }

  get leaseCount(): number {
    return this.#leases.size
  }

  /** Whether the client keeps a segment that nobody can use any more. */
  get isHeld(): boolean {
    const { isAbandoned, takesCommits } = this.segment
    if (this.leaseCount > 0) return isAbandoned || !takesCommits
    return this.state === 'detaching' || this.state === 'withdrawn'
  }

  /** Whether the client has been asked to map the segment, and has not answered. [RING-3] */
  get isAwaited(): boolean {
    return this.state === 'offered' || this.state === 'late'
  }

  /** The client has the segment before it; false when nobody asked. */
  mapped(): boolean {
    if (this.state === 'withdrawn') this.state = 'detaching'
    else if (this.isAwaited) this.state = 'mapped'
    else return false
    this.wake()
    return true
  }

  /** The client does without the segment; false when nobody asked. */
  declined(): boolean {
    if (this.state === 'withdrawn') this.#forget()
    else if (this.isAwaited) this.state = 'declined'
    else return false
    this.wake()
    return true
  }

  /** The client takes too long: its payloads go by socket, until it has mapped the segment after all. */
  late(): void {
    if (this.state !== 'offered') return
    this.state = 'late'
    this.wake()
  }

  /** The client has unmapped the segment; false when nobody asked. */
  detached(): boolean {
    if (this.state !== 'detaching' && this.state !== 'withdrawn') return false
    this.#forget()
    return true
  }

  /** The lane goes on when something changes here. */
  wait(lane: Lane): void {
    this.#waiting.add(lane)
  }

  /** Lets those go on that wait: more may be leased, or payloads go inline. */
  wake(): void {
    if (this.#waiting.size === 0) return
    const lanes = [...this.#waiting]
    this.#waiting.clear()
    for (const lane of lanes) this.#holder.unblock(lane)
  }

  /** Whether a record may be leased beside those that are: a quarter of the ring, or one record alone. [RING-7] */
  admits(record: RingRecord<Segment>): boolean {
    return this.leasedBytes === 0 || (this.leasedBytes + record.length) * 4 <= this.segment.bytes
  }

  /** Counts a delivery, before its bytes go to the socket. */
  lease(record: RingRecord<Segment>): void {
    const name = recordName(record.position)
    const lease = this.#leases.get(name)
    if (lease === undefined) this.#leases.set(name, { record, count: 1, sinceMs: Date.now() })
    else lease.count += 1
    record.leases += 1
    this.leasedBytes += record.length
  }

  /** Ends one lease; false when the client holds none of that name. [RING-7] */
  release(name: number): boolean {
    const lease = this.#leases.get(name)
    if (lease === undefined) return false
    lease.count -= 1
    if (lease.count === 0) this.#leases.delete(name)
    this.#ended(lease.record, 1)
    this.wake()
    return true
  }

  /** The client's own stream has ended, and with it every lease. */
  end(): void {
    const leases = [...this.#leases.values()]
    this.#leases.clear()
    this.#waiting.clear()
    this.segment.readers.delete(this)
    for (const { record, count } of leases) this.#ended(record, count)
  }

  detach(): void {
    if (this.state === 'declined') return this.#forget()
    this.state = this.isAwaited ? 'withdrawn' : 'detaching'
    this.#holder.tellDetached(this.segment)
    this.wake()
  }

  #forget(): void {
    this.#holder.forget(this.segment)
    this.end()
  }

  #ended(record: RingRecord<Segment>, count: number): void {
    record.leases -= count
    this.leasedBytes -= record.length * count
    this.segment.settle(record)
  }
}
