import {
  CAPABILITY_RING,
  descriptorOffset,
  type ErrorCode,
  FEATURE_RING,
  FEATURE_RING_REQUESTS,
  RING_LAYOUT_VERSION,
  RingbusError,
  type RingDescriptor,
  type RingSpan,
  readDescriptor,
} from '../../protocol/index.js'
import { killPoint, type NativeHost, type SegmentHandle } from '../../shmring/index.js'
import type { Logger } from '../logger.js'
import { mayReadAll } from '../permissions/permissions.js'
import type { Attachment } from './attachment.js'
import type { ClientRings } from './client-rings.js'
import { inlineForm } from './inline-forms.js'
import { RingCounts } from './ring-counts.js'
import type { RingLimits } from './ring-limits.js'
import { RingQuota } from './ring-quota.js'
import type { RingRecord } from './ring-record.js'
import { Segment, type SegmentKeeper } from './segment.js'
import { Warden } from './warden.js'

/** Segments are multiples of this, the granularity of memory on any platform so far. */
const SEGMENT_STEP_BYTES = 64 * 1024

const SEGMENT_ID_MAX = 0xffff_ffff

/** Every ring of the broker: the segments, their records, and who holds what. */
export class RingTable implements SegmentKeeper {
  readonly limits: RingLimits
  readonly counts = new RingCounts()
  readonly #native: NativeHost | undefined
  readonly #log: Logger
  readonly #segments = new Map<number, Segment>()
  readonly #quota: RingQuota
  readonly #warden: Warden
  /** Sends what came of a deadline. */
  readonly flush: () => void
  #lastId = 0
  /** Bytes of payloads that were copied to the heap and wait in queues. */
  #copiedBytes = 0
  #relieving: Segment | undefined

  constructor(native: NativeHost | undefined, limits: RingLimits, log: Logger, flush: () => void) {
    this.flush = flush
    this.#native = native
    this.limits = limits
    this.#log = log
    this.#quota = new RingQuota(limits)
    this.#warden = new Warden(this, log)
  }

  get isOffered(): boolean {
    return this.#native !== undefined && this.limits.rings
  }

  /** What WELCOME says of rings. [RING-2] */
  get features(): string[] {
    return this.isOffered ? [FEATURE_RING, FEATURE_RING_REQUESTS] : []
  }

  get segments(): Iterable<Segment> {
    return this.#segments.values()
  }

  get segmentCount(): number {
    return this.#segments.size
  }

  get segmentBytes(): number {
    return this.#quota.totalBytes
  }

  /** Memory that the segments really have, as the kernel counts it. */
  get reservedBytes(): number {
    let bytes = 0
    for (const { handle, state } of this.#segments.values()) {
      if (state !== 'closed') bytes += this.#native!.segmentReservedBytes(handle)
    }
    return bytes
  }

  get copiedBytes(): number {
    return this.#copiedBytes
  }

  /** Makes a ring for a payload of this many bytes; says why there is none, otherwise. [RING-3] */
  open(owner: ClientRings, payloadBytes: number): { code: ErrorCode; message: string } | undefined {
    if (!this.isOffered || !owner.client.mapsSegments) {
      return { code: 'FEATURE_UNSUPPORTED', message: 'Payloads do not go by ring here' }
    }
    const { ringBytes, ringBytesMax, ringSegmentsMax } = this.limits
    if (payloadBytes > ringBytesMax) {
      return { code: 'RING_LIMIT', message: `A ring has at most ${ringBytesMax} bytes` }
    }
    // A larger ring replaces the one that there is.
    for (const segment of owner.owned) segment.retire()
    if (owner.owned.size >= ringSegmentsMax) {
      return {
        code: 'RING_LIMIT',
        message: `The client has ${owner.owned.size} rings that are not empty yet`,
      }
    }
    const bytes = roundUp(Math.min(Math.max(ringBytes, powerOfTwoFrom(payloadBytes)), ringBytesMax))
    const refusal = this.#quota.refusal(owner.uid, bytes)
    if (refusal !== undefined) return { code: 'RING_LIMIT', message: refusal }
    return this.#create(owner, bytes)
  }

  /** The client has mapped a segment: as its owner, or to read it. [RING-3] [RING-10] */
  mapped(client: ClientRings, id: number): void {
    const own = this.#ownedBy(client, id)
    if (own?.state === 'offered') return this.#activate(client, own)
    if (client.attachments.get(id)?.mapped() !== true) throw unknownSegment(id)
  }

  /** The client could not map a segment: it does without. [RING-11] */
  decline(client: ClientRings, id: number, reason: string): void {
    const own = this.#ownedBy(client, id)
    const attachment = client.attachments.get(id)
    if (own?.state === 'offered') this.#release(client, own)
    else if (attachment?.declined() !== true) throw unknownSegment(id)
    this.counts.declined += 1
    this.#log.info({ client: client.client.id, segment: id, reason }, 'a client could not map a segment')
    if (attachment !== undefined) this.#free(attachment.segment)
  }

