import type { TopicPause } from '../flow/topic-pause.js'
import type { Peer } from '../peers/peer.js'
import { Subscription } from '../routing/subscription.js'
import type { SystemEvents } from './events.js'

/** Subscriptions that one event about a topic names. */
const FULL_NAMED_MAX = 8

/** Tells whoever watches that the publishers of a topic are paused, and by whom. */
export class PauseReports {
  readonly #events: SystemEvents
  readonly #peers: ReadonlyMap<number, Peer>

  constructor(events: SystemEvents, peers: ReadonlyMap<number, Peer>) {
    this.#events = events
    this.#peers = peers
  }

  paused(pause: TopicPause): void {
    this.#events.publish('$SYS.topic.paused', () => this.#describe(pause))
  }

  resumed(pause: TopicPause): void {
    this.#events.publish('$SYS.topic.resumed', () => this.#describe(pause))
  }

  #describe(pause: TopicPause): Record<string, unknown> {
    return {
      topic: pause.topic.name,
      publishers: pause.publisherCount,
      sinceMs: pause.sinceMs,
      full: [...this.#full(pause)].slice(0, FULL_NAMED_MAX),
    }
  }

  *#full(pause: TopicPause): Iterable<Record<string, unknown>> {
    for (const { state, subscription } of pause.holders) {
      if (state !== 'holding' || !(subscription instanceof Subscription)) continue
      const { owner, id, pattern } = subscription
      const peer = this.#peers.get(owner.id)
      yield { client: owner.id, name: peer?.name ?? '', pid: peer?.pid ?? 0, subscription: id, pattern }
    }
  }
}
