import { GRANULE_BYTES, Kind, type RingDescriptor, recordName } from '../../protocol/index.js'
import { killPoint, type ReaderHandle } from '../../shmring/index.js'
import type { OfferedSegment } from './attach.js'
import { copyOut } from './copy-out.js'
import type { RingConnection } from './ring-connection.js'
import { CopiedPayload, type RingPayload } from './ring-payload.js'
import { View } from './view.js'

/** A view that has not come back, as the books have it: they must not keep what the program has dropped. */
interface ViewEntry {
  readonly topic: string
  readonly position: number
  readonly buffer: WeakRef<ArrayBuffer>
  /** Whether it was released while its buffer was in other hands: that is no fault, and its end is waited for. */
  isEscaped: boolean
}

/** Who hears what becomes of a segment. */
export interface SegmentListener {
  closed(segment: ReaderSegment): void
  /** One more view is open, or one less. */
  viewsChanged(by: 1 | -1): void
  /** A view was collected that nobody had released. */
  forgotten(topic: string): void
}

/**
 * A segment that others publish by, mapped for reading.
 *
 *   mapped ──DETACH──> leaving ──(no lease is left: DETACHED)──> closed
 *   mapped, leaving ──(the connection is lost)──> orphaned ──(no view is left)──> closed
 */
export class ReaderSegment {
  readonly id: number
  /** Of its data area. */
  readonly bytes: number
  readonly #connection: RingConnection
  readonly #reader: ReaderHandle
  readonly #listener: SegmentListener
  readonly #views = new Map<number, ViewEntry>()
  /** Deliveries that have arrived and are not released, views included. */
  #leases = 0
  #lastCookie = 0
  #state: 'mapped' | 'leaving' | 'orphaned' | 'closed' = 'mapped'

  /** Takes the descriptor over. Throws what is wrong with the segment. */
  constructor(
    connection: RingConnection,
    offered: OfferedSegment,
    descriptor: number,
    listener: SegmentListener,
  ) {
    this.id = offered.id
    this.bytes = offered.bytes
    this.#connection = connection
    this.#listener = listener
    this.#reader = connection.host.readerMap(descriptor, offered.bytes)
  }

  /** Whether a record lies within the segment. */
  holds({ position, length }: RingDescriptor): boolean {
    return length > 0 && this.#offsetOf(position) + length <= this.bytes
  }

  /** A delivery has arrived; exactly one of `copy`, `view` and `release` must follow. */
  leased(): void {
    this.#leases += 1
  }

  /** The payload in memory of this process; the lease ends. */
  copy({ position, length }: RingDescriptor): RingPayload {
    try {
      const { host } = this.#connection
      return new CopiedPayload(copyOut(host, this.#reader, this.#offsetOf(position), length))
    } finally {
      this.release(position)
    }
  }

  /** The payload where it lies, until it is released; a copy where the runtime forbids memory that is not its own. */
  view(record: RingDescriptor, topic: string): RingPayload {
    const { position, length } = record
    const cookie = ++this.#lastCookie
    const buffer = this.#connection.host.readerView(this.#reader, this.#offsetOf(position), length, cookie)
    if (buffer === undefined) return this.copy(record)
    this.#views.set(cookie, { topic, position, buffer: new WeakRef(buffer), isEscaped: false })
    this.#listener.viewsChanged(1)
    return new View(buffer, (whole) => this.#endView(cookie, whole))
  }

  /** Ends a lease: the broker may give the memory to others. */
  release(position: number): void {
    this.#leases -= 1
    if (this.#connection.isCurrent) {
      this.#connection.outbox.control(Kind.RELEASE, this.id, recordName(position))
      killPoint?.('subscriber:before-release')
    }
    this.#closeIfUnused()
  }

  /** DETACH: nothing will refer to it any more. */
  leave(): void {
    if (this.#state === 'mapped') this.#state = 'leaving'
    this.#closeIfUnused()
  }

  /** The connection is gone, and what waited with it; views that the program has stay. */
  orphan(): void {
    if (this.#state === 'closed') return
    this.#state = 'orphaned'
    this.#leases = this.#views.size
    this.#closeIfUnused()
  }

  /** Releases the views that were collected. */
  collect(): void {
    if (this.#state === 'closed' || this.#views.size === 0) return
    for (const cookie of this.#connection.host.readerReturned(this.#reader)) {
      const entry = this.#views.get(cookie)
      if (entry === undefined) continue
      if (!entry.isEscaped) this.#listener.forgotten(entry.topic)
      this.#viewEnded(cookie, entry)
    }
  }

  detachViews(): void {
    for (const [cookie, { buffer }] of this.#views) {
      const whole = buffer.deref()
      if (whole !== undefined) this.#endView(cookie, whole)
    }
  }

  #endView(cookie: number, buffer: ArrayBuffer): void {
    const entry = this.#views.get(cookie)
    if (entry === undefined) return
    if (this.#connection.host.readerRelease(this.#reader, cookie, buffer)) this.#viewEnded(cookie, entry)
    else entry.isEscaped = true
  }

  #viewEnded(cookie: number, { position }: ViewEntry): void {
    this.#views.delete(cookie)
    this.release(position)
    this.#listener.viewsChanged(-1)
  }

  #closeIfUnused(): void {
    if (this.#leases > 0 || this.#state === 'mapped' || this.#state === 'closed') return
    if (this.#connection.isCurrent) this.#connection.outbox.control(Kind.DETACHED, this.id, 0)
    this.#state = 'closed'
    this.#connection.host.readerClose(this.#reader)
    this.#listener.closed(this)
  }

  #offsetOf(position: number): number {
    return (position % (this.bytes / GRANULE_BYTES)) * GRANULE_BYTES
  }
}
