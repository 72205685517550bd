import { isByRing, Kind } from '../../protocol/index.js'
import { type Handler, idOf, violation } from './handler.js'

/** Passes a reply, or a part of a stream, to the requester. [REQUEST-4] [REQUEST-5] */
export const onReply: Handler = (hub, peer, bytes, start, length) => {
  const id = idOf(bytes, start)
  if (isByRing(bytes, start) && !hub.rings.isOffered)
    return peer.refuse('FEATURE_UNSUPPORTED', 'This broker moves no payloads by ring', Kind.REPLY, id)
  const fault = hub.requests.reply(peer, id, bytes, start, length)
  if (fault === 'BAD_FRAME')
    throw violation(fault, 'REPLY is a part of a stream, and one reply was asked for')
  if (fault !== undefined) throw violation(fault, `REPLY to link ${id} came without credit for it`)
}
