import type { Outbox } from '../egress/outbox.js'
import type { Route } from '../routing/route.js'
import type { Subscription } from '../routing/subscription.js'

/** A client that publishes, as flow control sees it. */
export interface Publisher {
  readonly id: number
  readonly outbox: Outbox
  /** TOPIC frames that were read from it: what a PAUSE is numbered with. [WIRE-2.8] */
  readonly topicFramesRead: number
}

/** What the overflow of subscriptions asks of the publishers of topics. */
export interface PublisherGate {
  /** A frame of `publisher`, by its `alias` for the topic, has found a blocking subscription full: it waits there all the same. */
  full(subscription: Subscription, route: Route, publisher: Publisher, alias: number): void
  /** Some of its backlog has left, or it has been cleared, has become slow, or has ended. Cheap when nobody is paused for it. */
  relieved(subscription: Subscription): void
}
