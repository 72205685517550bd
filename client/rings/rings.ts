import { Kind, RingbusError, SegmentRole } from '../../protocol/index.js'
import type { RingSettings } from '../options.js'
import type { Outbox } from '../outbound/outbox.js'
import type { OfferedSegment } from './attach.js'
import { Incoming } from './incoming.js'
import type { OutgoingRing } from './outgoing-ring.js'
import { takePair } from './pair.js'
import { ReaderSegments } from './reader-segments.js'
import { RingConnection, type RingOffer, type SharingLink } from './ring-connection.js'
import { ringHost } from './ring-host.js'

/**
 * Large payloads through shared memory, on both sides: `outgoing` for what this client publishes, `incoming` for
 * what comes. Either stands idle while there is no connection to a broker that offers rings, and without the addon.
 */
export class Rings {
  readonly incoming = new Incoming()
  readonly #outgoing: OutgoingRing
  readonly #settings: RingSettings
  readonly #outbox: Outbox
  readonly #report: (error: RingbusError) => void
  readonly #path: string
  #connection: RingConnection | undefined
  #segments: ReaderSegments | undefined
  /** Of connections that are lost, as long as the program has views of what they brought. */
  #past: ReaderSegments[] = []

  constructor(
    settings: RingSettings,
    path: string,
    outgoing: OutgoingRing,
    outbox: Outbox,
    report: (error: RingbusError) => void,
  ) {
    this.#settings = settings
    this.#path = path
    this.#outgoing = outgoing
    this.#outbox = outbox
    this.#report = report
  }

  /** Begins with a new connection, if its broker offers rings. */
  connected(link: SharingLink, offer: RingOffer | undefined): void {
    const host = ringHost()
    if (offer === undefined || host === undefined || !this.#settings.enabled) return
    this.#connection = new RingConnection(host, this.#outbox, offer, link, this.#path)
    this.#segments = new ReaderSegments(this.#connection, this.#report)
    this.incoming.connected(this.#segments)
    this.#outgoing.connected(this.#connection, this.#settings.thresholdBytes ?? offer.thresholdBytes)
  }

  /** The connection is lost: views stay, and nothing else. */
  disconnected(error: RingbusError): void {
    if (this.#connection === undefined) return
    this.#connection.lost()
    this.#connection = undefined
    this.#outgoing.disconnected(error)
    this.incoming.disconnected()
    this.#segments!.connectionLost()
    this.#past = [...this.#past, this.#segments!].filter(({ hasViews }) => hasViews)
    this.#segments = undefined
  }

  /** The client is closed. With `wished`, views end as well. */
  close(error: RingbusError, wished: boolean): void {
    const past = this.#past
    const current = this.#segments
    this.disconnected(error)
    if (!wished) return
    this.#past = []
    current?.detachViews()
    for (const segments of past) {
      segments.detachViews()
      segments.hangUp()
    }
  }

  /** A frame of the broker about segments, with the body of SEGMENT. */
  offered(role: number, segment: OfferedSegment): void {
    if (role === SegmentRole.OWNER) this.#outgoing.offered(segment)
    else this.#segments?.offered(segment)
  }

  /** PAIR: the broker would rather have the stream in shared memory. [PAIR-2] */
  pairOffered(ringBytes: number): void {
    if (this.#connection !== undefined) void takePair(this.#connection, ringBytes)
  }

  /** PAIRED: nothing more comes by the socket. [PAIR-3] */
  paired(): void {
    if (this.#connection === undefined) throw new RingbusError('UNEXPECTED_FRAME', 'PAIRED was not asked for')
    this.#connection.link.paired()
  }

  told(kind: number, segment: number): void {
    if (kind === Kind.SPACE) this.#outgoing.roomMade(segment)
    else if (kind === Kind.RETIRE) this.#outgoing.retire(segment)
    else this.#segments?.detach(segment)
  }
}
