import { recordName } from '../../protocol/index.js'
import type { Lane } from '../egress/lane.js'
import type { RingRecord } from './ring-record.js'
import type { Segment, SegmentReader } from './segment.js'

/** What an attachment needs of the client that it belongs to. */
export interface AttachmentHolder {
  readonly clientId: number
  /** Lets a lane go on that waited for the segment, or for leases of its records. */
  unblock(lane: Lane): void
  /** The attachment is over. */
  forget(attachment: Attachment): void
  /** Tells the client that nothing refers to the segment any more. */
  tellDetached(segment: Segment): void
}

interface Lease {
  readonly record: RingRecord<Segment>
  /** One for each delivery: two subscriptions of a client may have the same record. */
  count: number
}

/**
 * One client's share in a segment that it reads, and the leases that it holds there.
 *
 *   offered ──(mapped)──> mapped ──(segment closed)──> detaching ──(unmapped)──> gone
 *   offered ──(it takes too long)──> late ──(mapped after all)──> mapped
 *   offered, late ──(the client cannot)──> declined ──(segment closed)──> gone
 */
export class Attachment implements SegmentReader {
  readonly segment: Segment
  state: 'offered' | 'late' | 'mapped' | 'declined' | 'detaching' = 'offered'
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

  holds(record: RingRecord<Segment>): boolean {
    return this.#leases.has(recordName(record.position))
  }

  get leaseCount(): number {
    return this.#leases.size
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
    if (lease === undefined) this.#leases.set(name, { record, count: 1 })
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
    // Who has declined has nothing to unmap, and knows nothing of the segment any more.
    if (this.state === 'declined') return this.#holder.forget(this)
    this.state = 'detaching'
    this.#holder.tellDetached(this.segment)
    this.wake()
  }

  #ended(record: RingRecord<Segment>, count: number): void {
    record.leases -= count
    this.leasedBytes -= record.length * count
    this.segment.settle(record)
  }
}
