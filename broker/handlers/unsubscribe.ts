import { controlFrame, decodeBody, encodeBody, Kind } from '../../protocol/index.js'
import type { Hub } from '../hub.js'
import type { Peer } from '../peers/peer.js'
import { Subscription } from '../routing/subscription.js'
import { type Handler, idOf } from './handler.js'

/** Ends a subscription; DRAINED follows its last frame. [SUB-8] [SUB-9] */
export const onUnsubscribe: Handler = (hub, peer, bytes, start, length) => {
  const id = idOf(bytes, start)
  const { drain } = decodeBody(Kind.UNSUBSCRIBE, bytes, start, length)
  const subscription = peer.consumers.get(id)
  if (!(subscription instanceof Subscription)) {
    return peer.refuse('ID_UNKNOWN', `Id ${id} is no subscription of this client`, Kind.UNSUBSCRIBE, id)
  }
  if (drain === true && subscription.queuedMessages > 0) {
    if (subscription.isDraining) return
    hub.greetings.end(subscription)
    hub.router.unsubscribe(subscription)
    subscription.onEmptied = () => {
      // It may be in the middle of being sent, or looked through.
      hub.overflow.end(subscription)
      finish(hub, peer, subscription)
    }
    hub.overflow.draining(subscription)
    return
  }
  hub.endSubscription(subscription)
  finish(hub, peer, subscription)
}

function finish(hub: Hub, peer: Peer, subscription: Subscription): void {
  peer.consumers.delete(subscription.id)
  peer.subscriptionCount -= 1
  peer.outbox.forget(subscription)
  peer.ended.add(subscription, hub.limits.subscriptionsMax)
  const { matched, dropped } = subscription.counts
  const body = encodeBody(Kind.DRAINED, { matched, dropped })
  peer.outbox.control(controlFrame(Kind.DRAINED, 0, subscription.id, body))
}