  /** Books the payload of a frame with RING; the caller refers to the record until `routed`. [RING-6] */
  commit(client: ClientRings, descriptor: RingDescriptor): RingRecord<Segment> {
    const { segment: id } = descriptor
    const segment = this.#declaring(client, id, descriptor, (owned) => owned.commitFault(descriptor))
    killPoint?.('broker:commit-validated')
    this.counts.committed += 1
    return segment.commit(descriptor, Date.now())
  }

  /** The frame of a commit is routed: whoever gets it refers to the record now. */
  routed(record: RingRecord<Segment>): void {
    this.#unrefer(record)
    if (!record.isCopied) record.inline = undefined
  }

  /** Books a claim that the client gave up. [RING-6] */
  abort(client: ClientRings, id: number, span: RingSpan): void {
    this.#declaring(client, id, span, (owned) => owned.fault(span)).abort(span, Date.now())
  }

  /** Ends a lease. [RING-7] */
  release(client: ClientRings, id: number, name: number): void {
    const attachment = client.attachments.get(id)
    if (attachment?.release(name) === true) return
    throw new RingbusError('LEASE_UNKNOWN', `The client holds no record ${name} of segment ${id}`)
  }

  /** The owner claims no more in a segment that was to retire. [RING-9] */
  retired(client: ClientRings, id: number): void {
    const segment = this.#ownedBy(client, id)
    if (segment?.state !== 'retiring') throw unknownSegment(id)
    this.#release(client, segment)
  }

  /** The client has unmapped a segment that it was asked to. [RING-10] */
  detached(client: ClientRings, id: number): void {
    const attachment = client.attachments.get(id)
    if (attachment?.detached() !== true) throw unknownSegment(id)
    this.#free(attachment.segment)
  }

  /**
   * The client has left. Its leases end with its own stream; if it was cut off, it may read on for all that one
   * can know, and what it had mapped is never used again. [RING-7]
   */
  clientEnded(client: ClientRings, isCutOff: boolean): void {
    for (const segment of [...client.owned]) this.#release(client, segment)
    const attachments = [...client.attachments.values()]
    client.attachments.clear()
    for (const attachment of attachments) {
      if (isCutOff && attachment.state !== 'declined') this.abandon(attachment.segment)
      attachment.end()
      this.#free(attachment.segment)
    }
  }

  /** What a second connection may be given: the segment, and whether to write. Throws ATTACH_REFUSED. [RING-4] */
  grant(client: ClientRings, id: number): { segment: Segment; writable: boolean } {
    const own = this.#ownedBy(client, id)
    if (own?.state === 'offered') return { segment: own, writable: true }
    const attachment = client.attachments.get(id)
    if (attachment?.isAwaited === true) {
      return { segment: attachment.segment, writable: false }
    }
    throw new RingbusError('ATTACH_REFUSED', `Segment ${id} is not offered to this client`)
  }

  /** Sends the descriptor of a segment along with a frame; false: the socket does not take it. */
  send(socketFd: number, frame: Buffer, handle: SegmentHandle, writable: boolean): boolean {
    try {
      return this.#native!.segmentSend(socketFd, frame, handle, writable) === frame.length
    } catch (error) {
      // Of descriptors that were sent and not received, an unprivileged user may have only so many.
      this.#log.warn({ error: (error as Error).message }, 'a descriptor was not sent')
      return false
    }
  }

  /** The record that a sound, queued or routed frame refers to. */
  find({ segment, position }: RingDescriptor): RingRecord<Segment> {
    return this.#segments.get(segment)!.find(position)!
  }

  /** Copies the payload of a frame that is being routed out of its ring. */
  readPayload(bytes: Buffer, start: number, target: Uint8Array): void {
    const record = this.find(readDescriptor(bytes, start))
    record.segment.read(record, target)
  }

  /** Whether a client may be offered a segment that it has not been offered. */
  mayOffer(reader: ClientRings, segment: Segment): boolean {
    return (
      segment.isSealed &&
      segment.state !== 'closed' &&
      segment.recordCount <= this.limits.ringRecordsMax &&
      reader.heldBytes < this.limits.ringHeldBytesMax &&
      mayReadAll(reader.client, segment.origin)
    )
  }

  /** Offers a segment to a client that is to read from it, which must not take for ever over it. [RING-10] */
  attach(reader: ClientRings, segment: Segment): Attachment {
    const attachment = reader.attach(segment)
    const timer = setTimeout(() => {
      attachment.late()
      this.flush()
    }, this.limits.attachTimeoutMs)
    timer.unref()
    return attachment
  }

  /** A copy of a frame is queued; returns the bytes of its payload. */
  queued(bytes: Buffer, start: number): number {
    const record = this.find(readDescriptor(bytes, start))
    record.queued += 1
    // The frame itself may lie in memory that is read into.
    record.head ??= Buffer.from(bytes.subarray(start, descriptorOffset(bytes, start)))
    return record.length
  }

