import { type ErrorCode, Flag, frameLayout, isByRing, Offset } from '../../protocol/index.js'
import { routeBehind } from '../permissions/denied-route.js'
import { answerSystemRequest } from '../system/answers.js'
import { type Handler, idOf, routeOf, violation } from './handler.js'

/** Gives a request to a responder, or keeps it for one. [REQUEST-1] [REQUEST-2] [REQUEST-3] */
export const onRequest: Handler = (hub, peer, bytes, start, length) => {
  const route = routeBehind(routeOf(peer, bytes, start))
  const requestId = idOf(bytes, start)
  if (peer.requests.has(requestId)) throw violation('ID_IN_USE', `Request ${requestId} has not ended`)
  peer.requestsMade += 1
  const priority = bytes[start + Offset.PRIORITY]!
  const fail = (code: ErrorCode, message: string) =>
    hub.requests.sendFailure(peer, requestId, priority, code, message)

  if (!peer.grant.allows('request', route.name))
    return fail('PERMISSION_DENIED', hub.denied(peer, 'request', route.name))
  const byRing = isByRing(bytes, start)
  if (byRing && (!hub.rings.isOffered || route.reserved))
    return fail('FEATURE_UNSUPPORTED', 'This broker takes no such request by ring')
  if (route.reserved) {
    const payload = bytes.subarray(frameLayout(bytes, start).payloadStart, start + length)
    const streams = (bytes[start + Offset.FLAGS]! & Flag.STREAM) !== 0
    return answerSystemRequest(hub, { peer, requestId, priority, topic: route.name, streams, payload })
  }
  if (hub.isStopping) return fail('BROKER_STOPPING', 'The broker takes no more requests: it is about to end')
  if (peer.requests.size >= hub.limits.requestsMax) {
    return fail(
      'REQUEST_LIMIT',
      `The client has ${peer.requests.size} requests in flight, as many as it may have`,
    )
  }
  const link = hub.requests.open(peer, requestId, route, bytes, start)
  if (link === undefined) return fail('OVERLOADED', 'As many requests are on their way as there can be')
  peer.requests.set(requestId, link)
  hub.requests.place(link, bytes, start, length)
}
