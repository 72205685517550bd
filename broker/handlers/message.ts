import { Flag, FrameRun, Kind, Offset, readU32 } from '../../protocol/index.js'
import type { Hub } from '../hub.js'
import type { Peer } from '../peers/peer.js'
import { DeniedRoute } from '../permissions/denied-route.js'
import type { Route } from '../routing/route.js'
import { type Handler, idOf, routeOf } from './handler.js'

/** Routes a message, and keeps it if it says so. */
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
  const flags = bytes[start + Offset.FLAGS]!
  if ((flags & Flag.RING) !== 0 && !hub.rings.isOffered) {
    const message = 'This broker takes no payloads by ring'
    return peer.refuse('FEATURE_UNSUPPORTED', message, Kind.MESSAGE, idOf(bytes, start))
  }
  if ((flags & Flag.RETAIN) !== 0) keep(hub, peer, route, bytes, start, length)
  // Whoever has yet to be greeted with what is kept gets it first.
  else if (route.kept !== undefined) hub.greetings.goAhead(route)
  hub.router.publish(route, FrameRun.of(bytes, start, length), peer)
}

/** Routes messages that are alike, and so have no flags. */
export function onMessages(hub: Hub, peer: Peer, run: FrameRun): void {
  const route = routeOf(peer, run.bytes, run.start)
  if (route.reserved) {
    for (const { bytes, start } of run) onMessage(hub, peer, bytes, start, readU32(bytes, start))
    return
  }
  peer.messagesReceived += run.messages
  if (route.kept !== undefined) hub.greetings.goAhead(route)
  hub.router.publish(route, run, peer)
}

/** Keeps a copy of the message, which is then one like any other. [RETAIN-1] */
function keep(hub: Hub, peer: Peer, route: Route, bytes: Buffer, start: number, length: number): void {
  const refusal = hub.retained.keep(route, bytes, start, length)
  bytes[start + Offset.FLAGS]! &= ~Flag.RETAIN
  if (refusal !== undefined) peer.refuse('RETAIN_LIMIT', refusal, Kind.MESSAGE, idOf(bytes, start))
}
