import { GRANULE_BYTES, granulesOf, type RingSpan } from '../../protocol/index.js'
import type { NativeHost, SegmentHandle } from '../../shmring/index.js'
import type { Holder } from '../permissions/permissions.js'
import { AbortedSpan } from './aborted-span.js'
import { RecordBook } from './record-book.js'
import { RingRecord } from './ring-record.js'

/**
 * Spans of one ring that have not retired. An owner that leaves a gap at the tail and declares a granule here and
 * there would otherwise fill the broker's heap by the million.
 */
const SPANS_MAX = 262_144

/** A client that was offered the segment to read from it. */
export interface SegmentReader {
  readonly clientId: number
  /** Since when it has held a lease of the record; undefined: it has none. */
  heldSinceMs(record: RingRecord<Segment>): number | undefined
  /** Lets those of its deliveries go on that wait for the segment. */
  wake(): void
  /** Nothing will refer to the segment any more. */
  detach(): void
}

/** The client whose ring it is. */
export interface SegmentOwner {
  readonly clientId: number
  readonly uid: number
  /** What it may do, and so what may lie in the ring; stays known when it has left. */
  readonly client: Holder
  /** The owner wants space, and there is enough. */
  spaceFreed(segment: Segment): void
  /** The owner is to claim no more. */
  askToRetire(segment: Segment): void
}

/** Who keeps the broker's rings. */
export interface SegmentKeeper {
  /** More than half of the ring is in use, and its oldest record holds it up. */
  heldUp(segment: Segment): void
  closed(segment: Segment): void
}

/**
 * One publisher's ring: the memory, and the broker's own books of what is in it.
 *
 *   offered ──(owner has mapped it: sealed)──> active ──(asked to retire)──> retiring ──(answered)──> draining
 *   offered ──(declined, owner's end)──> closed
 *   active, retiring ──(owner's end)──> draining ──(no record is live)──> closed: memory goes with the last map
 *
 * An abandoned one retires as well, but its memory is never given out again, whatever is released.
 */
export class Segment {
  readonly id: number
  /** Bytes of the data area. */
  readonly bytes: number
  readonly handle: SegmentHandle
  readonly uid: number
  /** What whoever reads it must be allowed to read. */
  readonly origin: Holder
  readonly readers = new Set<SegmentReader>()
  readonly #native: NativeHost
  readonly #keeper: SegmentKeeper
  readonly #book: RecordBook<RingRecord<Segment> | AbortedSpan>
  /** By position: what queues or clients refer to, copied records included. */
  readonly #records = new Map<number, RingRecord<Segment>>()
  #owner: SegmentOwner | undefined
  #state: 'offered' | 'active' | 'retiring' | 'draining' | 'closed' = 'offered'
  #isAbandoned = false
  #isSealed = false
  /** Records whose memory is in use. */
  #liveRecords = 0
  /** Granules from the start of the data area that have ever been used: what is resident. */
  #highGranules = 0
  /** Granules that the kernel had allocated when it was asked last. */
  #allocatedGranules = 0
  /** The same since the last look: a ring that restarts uses no more than it needs. */
  #recentHighGranules = 0
  lastUsedMs: number

  constructor(
    native: NativeHost,
    keeper: SegmentKeeper,
    owner: SegmentOwner,
    terms: { readonly id: number; readonly bytes: number; readonly nowMs: number },
  ) {
    const { id, bytes, nowMs } = terms
    this.#native = native
    this.#keeper = keeper
    this.id = id
    this.bytes = bytes
    this.handle = native.segmentCreate(bytes)
    this.uid = owner.uid
    this.origin = owner.client
    this.#owner = owner
    this.#book = new RecordBook(bytes / GRANULE_BYTES)
    this.lastUsedMs = nowMs
  }

  get state(): 'offered' | 'active' | 'retiring' | 'draining' | 'closed' {
    return this.#state
  }

  get isAbandoned(): boolean {
    return this.#isAbandoned
  }

  /** Whether it takes commits: from its owner, until that has answered RETIRE. */
  get takesCommits(): boolean {
    return this.#state === 'active' || this.#state === 'retiring'
  }

  /** Records that have not retired. */
  get recordCount(): number {
    return this.#book.size
  }

  /** More than half of the ring is in use, or skipped and missed: what holds it up is in the way. */
  get isCrowded(): boolean {
    const { needed, occupied, capacity } = this.#book
    return needed * 2 > capacity || (occupied * 2 > capacity && this.isWanted)
  }

  /** Whether its owner waits for space, as far as the shared memory says. */
  get isWanted(): boolean {
    return this.#native.segmentWanted(this.handle)
  }

  /** The record at the tail. Undefined: an open claim, or nothing, is there. */
  get oldest(): RingRecord<Segment> | undefined {
    const oldest = this.#book.oldest
    return oldest instanceof RingRecord ? oldest : undefined
  }

  get highBytes(): number {
    return this.#highGranules * GRANULE_BYTES
  }

  /** How far into the segment its ring has gone since this was asked last, in bytes. */
  takeRecentHighBytes(): number {
    const high = this.#recentHighGranules * GRANULE_BYTES
    this.#recentHighGranules = 0
    return high
  }

  find(position: number): RingRecord<Segment> | undefined {
    return this.#records.get(position)
  }

  /** Whether nobody can map it for writing any more, so that others may have it. */
  get isSealed(): boolean {
    return this.#isSealed
  }

  /** Whether frames in queues refer to its records, be they copied or not. */
  get isReferred(): boolean {
    return this.#records.size > 0
  }

  /** The owner has mapped it, and may commit; seals it against any other writer. Throws what the kernel refuses. */
  mapped(): void {
    this.#state = 'active'
    this.#native.segmentSeal(this.handle)
    this.#isSealed = true
  }

