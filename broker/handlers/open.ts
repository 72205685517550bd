import { decodeBody, Kind } from '../../protocol/index.js'
import type { Handler } from './handler.js'

/** Offers the client a ring of its own. [RING-3] */
export const onOpen: Handler = (hub, peer, bytes, start, length) => {
  const { bytes: payloadBytes } = decodeBody(Kind.OPEN, bytes, start, length)
  const refusal = hub.rings.open(peer.rings, payloadBytes)
  if (refusal !== undefined) peer.refuse(refusal.code, refusal.message, Kind.OPEN, 0)
}
