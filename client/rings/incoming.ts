import { Encoding, Offset, readDescriptor } from '../../protocol/index.js'
import type { ReaderSegments } from './reader-segments.js'
import type { RingPayload } from './ring-payload.js'

/**
 * The payloads of frames with RING. Each frame that has arrived is a lease of a span of memory, which ends by `take`
 * or `drop`: exactly one of them, once, while its connection lasts. After that all of its leases have ended.
 */
export class Incoming {
  #segments: ReaderSegments | undefined

  /** Whether leases can be held at all. */
  get isActive(): boolean {
    return this.#segments !== undefined
  }

  connected(segments: ReaderSegments): void {
    this.#segments = segments
  }

  /** Frames that wait have lost their payloads. */
  disconnected(): void {
    this.#segments = undefined
  }

  /** The frame at `start` has arrived. Throws SEGMENT_UNKNOWN or BAD_DESCRIPTOR, which end the connection. [RING-10] */
  arrived(bytes: Buffer, start: number): void {
    this.#segments!.segmentOf(readDescriptor(bytes, start)).leased()
  }

  /**
   * The payload of a frame: copied, or with `asView` as a view, if it is of an encoding that is not decoded. Others
   * are always copied, since its publisher could change the memory while it is being decoded.
   */
  take(bytes: Buffer, start: number, topic: string, asView: boolean): RingPayload {
    const record = readDescriptor(bytes, start)
    const segment = this.#segments!.segmentOf(record)
    const encoding = bytes[start + Offset.ENCODING]
    if (asView && (encoding === Encoding.BYTES || encoding === Encoding.ARRAY)) {
      return segment.view(record, topic)
    }
    return segment.copy(record)
  }

  /** Nobody is to have this frame. */
  drop(bytes: Buffer, start: number): void {
    if (this.#segments === undefined) return
    const record = readDescriptor(bytes, start)
    this.#segments.segmentOf(record).release(record.position)
  }
}
