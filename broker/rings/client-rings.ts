import { controlFrame, encodeBody, Kind, SegmentRole } from '../../protocol/index.js'
import type { Lane } from '../egress/lane.js'
import type { Holder } from '../permissions/permissions.js'
import { Attachment, type AttachmentHolder } from './attachment.js'
import type { Segment, SegmentOwner } from './segment.js'

/** The client's stream, as far as rings need it. */
export interface RingOutlet {
  /** Sends a control frame that the client brought about, at a rate of its own: what it leaves unread is counted. */
  control(frame: Buffer): void
  /** Sends a control frame about what others did. */
  notify(frame: Buffer): void
  unblock(lane: Lane): void
}

/** Who the client is: what decides about the segments that it may have. */
export interface RingClient extends Holder {
  readonly id: number
  readonly uid: number
  /** Whether it said that it can map segments. */
  readonly mapsSegments: boolean
  readonly outlet: RingOutlet
}

/** One client's part in rings: those that it owns, and those that it reads. Made when it first has any. */
export class ClientRings implements SegmentOwner, AttachmentHolder {
  readonly client: RingClient
  readonly owned = new Set<Segment>()
  readonly attachments = new Map<number, Attachment>()

  constructor(client: RingClient) {
    this.client = client
  }

  get clientId(): number {
    return this.client.id
  }

  get uid(): number {
    return this.client.uid
  }

  get leasedBytes(): number {
    let bytes = 0
    for (const { leasedBytes } of this.attachments.values()) bytes += leasedBytes
    return bytes
  }

  get leaseCount(): number {
    let count = 0
    for (const { leaseCount } of this.attachments.values()) count += leaseCount
    return count
  }

  /** Bytes of segments that are of no use to anybody, and not gone because it holds on to them. */
  get heldBytes(): number {
    let bytes = 0
    for (const { segment, isHeld } of this.attachments.values()) if (isHeld) bytes += segment.bytes
    return bytes
  }

  /** What it owns and holds, as $SYS shows it. */
  describe(): Record<string, unknown> {
    const { owned, attachments, leasedBytes, heldBytes } = this
    return { owned: owned.size, attached: attachments.size, leases: this.leaseCount, leasedBytes, heldBytes }
  }

  /** Offers a segment to its owner. [RING-3] */
  own(segment: Segment): void {
    this.owned.add(segment)
    this.#offer(segment, SegmentRole.OWNER)
  }

  /** Offers a segment to read from. [RING-10] */
  attach(segment: Segment): Attachment {
    const attachment = new Attachment(segment, this)
    this.attachments.set(segment.id, attachment)
    this.#offer(segment, SegmentRole.READER)
    return attachment
  }

  spaceFreed(segment: Segment): void {
    this.client.outlet.control(controlFrame(Kind.SPACE, segment.id, 0))
  }

  askToRetire(segment: Segment): void {
    this.client.outlet.notify(controlFrame(Kind.RETIRE, segment.id, 0))
  }

  unblock(lane: Lane): void {
    this.client.outlet.unblock(lane)
  }

  tellDetached(segment: Segment): void {
    this.client.outlet.notify(controlFrame(Kind.DETACH, segment.id, 0))
  }

  forget(segment: Segment): void {
    this.attachments.delete(segment.id)
  }

  #offer(segment: Segment, role: number): void {
    const body = encodeBody(Kind.SEGMENT, { bytes: segment.bytes })
    this.client.outlet.notify(controlFrame(Kind.SEGMENT, segment.id, role, body))
  }
}
