import { decodeBody, Kind, Offset, PAIR_SEGMENT, readU32 } from '../../protocol/index.js'
import { type Handler, quoted } from './handler.js'

/** The client could not map a segment: what lies there goes to it by socket. [RING-11] [PAIR-2] */
export const onDecline: Handler = (hub, peer, bytes, start, length) => {
  const { code, message } = decodeBody(Kind.DECLINE, bytes, start, length)
  const segment = readU32(bytes, start + Offset.TOPIC)
  const reason = quoted(`${code}: ${message}`)
  if (segment === PAIR_SEGMENT) hub.pairs.decline(peer, reason)
  else hub.rings.decline(peer.rings, segment, reason)
}
