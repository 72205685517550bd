import { encodeBody, Kind, type RingbusError } from '../../protocol/index.js'
import type { NativeHost, PairHandle } from '../../shmring/index.js'
import type { Outbox } from '../outbound/outbox.js'
import { type OfferedSegment, SegmentFetcher } from './attach.js'

/** What the broker offers to a client that can map segments. [RING-2] */
export interface RingOffer {
  readonly clientId: number
  readonly token: Uint8Array
  /** Payloads of this many bytes or more go by ring. */
  readonly thresholdBytes: number
  /** The largest payload of a message by ring. */
  readonly payloadBytesMax: number
  /** Whether requests and replies may go by ring as well. */
  readonly takesRequests: boolean
}

/** The link under a connection, as far as shared memory needs it. */
export interface SharingLink {
  /** Keeps it open after the broker has ended its side. */
  hold(): void
  letGo(): void
  destroy(): void
  /** What is sent from now on goes by the pair. */
  pair(pair: PairHandle, ringBytes: number): void
  /** What comes from now on comes by the pair. */
  paired(): void
}

/**
 * The connection that segments belong to: their numbers mean nothing to another one.
 *
 *   current ──(the connection is lost, the client closed)──> past
 */
export class RingConnection {
  readonly host: NativeHost
  readonly outbox: Outbox
  readonly offer: RingOffer
  readonly link: SharingLink
  readonly #fetcher: SegmentFetcher
  #state: 'current' | 'past' = 'current'

  constructor(host: NativeHost, outbox: Outbox, offer: RingOffer, link: SharingLink, path: string) {
    this.host = host
    this.outbox = outbox
    this.offer = offer
    this.link = link
    this.#fetcher = new SegmentFetcher(host, { path, ...offer })
  }

  /** Whether frames may still be sent about its segments. */
  get isCurrent(): boolean {
    return this.#state === 'current'
  }

  /** The descriptor of a segment, which the caller owns. */
  fetch(segment: OfferedSegment): Promise<number> {
    return this.#fetcher.fetch(segment)
  }

  /** Tells the broker that a segment cannot be used. */
  decline(segment: OfferedSegment, { code, message }: RingbusError): void {
    this.outbox.control(Kind.DECLINE, segment.id, 0, encodeBody(Kind.DECLINE, { code, message }))
  }

  lost(): void {
    this.#state = 'past'
  }
}
