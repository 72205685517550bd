import { Lane } from '../egress/lane.js'
import type { Outbox } from '../egress/outbox.js'

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
}

/**
 * A subscription, the unit of delivery. Its counts add up at any time, each counted where it happens:
 * matched = handled + expired + dropped + queued + in flight.
 */
export class Subscription extends Lane {
  readonly owner: Owner
  readonly pattern: string
  readonly group: string | undefined
  /** Messages that were routed here. */
  matched = 0
  /** Messages whose handlers have finished, as the client reports them. */
  handled = 0
  /** Messages that the client dropped because their expiry had passed. */
  expiredAtClient = 0
  /** Messages that found the backlog full. */
  droppedNewest = 0
  /** Queued messages that an unsubscribe or a hang-up left without a reader. */
  droppedAtEnd = 0
  /** Frames sent whose handling was never reported before the hang-up. */
  lostInFlight = 0
  /** Set while draining: sends DRAINED behind the last frame. */
  onEmptied: (() => void) | undefined
  /** Set while a greeting waits for its turn in the queue. [RETAIN-2] */
  onAdvanced: (() => void) | undefined

  constructor(owner: Owner, spec: SubscriptionSpec) {
    super(spec.id, spec.windowBytes)
    this.owner = owner
    this.pattern = spec.pattern
    this.group = spec.group
  }

  /** Unsubscribed, but not before what is queued has left. */
  get isDraining(): boolean {
    return this.onEmptied !== undefined
  }

  get dropped(): number {
    return this.droppedNewest + this.droppedAtEnd + this.unsendable
  }

  /** What is published in order arrives in order, however long a ring takes. */
  override get waitsForRing(): boolean {
    return true
  }

  /** Messages of its own that it has not dealt with: what a queue group compares. */
  get outstanding(): number {
    return this.inFlight + this.queuedMessages
  }

  override advanced(): void {
    this.onAdvanced?.()
  }

  override emptied(): void {
    this.onAdvanced?.()
    this.onEmptied?.()
  }
}
