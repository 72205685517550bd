import { Flag, Kind, Offset, ringPayloadBytes } from '../../protocol/index.js'
import type { Hub } from '../hub.js'
import { DeniedRoute } from '../permissions/denied-route.js'
import { type Handler, idOf, routeOf } from './handler.js'

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
  if (isUnsupported(hub, bytes[start + Offset.FLAGS]!)) {
    const message = 'This broker does not offer what the flags of the message ask for'
    return peer.refuse('FEATURE_UNSUPPORTED', message, Kind.MESSAGE, idOf(bytes, start))
  }
  hub.router.publish(route, bytes, start, length, ringPayloadBytes(bytes, start), peer)
}

function isUnsupported(hub: Hub, flags: number): boolean {
  return (flags & Flag.RETAIN) !== 0 || ((flags & Flag.RING) !== 0 && !hub.rings.isOffered)
}
