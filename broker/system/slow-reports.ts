import { isReserved } from '../../protocol/index.js'
import type { Logger } from '../logger.js'
import type { Peer } from '../peers/peer.js'
import type { Subscription } from '../routing/subscription.js'
import type { SystemEvents } from './events.js'

/** A subscription that goes on losing messages is worth another line when it has lost so many times more. */
const LINE_GROWTH = 10

/** Tells of subscriptions that suffer from their overflow, and of whose they are: in events, and in the log. [SYS-2] */
export class SlowReports {
  readonly #events: SystemEvents
  readonly #peers: ReadonlyMap<number, Peer>
  readonly #log: Logger
  /** From how many dropped messages on the log has another line about a subscription. */
  readonly #nextLine = new WeakMap<Subscription, number>()

  constructor(events: SystemEvents, peers: ReadonlyMap<number, Peer>, log: Logger) {
    this.#events = events
    this.#peers = peers
    this.#log = log
  }

  /** A subscription has become slow, or loses messages. */
  suffers(subscription: Subscription): void {
    const { overflow, isSlow, pattern, counts } = subscription
    if (counts.dropped >= (this.#nextLine.get(subscription) ?? 0)) {
      const what = isSlow ? 'a subscription is slow' : `a subscription loses messages: ${overflow}`
      this.#log.warn(this.#describe(subscription), what)
      this.#nextLine.set(subscription, Math.max(1, counts.dropped) * LINE_GROWTH)
    }
    // The event itself might be what is dropped next, and so on without end.
    if (isReserved(pattern)) return
    this.#events.publish('$SYS.subscription.slow', () => this.#describe(subscription))
  }

  /** A subscription that was slow may block again. */
  recovered(subscription: Subscription): void {
    this.#nextLine.delete(subscription)
    this.#log.info(this.#describe(subscription), 'a subscription that was slow keeps up again')
    this.#events.publish('$SYS.subscription.recovered', () => this.#describe(subscription))
  }

  #describe(subscription: Subscription): Record<string, unknown> {
    const { owner, id, pattern, overflow, counts, queuedMessages, queuedBytes, slowSinceMs } = subscription
    const peer = this.#peers.get(owner.id)
    return {
      client: owner.id,
      name: peer?.name ?? '',
      pid: peer?.pid ?? 0,
      subscription: id,
      pattern,
      overflow,
      dropped: counts.dropped,
      queued: queuedMessages,
      queuedBytes,
      sinceMs: slowSinceMs ?? null,
    }
  }
}
