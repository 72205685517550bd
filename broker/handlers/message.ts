import { Flag, Kind, Offset } from '../../protocol/index.js'
import { DeniedRoute } from '../permissions/denied-route.js'
import { type Handler, idOf, routeOf } from './handler.js'

const UNSUPPORTED_FLAGS = Flag.RING | Flag.RETAIN

/** Routes a message. */
export const onMessage: Handler = (hub, peer, bytes, start, length) => {
  const route = routeOf(peer, bytes, start)
  peer.messagesReceived += 1
  if (route.reserved) {
    if (route instanceof DeniedRoute) return hub.denyMessage(peer, route.route.name, idOf(bytes, start))
    return peer.refuse(
      'TOPIC_RESERVED',
      `"${route.name}" belongs to the broker`,
      Kind.MESSAGE,
      idOf(bytes, start),
    )
  }
  if (bytes[start + Offset.FLAGS]! & UNSUPPORTED_FLAGS) {
    const message = 'This broker moves no payloads by ring and retains no messages'
    return peer.refuse('FEATURE_UNSUPPORTED', message, Kind.MESSAGE, idOf(bytes, start))
  }
  hub.router.publish(route, bytes, start, length)
}
