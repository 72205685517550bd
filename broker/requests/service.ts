import { IdTable } from '../../protocol/index.js'
import { Lane } from '../egress/lane.js'
import type { Route } from '../routing/route.js'
import type { Owner } from '../routing/subscription.js'

/** A request that no responder is free for, with a copy of its frame. */
export interface HeldRequest {
  readonly link: Link
  readonly frame: Buffer
  readonly length: number
  /** What it weighs: its frame, and its payload if that lies in a ring. */
  readonly bytes: number
}

/** A line of held requests, as one of them sees it. */
export interface WaitingLine {
  remove(link: Link): HeldRequest | undefined
}

/**
 * One request on its way:
 *
 *   held ──(given to a responder)──> given ──(final reply, failure, responder's end)──> ended
 *   held ──(cancelled, requester's end, nobody left to serve)──> ended
 *   given ──(cancelled, requester's end)──> orphaned ──(its handler ends)──> ended
 */
export interface Link {
  readonly id: number
  readonly route: Route
  readonly requester: Owner
  readonly requestId: number
  readonly priority: number
  readonly streams: boolean
  /** Bytes of stream parts that the responder may still send. [REQUEST-5] */
  streamCredit: number
  /** What the requester has pulled and the responder has not been told. */
  pullDueBytes: number
  state: 'held' | 'given' | 'orphaned' | 'ended'
  /** Set while given or orphaned. */
  service: Service | undefined
  /** Set while held: where it waits. */
  line: WaitingLine | undefined
}

export interface ServiceSpec {
  readonly id: number
  readonly pattern: string
  /** Requests that it takes at a time. */
  readonly concurrency: number
}

/** A responder: one client's readiness to answer the requests of a pattern. */
export class Service extends Lane {
  readonly owner: Owner
  readonly pattern: string
  readonly concurrency: number
  /** Requests given and not ended, cancelled ones included: their handlers still run. */
  readonly links = new IdTable<Link>()
  /** It takes no more requests; those given are still to be answered. */
  retired = false
  handled = 0

  constructor(owner: Owner, spec: ServiceSpec) {
    // Requests are counted, not weighed: the bytes of one never hold up another.
    super(spec.id, Number.POSITIVE_INFINITY)
    this.owner = owner
    this.pattern = spec.pattern
    this.concurrency = spec.concurrency
  }

  /** Whether a request would reach its handler now, rather than wait in a socket where nothing overtakes it. */
  get isFree(): boolean {
    return !this.retired && this.links.size < this.concurrency && this.owner.outbox.isOpen
  }
}
