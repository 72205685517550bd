import { isReserved } from '../../protocol/index.js'
import type { Logger } from '../logger.js'
import type { Peer } from '../peers/peer.js'
import type { Subscription } from '../routing/subscription.js'
import type { SystemEvents } from './events.js'

/** Tells of subscriptions that suffer from their overflow, and of whose they are: in events, and in the log. [SYS-2] */
export class SlowReports {
  readonly #events: SystemEvents
  readonly #peers: ReadonlyMap<number, Peer>
  readonly #log: Logger

  constructor(events: SystemEvents, peers: ReadonlyMap<number, Peer>, log: Logger) {
    this.#events = events
    this.#peers = peers
    this.#log = log
  }

  /** A subscription has become slow, or loses messages. */
  suffers(subscription: Subscription): void {
    const { overflow, isSlow, pattern } = subscription
    const what = isSlow ? 'a subscription is slow' : `a subscription loses messages: ${overflow}`
    this.#log.warn(this.#describe(subscription), what)
    // The event itself might be what is dropped next, and so on without end.
    if (isReserved(pattern)) return
    this.#events.publish('$SYS.subscription.slow', () => this.#describe(subscription))
  }

  /** A subscription that was slow may block again. */
  recovered(subscription: Subscription): void {
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
