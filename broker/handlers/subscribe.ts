import {
  CREDIT_BYTES_MAX,
  decodeBody,
  Kind,
  OVERFLOW_POLICIES,
  type OverflowPolicy,
  patternFault,
  topicFault,
} from '../../protocol/index.js'
import { Subscription } from '../routing/subscription.js'
import { type Handler, idOf, quoted, violation } from './handler.js'

/** Adds a subscription. Acceptance is silent; a refusal names the id. [SUB-1] [SUB-2] */
export const onSubscribe: Handler = (hub, peer, bytes, start, length) => {
  const id = idOf(bytes, start)
  const { pattern, group, window, overflow, retained, ...limits } = decodeBody(
    Kind.SUBSCRIBE,
    bytes,
    start,
    length,
  )
  if (limits.backlogBytes === 0 || limits.backlogMessages === 0) {
    throw violation('BAD_FRAME', 'SUBSCRIBE has a limit of 0, and one message may always wait')
  }
  if (id === 0 || peer.consumers.has(id)) {
    return peer.refuse('ID_IN_USE', `Id ${id} is taken`, Kind.SUBSCRIBE, id)
  }
  if (window > CREDIT_BYTES_MAX)
    throw violation('CREDIT_EXCEEDED', `A window of ${window} bytes is too large`)
  const fault = patternFault(pattern)
  if (fault !== undefined) {
    return peer.refuse('BAD_PATTERN', `${quoted(pattern)} is no pattern: ${fault}`, Kind.SUBSCRIBE, id)
  }
  const groupFault = group === undefined ? undefined : topicFault(group)
  if (group !== undefined && groupFault !== undefined) {
    return peer.refuse('BAD_PATTERN', `${quoted(group)} is no group name: ${groupFault}`, Kind.SUBSCRIBE, id)
  }
  if (!peer.grant.allows('subscribe', pattern)) {
    return peer.refuse('PERMISSION_DENIED', hub.denied(peer, 'subscribe', pattern), Kind.SUBSCRIBE, id)
  }
  if (peer.subscriptionCount >= hub.limits.subscriptionsMax) {
    const message = `The client has ${peer.subscriptionCount} subscriptions, as many as it may have`
    return peer.refuse('SUBSCRIPTION_LIMIT', message, Kind.SUBSCRIBE, id)
  }
  if (!isPolicy(overflow)) {
    const message = `This broker knows no overflow ${quoted(overflow)}, only ${OVERFLOW_POLICIES.join(', ')}`
    return peer.refuse('FEATURE_UNSUPPORTED', message, Kind.SUBSCRIBE, id)
  }
  peer.ended.lose(id)
  const subscription = new Subscription(
    peer,
    { ...limits, id, pattern, group, windowBytes: window, overflow },
    hub.overflow,
  )
  peer.consumers.set(id, subscription)
  peer.subscriptionCount += 1
  hub.router.subscribe(subscription)
  // Of a group, it would be another member each time that gets what is kept.
  if (retained === true && group === undefined) hub.greetings.begin(subscription)
}

function isPolicy(overflow: string | undefined): overflow is OverflowPolicy | undefined {
  return overflow === undefined || OVERFLOW_POLICIES.some((policy) => policy === overflow)
}
