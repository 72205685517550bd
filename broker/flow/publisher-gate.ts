import type { Route } from '../routing/route.js'
import type { Subscription } from '../routing/subscription.js'
import type { Publisher } from './publisher.js'

/** What the overflow of subscriptions asks of the publishers of topics. */
export interface PublisherGate {
  /** A frame of `publisher`, by its `alias` for the topic, has found a blocking subscription full: it waits there all the same. */
  full(subscription: Subscription, route: Route, publisher: Publisher, alias: number): void
  /** Some of its backlog has left, or it has been cleared, has become slow, or has ended. Cheap when nobody is paused for it. */
  relieved(subscription: Subscription): void
}
