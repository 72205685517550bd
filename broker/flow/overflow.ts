import type { FrameRun, OverflowPolicy } from '../../protocol/index.js'
import { Gauges } from '../egress/gauges.js'
import { BacklogLimits, type BrokerBacklogLimits } from '../routing/backlog-limits.js'
import { DeliveryCounts } from '../routing/delivery-counts.js'
import type { Route } from '../routing/route.js'
import type { Deliveries, Subscription } from '../routing/subscription.js'
import { ExpirySweeps, nowInNs } from './expiry-sweeps.js'
import type { Publisher } from './publisher.js'
import type { PublisherGate } from './publisher-gate.js'
import { SlowNotices } from './slow-notices.js'
import { SlowSubscriptions } from './slow-subscriptions.js'

export interface OverflowLimits extends BrokerBacklogLimits {
  /** Bytes of memory that may be queued for all subscriptions together. */
  readonly backlogTotalBytesMax: number
  /** Bytes beyond its limit that a blocking subscription may have queued while publishers are being paused. */
  readonly pauseSlackBytes: number
  readonly pauseTimeoutMs: number
}

/** While publishers are being paused, what they have sent still comes: this part of the total is kept for that. */
const TOTAL_SLACK_PART = 1 / 8

export interface OverflowEvents {
  /** It has become slow, or goes on losing messages: told at most once a second. */
  suffers(subscription: Subscription): void
  /** It may block again. */
  recovered(subscription: Subscription): void
  /** Sends what a timer has brought about. */
  flush(): void
}

/**
 * What becomes of messages that cannot leave at once: each waits in the backlog of its subscription, and beyond the
 * limits the subscription's policy decides. [FLOW-1]
 *
 *   blocking ──(its publishers were paused for too long, or did not heed it)──> slow: its oldest messages are dropped
 *   slow ──(it was calm for long enough)──> blocking
 */
export class Overflow implements Deliveries {
  /** Of all subscriptions, those included that have ended. */
  readonly counts = new DeliveryCounts()
  readonly gauges = new Gauges()
  readonly limits: OverflowLimits
  /** Shared by all subscriptions that ask for nothing. */
  readonly #limitsOfBroker: BacklogLimits
  readonly #gate: PublisherGate
  readonly #notices: SlowNotices
  readonly #slow: SlowSubscriptions
  readonly #sweeps: ExpirySweeps

