import { CREDIT_BYTES_MAX, decodeBody, Kind } from '../../protocol/index.js'
import { Subscription } from '../routing/subscription.js'
import { type Handler, idOf, violation } from './handler.js'

/** Takes the report of finished handlers, and sends on. [CREDIT-3] [CREDIT-4] */
export const onCredit: Handler = (_hub, peer, bytes, start, length) => {
  const id = idOf(bytes, start)
  const {
    bytes: granted,
    messages = 0,
    expired = 0,
    discarded = 0,
  } = decodeBody(Kind.CREDIT, bytes, start, length)
  // A report may cross with the end of its subscription, or follow it.
  const subscription = peer.consumers.get(id) ?? peer.ended.get(id)
  if (!(subscription instanceof Subscription)) return
  const reported = messages + expired + discarded
  if (reported > subscription.inFlight) {
    throw violation(
      'CREDIT_EXCEEDED',
      `CREDIT reports ${reported} messages, ${subscription.inFlight} are in flight`,
    )
  }
  if (granted > CREDIT_BYTES_MAX || subscription.credit + granted > CREDIT_BYTES_MAX) {
    throw violation(
      'CREDIT_EXCEEDED',
      `CREDIT grants ${granted} bytes beside the ${subscription.credit} that are left`,
    )
  }
  subscription.report(messages, expired, discarded)
  if (subscription.isEnded) {
    if (subscription.inFlight === 0) peer.ended.forget(id)
    return
  }
  subscription.grant(granted)
  peer.outbox.resume(subscription)
}
