import { decodeBody, Kind, Offset, readU32 } from '../../protocol/index.js'
import { type Handler, quoted } from './handler.js'

/** The client could not map a segment: what lies there goes to it by socket. [RING-11] */
export const onDecline: Handler = (hub, peer, bytes, start, length) => {
  const { code, message } = decodeBody(Kind.DECLINE, bytes, start, length)
  hub.rings.decline(peer.rings, readU32(bytes, start + Offset.TOPIC), quoted(`${code}: ${message}`))
}
