import { controlFrame, encodeBody, isReserved, Kind, type OverflowPolicy } from '../../protocol/index.js'
import type { Backlog } from '../egress/backlog.js'
import type { Gauges } from '../egress/gauges.js'
import { Lane, type LaneDrop } from '../egress/lane.js'
import { LatestBacklog } from '../egress/latest-backlog.js'
import type { Announcement, Outbox } from '../egress/outbox.js'
import type { TopicIds } from '../egress/topic-ids.js'
import type { BacklogLimits } from './backlog-limits.js'
import { DeliveryCounts } from './delivery-counts.js'

/** The client that a subscription or service belongs to, as routing sees it. */
export interface Owner {
  readonly id: number
  readonly outbox: Outbox
}

export interface SubscriptionSpec {
  readonly id: number
  readonly pattern: string
  readonly group: string | undefined
  /** Bytes of frames that may be sent before the first CREDIT. */
  readonly windowBytes: number
  /** What becomes of messages beyond the limits. [FLOW-1] */
  readonly overflow?: OverflowPolicy | undefined
  /** What it wants to have queued at most. */
  readonly backlogBytes?: number | undefined
  readonly backlogMessages?: number | undefined
}

/** What all subscriptions share. */
export interface Deliveries {
  /** What holds for a subscription that asks for this. */
  limitsFor(bytesAsked: number | undefined, messagesAsked: number | undefined): BacklogLimits
  readonly counts: DeliveryCounts
  readonly gauges: Gauges
  /** Bytes that may still be queued for all subscriptions together, before those that block pause publishers. */
  readonly roomBytes: number
  /** Some of what was queued for a subscription has left. */
  relieved(subscription: Subscription): void
}

/**
 * A subscription, the unit of delivery. Its counts add up at any time, each counted where it happens:
 * matched = handled + dropped + queued + in flight.
 *
 *   active ──(UNSUBSCRIBE with drain)──> draining ──(its last frame has left)──> ended
 *   active, draining ──(UNSUBSCRIBE, hang-up)──> ended: countable until its client has reported what it was sent
 */
export class Subscription extends Lane implements Announcement {
  readonly owner: Owner
  readonly pattern: string
  readonly group: string | undefined
  /** What it asked for; what holds now is its `policy`. */
  readonly overflow: OverflowPolicy
  readonly limits: BacklogLimits
  readonly counts: DeliveryCounts
  /** Since when it may not block, as milliseconds of the epoch. [FLOW-2] */
  slowSinceMs: number | undefined
  /** Since when publishers are paused for it, the same. */
  blockingSinceMs: number | undefined
  isEnded = false
  /** Set while draining: sends DRAINED behind the last frame. */
  onEmptied: (() => void) | undefined
  /** Set while a greeting waits for what it has queued. [RETAIN-2] */
  onRelieved: (() => void) | undefined
  readonly #deliveries: Deliveries

  constructor(owner: Owner, spec: SubscriptionSpec, deliveries: Deliveries) {
    super(spec.id, spec.windowBytes, deliveries.gauges)
    this.owner = owner
    this.pattern = spec.pattern
    this.group = spec.group
    const { overflow = 'block' } = spec
    // What the broker publishes pauses nobody.
    this.overflow = overflow === 'block' && isReserved(spec.pattern) ? 'drop-oldest' : overflow
    this.limits = deliveries.limitsFor(spec.backlogBytes, spec.backlogMessages)
    this.counts = new DeliveryCounts(deliveries.counts)
    this.#deliveries = deliveries
  }

  get state(): 'active' | 'draining' | 'ended' {
    if (this.isEnded) return 'ended'
    return this.isDraining ? 'draining' : 'active'
  }

  /** Unsubscribed, but not before what is queued has left. */
  get isDraining(): boolean {
    return this.onEmptied !== undefined
  }

  get isSlow(): boolean {
    return this.slowSinceMs !== undefined
  }

  /** What holds beyond the limits at this moment. */
  get policy(): OverflowPolicy {
    if (this.overflow !== 'block') return this.overflow
    return this.isSlow || this.state !== 'active' ? 'drop-oldest' : 'block'
  }

  /** Whether it has as much queued as it may. */
  get isFull(): boolean {
    return this.queuedMessages > 0 && this.roomBytes === 0
  }

  /** Bytes that it could still take; as large a share of its limit as of messages, where those are scarcer. */
  get roomBytes(): number {
    const { bytes, messages } = this.limits
    const byMessages = (1 - this.queuedMessages / messages) * bytes
    const own = Math.min(bytes - this.queuedBytes, byMessages)
    return Math.max(0, Math.floor(Math.min(own, this.#deliveries.roomBytes)))
  }

  /** Whether more is queued than half of what may be. */
  get isOverHalf(): boolean {
    const { bytes, messages } = this.limits
    return this.queuedBytes * 2 > bytes || this.queuedMessages * 2 > messages
  }

  /** What is published in order arrives in order, however long a ring takes. */
  override get waitsForRing(): boolean {
    return true
  }

  /** Messages of its own that it has not dealt with: what a queue group compares. */
  get outstanding(): number {
    return this.inFlight + this.queuedMessages
  }

  override newBacklog(topics: TopicIds): Backlog {
    return this.overflow === 'latest' ? new LatestBacklog(topics, this.gauges) : super.newBacklog(topics)
  }

  override dropped(reason: LaneDrop, messages: number): void {
    this.counts.drop(reason, messages)
  }

  override relieved(): void {
    this.#deliveries.relieved(this)
    this.onRelieved?.()
  }

  override emptied(): void {
    this.onRelieved?.()
    this.onEmptied?.()
  }

  /** Takes its client's report of messages that are dealt with; the caller has checked that so many are in flight. */
  report(handled: number, expired: number, discarded: number): void {
    this.#landed(handled + expired + discarded)
    this.counts.handle(handled)
    if (expired > 0) this.counts.drop('expired', expired)
    if (discarded > 0) this.counts.drop('discarded', discarded)
  }

  /** Nobody will report what is in flight. */
  lose(): void {
    this.counts.drop('lost', this.inFlight)
    this.#landed(this.inFlight)
  }

  /** What its client is told about it. [FLOW-3] */
  announced(): Buffer | undefined {
    if (this.isEnded) return undefined
    const body = encodeBody(Kind.SLOW, {
      slow: this.isSlow,
      dropped: this.counts.lostToOverflow,
      queued: this.queuedMessages,
      queuedBytes: this.queuedBytes,
    })
    return controlFrame(Kind.SLOW, 0, this.id, body)
  }

  #landed(messages: number): void {
    this.inFlight -= messages
    this.gauges.inFlight -= messages
  }
}
