import { decodeName, Offset, readU32, topicFault } from '../../protocol/index.js'
import { DeniedRoute, routeBehind } from '../permissions/denied-route.js'
import { type Handler, quoted, violation } from './handler.js'

/** Binds an alias, in place of what it stood for. Whether its topic may be published on is found out here. [TOPIC-6] */
export const onTopic: Handler = (hub, peer, bytes, start, length) => {
  const alias = readU32(bytes, start + Offset.TOPIC)
  if (alias >= peer.aliasesMax) {
    throw violation('ALIAS_OUT_OF_RANGE', `Alias ${alias} is beyond the ${peer.aliasesMax} that there are`)
  }
  peer.topicFramesRead = (peer.topicFramesRead + 1) >>> 0
  const topic = decodeName(bytes, start, length)
  const fault = topicFault(topic)
  if (fault !== undefined) throw violation('BAD_TOPIC', `${quoted(topic)} is no topic: ${fault}`)
  const previous = peer.aliases[alias]
  const route = hub.router.acquire(topic)
  const mayPublish = route.reserved || peer.grant.allows('publish', topic)
  peer.bindAlias(alias, mayPublish ? route : new DeniedRoute(route))
  hub.pauses.rebound(peer, alias)
  hub.pauses.bound(route)
  if (previous !== undefined) hub.router.release(routeBehind(previous))
}