  /**
   * Says why a payload cannot have been put there; undefined when it can. A reader would pay for memory that the
   * owner has not allocated, or be killed where there is none. [RING-5] [RING-6]
   */
  commitFault(span: RingSpan): string | undefined {
    const fault = this.fault(span)
    if (fault !== undefined) return fault
    const end = this.#placeBehind(span.position + granulesOf(span.length))
    if (end <= this.#allocatedGranules) return undefined
    // Once sealed it never shrinks: to ask again is only needed beyond what there was.
    this.#allocatedGranules = Math.floor(this.#native.segmentReservedBytes(this.handle) / GRANULE_BYTES)
    return end <= this.#allocatedGranules ? undefined : 'no memory is allocated for it'
  }

  /** Says why a COMMIT or ABORT of this span cannot be true; undefined when it can. [RING-6] */
  fault(span: RingSpan): string | undefined {
    if (this.#book.size >= SPANS_MAX) return `there are ${SPANS_MAX} records before it`
    return this.#book.fault(span)
  }

  /** Books a payload; the caller refers to it until it is routed. */
  commit(span: RingSpan, nowMs: number): RingRecord<Segment> {
    const record = new RingRecord<Segment>(this, span, nowMs)
    record.queued = 1
    this.#book.add(record)
    this.#records.set(record.position, record)
    this.#liveRecords += 1
    this.#used(record.end, nowMs)
    return record
  }

  /** Books a claim that its owner gave up. */
  abort(span: RingSpan, nowMs: number): void {
    this.#book.add(new AbortedSpan(span))
    this.#used(span.position, nowMs)
    this.retireRecords()
  }

  /** Fewer refer to the record than before, or it was copied. */
  settle(record: RingRecord<Segment>): void {
    if (record.queued === 0 && record.leases === 0) this.#records.delete(record.position)
    if (!record.isFinished) return this.#lookForHoldUp()
    if (record.isLive) this.#finish(record)
    else if (this.#state === 'closed') this.#keeper.closed(this)
  }

  /** A payload was copied: its memory is free in its turn, whoever still refers to it. */
  copied(record: RingRecord<Segment>): void {
    this.#finish(record)
  }

  /** The clients that have held leases of a record from this moment on, or for longer. */
  holdersOf(record: RingRecord<Segment>, sinceMs: number): number[] {
    const holders: number[] = []
    for (const reader of this.readers) {
      const heldSinceMs = reader.heldSinceMs(record)
      if (heldSinceMs !== undefined && heldSinceMs <= sinceMs) holders.push(reader.clientId)
    }
    return holders
  }

  /** Gives back what is finished at the tail: the tail moves first, then the semaphore is posted. [RING-8] */
  retireRecords(): void {
    const granules = this.#book.retire()
    // Memory that a client may still read, though it ought not to, is never given out again.
    if (granules > 0 && !this.#isAbandoned && this.#native.segmentPost(this.handle, granules)) {
      this.#owner?.spaceFreed(this)
    }
    if (this.#state === 'draining' && this.#liveRecords === 0) this.#close()
    else this.#lookForHoldUp()
  }

  /** Asks the owner to claim no more. */
  retire(): void {
    if (this.#state !== 'active') return
    this.#state = 'retiring'
    this.#owner?.askToRetire(this)
  }

  /** A client keeps memory that others wait for: the ring is given up, and its owner gets another. */
  abandon(): void {
    this.#isAbandoned = true
    for (const reader of this.readers) reader.wake()
    this.retire()
  }

  /** The owner has no claim open, and makes none. */
  retired(): void {
    this.ownerGone()
  }

  /** The owner has left: its open claims are void. */
  ownerGone(): void {
    this.#owner = undefined
    if (this.#state === 'closed') return
    this.#state = this.#state === 'offered' ? this.#close() : 'draining'
    if (this.#state === 'draining' && this.#liveRecords === 0) this.#close()
  }

  /** Copies the payload of a record to memory of the broker's. */
  read(record: RingRecord<Segment>, target: Uint8Array): void {
    const offset = (record.position % this.#book.capacity) * GRANULE_BYTES
    this.#native.segmentRead(this.handle, offset, target)
  }

  /** The segment as $SYS shows it. */
  describe(): Record<string, unknown> {
    return {
      segment: this.id,
      client: this.#owner?.clientId ?? null,
      uid: this.uid,
      state: this.#state,
      abandoned: this.#isAbandoned,
      bytes: this.bytes,
      records: this.#liveRecords,
      occupiedBytes: this.#book.occupied * GRANULE_BYTES,
      readers: this.readers.size,
    }
  }

  #finish(record: RingRecord<Segment>): void {
    record.isLive = false
    this.#liveRecords -= 1
    this.retireRecords()
  }

  #lookForHoldUp(): void {
    if (this.isCrowded && this.takesCommits && this.oldest !== undefined) this.#keeper.heldUp(this)
  }

  #used(endPosition: number, nowMs: number): void {
    this.lastUsedMs = nowMs
    const end = this.#placeBehind(endPosition)
    if (end > this.#highGranules) this.#highGranules = end
    if (end > this.#recentHighGranules) this.#recentHighGranules = end
  }

  /** Granules of the data area up to a position, which is the end of something. */
  #placeBehind(endPosition: number): number {
    return endPosition % this.#book.capacity || this.#book.capacity
  }

  #close(): 'closed' {
    this.#state = 'closed'
    this.#native.segmentClose(this.handle)
    for (const reader of [...this.readers]) reader.detach()
    this.#keeper.closed(this)
    return 'closed'
  }
}