  /** That copy has left its queue, sent or not; returns the same. */
  unqueued(bytes: Buffer, start: number): number {
    const record = this.find(readDescriptor(bytes, start))
    this.#unrefer(record)
    return record.length
  }

  /** Gives up a segment that a client holds on to. */
  abandon(segment: Segment): void {
    if (segment.isAbandoned || segment.state === 'closed') return
    this.counts.abandoned += 1
    segment.abandon()
  }

  /** Copies out what only queues refer to, as long as that is what holds up the ring. */
  heldUp(segment: Segment): void {
    if (this.#relieving === segment) return
    this.#relieving = segment
    while (segment.isCrowded) {
      const { oldest } = segment
      if (oldest === undefined || !this.#copyOut(oldest)) break
      segment.copied(oldest)
    }
    this.#relieving = undefined
  }

  closed(segment: Segment): void {
    this.#free(segment)
  }

  stop(): void {
    this.#warden.stop()
  }

  #create(owner: ClientRings, bytes: number): { code: ErrorCode; message: string } | undefined {
    this.#lastId = this.#lastId === SEGMENT_ID_MAX ? 1 : this.#lastId + 1
    const terms = { id: this.#lastId, bytes, nowMs: Date.now() }
    let segment: Segment
    try {
      segment = new Segment(this.#native!, this, owner, terms)
    } catch (error) {
      this.#log.warn({ client: owner.client.id, bytes, error: (error as Error).message }, 'no segment')
      return { code: 'RING_LIMIT', message: `The system gives no memory: ${(error as Error).message}` }
    }
    this.#segments.set(segment.id, segment)
    this.#quota.take(owner.uid, bytes)
    this.#warden.watch()
    owner.own(segment)
    return undefined
  }

  #activate(owner: ClientRings, segment: Segment): void {
    try {
      segment.mapped()
    } catch (error) {
      // Without the seal nobody else may map it: what was committed already goes by socket. [RING-11]
      const fields = { client: owner.client.id, segment: segment.id, error: (error as Error).message }
      this.#log.error(fields, 'a segment could not be sealed')
      segment.retire()
    }
  }

  /** The owner has no more to do with the segment. */
  #release(owner: ClientRings, segment: Segment): void {
    owner.owned.delete(segment)
    segment.ownerGone()
    this.#free(segment)
  }

  /** Forgets a segment that is closed, once no client has it mapped. */
  #free(segment: Segment): void {
    if (segment.state !== 'closed' || segment.readers.size > 0 || segment.isReferred) return
    if (this.#segments.delete(segment.id)) this.#quota.give(segment.uid, segment.bytes)
  }

  #declaring(
    client: ClientRings,
    id: number,
    span: RingSpan,
    faultOf: (segment: Segment) => string | undefined,
  ): Segment {
    const segment = this.#ownedBy(client, id)
    const fault = segment?.takesCommits ? faultOf(segment) : 'it is no ring of this client'
    if (segment !== undefined && fault === undefined) return segment
    const { position, length } = span
    throw new RingbusError(
      'BAD_DESCRIPTOR',
      `${length} bytes at ${position} of segment ${id} cannot be: ${fault}`,
    )
  }

  #ownedBy(client: ClientRings, id: number): Segment | undefined {
    const segment = this.#segments.get(id)
    return segment !== undefined && client.owned.has(segment) ? segment : undefined
  }

  /** One reference less, of a queue or a handler. */
  #unrefer(record: RingRecord<Segment>): void {
    record.queued -= 1
    if (record.queued === 0) {
      if (record.isCopied) this.#copiedBytes -= record.length
      record.inline = undefined
    }
    record.segment.settle(record)
  }

  /** False: a client holds a lease, or there is no more room for copies. */
  #copyOut(record: RingRecord<Segment>): boolean {
    const { ringCopyBytesMax, payloadBytesMax } = this.limits
    if (record.leases > 0 || record.isCopied || record.length > payloadBytesMax) return false
    if (record.head === undefined || this.#copiedBytes + record.length > ringCopyBytesMax) return false
    inlineForm(record, record.head, 0)
    record.isCopied = true
    this.#copiedBytes += record.length
    this.counts.copiedOut += 1
    return true
  }
}

function unknownSegment(id: number): RingbusError {
  return new RingbusError('SEGMENT_UNKNOWN', `The client has no such part in segment ${id}`)
}

function powerOfTwoFrom(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(bytes, SEGMENT_STEP_BYTES)))
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / SEGMENT_STEP_BYTES) * SEGMENT_STEP_BYTES
}

/** Whether a HELLO says that its client can map segments of the layout that there is. [RING-2] */
export function mapsSegments(capabilities: Record<string, unknown> | undefined): boolean {
  return capabilities?.[CAPABILITY_RING] === RING_LAYOUT_VERSION
}