  constructor(limits: OverflowLimits, gate: PublisherGate, events: OverflowEvents) {
    this.limits = limits
    this.#limitsOfBroker = new BacklogLimits(limits)
    this.#gate = gate
    const flush = () => events.flush()
    this.#notices = new SlowNotices((subscription) => events.suffers(subscription), flush)
    this.#sweeps = new ExpirySweeps((subscription, nowNs) => this.#sweep(subscription, nowNs), flush)
    this.#slow = new SlowSubscriptions(limits, (subscription) => {
      events.recovered(subscription)
      this.#notices.note(subscription)
      flush()
    })
  }

  limitsFor(bytesAsked: number | undefined, messagesAsked: number | undefined): BacklogLimits {
    if (bytesAsked === undefined && messagesAsked === undefined) return this.#limitsOfBroker
    return new BacklogLimits(this.limits, bytesAsked, messagesAsked)
  }

  get roomBytes(): number {
    const { backlogTotalBytesMax, pauseSlackBytes } = this.limits
    const slackBytes = Math.min(pauseSlackBytes, Math.floor(backlogTotalBytesMax * TOTAL_SLACK_PART))
    return Math.max(0, backlogTotalBytesMax - slackBytes - this.gauges.heapBytes)
  }

  /** Takes messages for a subscription, of a topic whose id is stamped into them; its publisher knew it by `alias`. */
  take(
    subscription: Subscription,
    route: Route,
    run: FrameRun,
    publisher: Publisher | undefined,
    alias: number,
  ): void {
    const policy = policyFor(subscription, publisher)
    if (this.#hasRoom(subscription, policy, run)) return this.#queue(subscription, run)
    if (run.messages > 1) {
      for (const frame of run) this.take(subscription, route, frame, publisher, alias)
      return
    }
    switch (policy) {
      case 'block':
        if (this.#isBeyondSlack(subscription, run)) {
          this.makeSlow(subscription)
          // There may be room now, and if not, it drops its oldest.
          return this.take(subscription, route, run, publisher, alias)
        }
        this.#queue(subscription, run)
        return this.#gate.full(subscription, route, publisher!, alias)
      case 'drop-oldest':
      case 'latest':
        return this.#dropOldest(subscription, run)
      case 'drop-newest':
        return this.#drop(subscription, 'newest', 1)
      case 'disconnect':
        return this.#disconnect(subscription)
    }
  }

  /** Lets messages wait whatever the limits say. */
  keep(subscription: Subscription, run: FrameRun): void {
    this.#queue(subscription, run)
  }

  /** The subscription has held up publishers for long enough: from now on it loses its oldest messages. [FLOW-2] */
  makeSlow(subscription: Subscription): void {
    if (subscription.overflow !== 'block' || subscription.state !== 'active') return
    if (!subscription.isSlow) this.#slow.add(subscription)
    this.#evict(subscription, subscription.limits.bytes)
    this.#notices.note(subscription)
    subscription.relieved()
  }

  relieved(subscription: Subscription): void {
    this.#gate.relieved(subscription)
  }

  /** Nothing more comes for it, though what is queued may still leave. */
  draining(subscription: Subscription): void {
    this.#gate.relieved(subscription)
  }

  /** It has ended: what is queued is dropped. */
  end(subscription: Subscription): void {
    subscription.isEnded = true
    subscription.onEmptied = undefined
    subscription.counts.drop('ended', subscription.owner.outbox.eviction.all(subscription))
    this.#notices.forget(subscription)
    this.#slow.delete(subscription)
    this.#sweeps.forget(subscription)
    this.#gate.relieved(subscription)
  }

  /** Whether all of the messages may wait within the limits. Of those that have expired none is in their way. */
  #hasRoom(subscription: Subscription, policy: OverflowPolicy, run: FrameRun): boolean {
    if (this.#fits(subscription, policy, run)) return true
    if (subscription.backlog?.isSweepDue !== true) return false
    this.#sweep(subscription, nowInNs())
    return this.#fits(subscription, policy, run)
  }

  #fits(subscription: Subscription, policy: OverflowPolicy, run: FrameRun): boolean {
    const { limits, queuedMessages, queuedBytes } = subscription
    // One message is always taken, or one larger than the limit could never arrive.
    if (queuedMessages === 0 && run.messages === 1) return true
    const cost = subscription.costOf(run)
    if (queuedMessages + run.messages > limits.messages) return false
    if (queuedBytes + cost + run.ringBytes > limits.bytes) return false
    return policy === 'block' ? cost <= this.roomBytes : !this.#exceedsTotal(cost)
  }

  #exceedsTotal(cost: number): boolean {
    return this.gauges.heapBytes + cost > this.limits.backlogTotalBytesMax
  }

  /** Payloads in rings do not count: they wait in memory of their publishers. */
  #isBeyondSlack(subscription: Subscription, frame: FrameRun): boolean {
    const { backlog, limits } = subscription
    const cost = subscription.costOf(frame)
    return backlog!.heapBytes + cost > limits.bytes + this.limits.pauseSlackBytes || this.#exceedsTotal(cost)
  }

  #queue(subscription: Subscription, run: FrameRun): void {
    subscription.owner.outbox.enqueue(subscription, run)
    if (subscription.isSlow) this.#slow.queued(subscription)
    if (subscription.backlog!.earliestExpiryNs !== Number.POSITIVE_INFINITY) this.#sweeps.watch(subscription)
  }

  #dropOldest(subscription: Subscription, frame: FrameRun): void {
    const { limits, queuedBytes } = subscription
    // When there is no room for all subscriptions together, none may take more than it has.
    const isScarce = this.#exceedsTotal(subscription.costOf(frame))
    const bytesMax = isScarce ? Math.min(limits.bytes, queuedBytes) : limits.bytes
    if (isLeastUrgent(subscription, frame)) return this.#drop(subscription, 'oldest', 1)
    this.#queue(subscription, frame)
    this.#evict(subscription, bytesMax)
  }

  /** Drops the oldest of the least urgent messages until the limits hold; one message may wait whatever its size. */
  #evict(subscription: Subscription, bytesMax: number): void {
    const { backlog, owner } = subscription
    if (backlog === undefined) return
    const messagesMax = subscription.limits.messages
    let dropped = 0
    while (backlog.messages > 1 && (backlog.messages > messagesMax || backlog.bytes > bytesMax)) {
      owner.outbox.eviction.oldest(subscription)
      dropped += 1
    }
    if (dropped > 0) this.#drop(subscription, 'oldest', dropped)
  }

  #drop(subscription: Subscription, reason: 'oldest' | 'newest', messages: number): void {
    subscription.counts.drop(reason, messages)
    this.#notices.note(subscription)
  }

  #disconnect(subscription: Subscription): void {
    const { owner, pattern, limits, queuedMessages, queuedBytes } = subscription
    subscription.counts.drop('newest', 1)
    const message =
      `The subscription to "${pattern}" has ${queuedMessages} messages of ${queuedBytes} bytes queued; ` +
      `it may have ${limits.messages} of ${limits.bytes} bytes, and asked to be disconnected beyond`
    owner.outbox.giveUp('SLOW_CONSUMER', message)
  }

  #sweep(subscription: Subscription, nowNs: number): void {
    const expired = subscription.owner.outbox.eviction.expired(subscription, nowNs)
    if (expired === 0) return
    subscription.counts.drop('expired', expired)
    subscription.relieved()
    if (subscription.queuedMessages === 0) subscription.emptied()
  }
}

/** Whether everything that waits is more urgent than a message which is not to replace any of it. */
function isLeastUrgent({ backlog }: Subscription, frame: FrameRun): boolean {
  const isReplacing = backlog!.predecessor(frame.topicId) !== undefined
  return !isReplacing && frame.level < backlog!.lowestLevel
}

/** What the broker itself publishes pauses nobody. */
function policyFor(subscription: Subscription, publisher: Publisher | undefined): OverflowPolicy {
  const { policy } = subscription
  return policy === 'block' && publisher === undefined ? 'drop-oldest' : policy
}
