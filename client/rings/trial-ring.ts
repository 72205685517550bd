import {
  controlFrame,
  decodeBody,
  encodeBody,
  type FrameFault,
  Kind,
  Offset,
  type RingbusError,
  readU32,
} from '../../protocol/index.js'
import type { NativeHost } from '../../shmring/index.js'
import { Deferred } from '../deferred.js'
import { errorOf } from '../failure.js'
import type { Link, LinkListener } from '../link/link.js'
import { mappingError, type OfferedSegment, SegmentFetcher } from './attach.js'
import type { RingOffer } from './ring-connection.js'

/** A broker that is alive answers in microseconds; one that does not within this time will not. */
const ANSWER_TIMEOUT_MS = 5000

/**
 * Gets a ring as the first large payload does, claims memory of it, and gives it all back: what is in the way of large
 * payloads shows here.
 *
 *   asked ──SEGMENT──> fetching ──(mapped, claimed)──> over      asked, fetching ──(ERROR, a fault, too late)──> over
 */
export class TrialRing implements LinkListener {
  readonly #host: NativeHost
  readonly #link: Link
  readonly #fetcher: SegmentFetcher
  readonly #payloadBytes: number
  readonly #ringBytes = new Deferred<number>()
  #state: 'asked' | 'fetching' | 'over' = 'asked'

  /** Of the link, which takes no other part. */
  constructor(host: NativeHost, link: Link, offer: RingOffer, path: string) {
    this.#host = host
    this.#link = link
    this.#fetcher = new SegmentFetcher(host, { path, ...offer })
    this.#payloadBytes = Math.min(offer.thresholdBytes, offer.payloadBytesMax)
    link.write(controlFrame(Kind.OPEN, 0, 0, encodeBody(Kind.OPEN, { bytes: this.#payloadBytes })))
  }

  /** The bytes of the ring; rejects with what is in the way of one. */
  async ended(): Promise<number> {
    const timer = setTimeout(() => this.#failed(new Error('the broker does not answer')), ANSWER_TIMEOUT_MS)
    try {
      return await this.#ringBytes.promise
    } finally {
      clearTimeout(timer)
      this.#state = 'over'
      this.#link.destroy()
    }
  }

  frame(bytes: Buffer, start: number, length: number): FrameFault | undefined {
    const kind = bytes[start + Offset.KIND]!
    if (kind === Kind.ERROR) this.#failed(errorOf(decodeBody(Kind.ERROR, bytes, start, length)))
    if (kind !== Kind.SEGMENT || this.#state !== 'asked') return undefined
    this.#state = 'fetching'
    const id = readU32(bytes, start + Offset.TOPIC)
    void this.#use({ id, bytes: decodeBody(Kind.SEGMENT, bytes, start, length).bytes })
    return undefined
  }

  readEnd(): void {}

  drained(): void {}

  lost(error: RingbusError): void {
    this.#failed(error)
  }

  async #use(segment: OfferedSegment): Promise<void> {
    try {
      const ring = this.#host.ringMap(await this.#fetcher.fetch(segment), segment.bytes)
      try {
        this.#host.ringClaim(ring, this.#payloadBytes, new Float64Array(4))
      } finally {
        this.#host.ringClose(ring)
      }
      this.#ringBytes.resolve(segment.bytes)
    } catch (error) {
      this.#failed(mappingError(segment, error))
    }
  }

  #failed(error: Error): void {
    this.#ringBytes.reject(error)
  }
}
