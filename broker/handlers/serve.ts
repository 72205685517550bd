import { CONCURRENCY_MAX, decodeBody, isReserved, Kind, patternFault } from '../../protocol/index.js'
import { Service } from '../requests/service.js'
import { type Handler, idOf, quoted, violation } from './handler.js'

/** Adds a responder. Acceptance is silent; a refusal names the id. [REQUEST-3] */
export const onServe: Handler = (hub, peer, bytes, start, length) => {
  const id = idOf(bytes, start)
  const { pattern, concurrency } = decodeBody(Kind.SERVE, bytes, start, length)
  if (id === 0 || peer.consumers.has(id)) {
    return peer.refuse('ID_IN_USE', `Id ${id} is taken`, Kind.SERVE, id)
  }
  if (concurrency < 1 || concurrency > CONCURRENCY_MAX) {
    throw violation(
      'BAD_FRAME',
      `SERVE has a \`concurrency\` of ${concurrency}, not within 1 to ${CONCURRENCY_MAX}`,
    )
  }
  const fault = patternFault(pattern)
  if (fault !== undefined) {
    return peer.refuse('BAD_PATTERN', `${quoted(pattern)} is no pattern: ${fault}`, Kind.SERVE, id)
  }
  if (isReserved(pattern)) {
    return peer.refuse('TOPIC_RESERVED', `"${pattern}" belongs to the broker`, Kind.SERVE, id)
  }
  if (!peer.grant.allows('serve', pattern)) {
    return peer.refuse('PERMISSION_DENIED', hub.denied(peer, 'serve', pattern), Kind.SERVE, id)
  }
  if (peer.serviceCount >= hub.limits.servicesMax) {
    const message = `The client has ${peer.serviceCount} services, as many as it may have`
    return peer.refuse('SERVICE_LIMIT', message, Kind.SERVE, id)
  }
  peer.ended.lose(id)
  const service = new Service(peer, { id, pattern, concurrency })
  peer.consumers.set(id, service)
  peer.serviceCount += 1
  hub.requests.serve(service)
  hub.requests.refill(service)
}
