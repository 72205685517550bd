import { CREDIT_BYTES_MAX, decodeBody, Kind } from '../../protocol/index.js'
import { Subscription } from '../routing/subscription.js'
import { type Handler, idOf, violation } from './handler.js'

/** Takes the report of finished handlers, and sends on. [CREDIT-3] [CREDIT-4] */
export const onCredit: Handler = (_hub, peer, bytes, start, length) => {
  const { bytes: granted, messages = 0, expired = 0 } = decodeBody(Kind.CREDIT, bytes, start, length)
  const subscription = peer.consumers.get(idOf(bytes, start))
  // A report may cross with the end of its subscription.
  if (!(subscription instanceof Subscription)) return
  if (messages + expired > subscription.inFlight) {
    throw violation(
      'CREDIT_EXCEEDED',
      `CREDIT reports ${messages + expired} messages, ${subscription.inFlight} are in flight`,
    )
  }
  if (granted > CREDIT_BYTES_MAX || subscription.credit + granted > CREDIT_BYTES_MAX) {
    throw violation(
      'CREDIT_EXCEEDED',
      `CREDIT grants ${granted} bytes beside the ${subscription.credit} that are left`,
    )
  }
  subscription.inFlight -= messages + expired
  subscription.handled += messages
  subscription.expiredAtClient += expired
  subscription.credit += granted
  if (subscription.credit > 0 && subscription.queuedMessages > 0) peer.outbox.resume(subscription)
}
