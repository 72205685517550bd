import { Kind, RingbusError, type RingDescriptor } from '../../protocol/index.js'
import { killPoint } from '../../shmring/index.js'
import { debug } from '../debug.js'
import { mappingError, type OfferedSegment } from './attach.js'
import { ReaderSegment, type SegmentListener } from './reader-segment.js'
import type { RingConnection } from './ring-connection.js'

/** How often views that were forgotten are looked for, while any is open: that they are is no matter of haste. */
const COLLECT_INTERVAL_MS = 250

/**
 * The segments of one connection that this client reads. While the program has views of them, the connection is
 * held open even if the broker has ended its side: the end of ours would say that nobody reads them any more.
 */
export class ReaderSegments implements SegmentListener {
  readonly #connection: RingConnection
  readonly #report: (error: RingbusError) => void
  readonly #segments = new Map<number, ReaderSegment>()
  /** Those that are being fetched, and whether the broker has asked to leave them meanwhile. */
  readonly #offered = new Map<number, { isLeft: boolean }>()
  #openViews = 0
  #collecting: NodeJS.Timeout | undefined

  constructor(connection: RingConnection, report: (error: RingbusError) => void) {
    this.#connection = connection
    this.#report = report
  }

  /** SEGMENT, with this client as a reader. */
  offered(segment: OfferedSegment): void {
    this.#offered.set(segment.id, { isLeft: false })
    killPoint?.('subscriber:before-attach')
    void this.#attach(segment)
  }

  /** DETACH. */
  detach(id: number): void {
    const offered = this.#offered.get(id)
    const segment = this.#segments.get(id)
    if (offered !== undefined) offered.isLeft = true
    // One that is unknown was declined as the broker took its offer back, and that was the answer.
    else segment?.leave()
  }

  /** The segment of a record. Throws SEGMENT_UNKNOWN and BAD_DESCRIPTOR. [RING-10] */
  segmentOf(record: RingDescriptor): ReaderSegment {
    const segment = this.#segments.get(record.segment)
    if (segment === undefined) {
      throw new RingbusError('SEGMENT_UNKNOWN', `Segment ${record.segment} is not mapped here`)
    }
    if (segment.holds(record)) return segment
    throw new RingbusError(
      'BAD_DESCRIPTOR',
      `Segment ${record.segment} has no ${record.length} bytes at position ${record.position}`,
    )
  }

  /** What waited is lost; what the program has as a view stays. */
  connectionLost(): void {
    for (const segment of this.#segments.values()) segment.orphan()
  }

  /** Takes every view from the program. One that is in other hands stays readable, and shows what comes later. */
  detachViews(): void {
    for (const segment of this.#segments.values()) segment.detachViews()
  }

  /** Ends the connection, whoever still looks. */
  hangUp(): void {
    this.#connection.link.destroy()
  }

  /** Whether the program has views of what was sent by this connection. */
  get hasViews(): boolean {
    return this.#openViews > 0
  }

  closed(segment: ReaderSegment): void {
    this.#segments.delete(segment.id)
  }

  viewsChanged(by: 1 | -1): void {
    this.#openViews += by
    if (this.#openViews === 0) this.#connection.link.letGo()
    else if (by === 1 && this.#openViews === 1) this.#connection.link.hold()
    // It goes on until it finds no view: most end soon, and a timer for each would cost more than they do.
    this.#collecting ??= setInterval(() => this.#collect(), COLLECT_INTERVAL_MS).unref()
  }

  forgotten(topic: string): void {
    this.#report(
      new RingbusError(
        'VIEW_FORGOTTEN',
        `A view of a message on "${topic}" was collected, and had not been released`,
        { details: { topic } },
      ),
    )
  }

  async #attach(offered: OfferedSegment): Promise<void> {
    const connection = this.#connection
    try {
      const descriptor = await connection.fetch(offered)
      if (connection.isCurrent) this.#mapped(new ReaderSegment(connection, offered, descriptor, this))
      else connection.host.closeDescriptor(descriptor)
    } catch (error) {
      if (connection.isCurrent) this.#decline(offered, mappingError(offered, error))
    }
  }

  #mapped(segment: ReaderSegment): void {
    const { id } = segment
    this.#segments.set(id, segment)
    this.#connection.outbox.control(Kind.MAPPED, id, 0)
    if (this.#offered.get(id)!.isLeft) segment.leave()
    this.#offered.delete(id)
  }

  #decline(offered: OfferedSegment, error: RingbusError): void {
    const { id } = offered
    debug('payloads of segment %d come inline: %s', id, error.message)
    if (this.#offered.get(id)!.isLeft) this.#connection.outbox.control(Kind.DETACHED, id, 0)
    else this.#connection.decline(offered, error)
    this.#offered.delete(id)
  }

  #collect(): void {
    if (!this.hasViews) {
      clearInterval(this.#collecting)
      this.#collecting = undefined
      return
    }
    for (const segment of this.#segments.values()) segment.collect()
  }
}
