import { encodeBody, Kind, RingbusError } from '../../protocol/index.js'
import { debug } from '../debug.js'
import { mappingError, type OfferedSegment } from './attach.js'
import { OwnedSegment } from './owned-segment.js'
import type { RingConnection } from './ring-connection.js'

/** After a refusal, how long no ring is asked for: doubled by each further one, up to the bound. */
const REST_MIN_MS = 500
const REST_MAX_MS = 60_000

/** Who is told what became of the question. */
export interface OpenerListener {
  opened(segment: OwnedSegment): void
  /** No ring is to be had for now. */
  refused(error: RingbusError): void
}

/**
 * Gets rings from the broker, one at a time:
 *
 *   idle ──OPEN──> asked ──SEGMENT──> attaching ──MAPPED──> idle
 *   asked ──ERROR──> idle       attaching ──DECLINE──> idle       both: nothing is asked for a while
 */
export class RingOpener {
  readonly #connection: RingConnection
  readonly #listener: OpenerListener
  #state: 'idle' | 'asked' | 'attaching' = 'idle'
  #refusals = 0
  #restUntilMs = 0

  constructor(connection: RingConnection, listener: OpenerListener) {
    this.#connection = connection
    this.#listener = listener
  }

  /** Whether an answer is awaited, or may be asked for. */
  get isHopeful(): boolean {
    return this.#state !== 'idle' || performance.now() >= this.#restUntilMs
  }

  /** Asks for a ring that holds a payload of this size, unless one is asked for already or was refused lately. */
  ask(payloadBytes: number): void {
    if (this.#state !== 'idle' || !this.isHopeful) return
    const { outbox, offer } = this.#connection
    const bytes = Math.min(roundedUp(payloadBytes), offer.payloadBytesMax)
    this.#state = 'asked'
    outbox.control(Kind.OPEN, 0, 0, encodeBody(Kind.OPEN, { bytes }))
  }

  /** SEGMENT, with this client as the owner. */
  offered(segment: OfferedSegment): void {
    if (this.#state !== 'asked') {
      throw new RingbusError('UNEXPECTED_FRAME', `Segment ${segment.id} was not asked for`)
    }
    this.#state = 'attaching'
    void this.#attach(segment)
  }

  /** ERROR, to OPEN. */
  refusedBy(error: RingbusError): void {
    if (this.#state === 'asked') this.#failed(error)
  }

  async #attach(offered: OfferedSegment): Promise<void> {
    const connection = this.#connection
    try {
      const descriptor = await connection.fetch(offered)
      if (connection.isCurrent) this.#mapped(new OwnedSegment(connection, offered, descriptor))
      else connection.host.closeDescriptor(descriptor)
    } catch (error) {
      if (connection.isCurrent) this.#decline(offered, error)
    }
  }

  #mapped(segment: OwnedSegment): void {
    this.#state = 'idle'
    this.#refusals = 0
    this.#connection.outbox.control(Kind.MAPPED, segment.id, 0)
    this.#listener.opened(segment)
  }

  #decline(offered: OfferedSegment, cause: unknown): void {
    const error = mappingError(offered, cause)
    this.#connection.decline(offered, error)
    this.#failed(error)
  }

  #failed(error: RingbusError): void {
    debug('no ring: %s', error.message)
    this.#state = 'idle'
    this.#restUntilMs = performance.now() + Math.min(REST_MAX_MS, REST_MIN_MS * 2 ** this.#refusals)
    this.#refusals += 1
    this.#listener.refused(error)
  }
}

/** A ring for somewhat larger payloads, too, or each that grows a little would need another one. */
function roundedUp(payloadBytes: number): number {
  return 2 ** Math.ceil(Math.log2(payloadBytes))
}
