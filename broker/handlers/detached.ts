import { Offset, readU32 } from '../../protocol/index.js'
import type { Handler } from './handler.js'

/** The client has unmapped a segment. [RING-10] */
export const onDetached: Handler = (hub, peer, bytes, start) => {
  hub.rings.detached(peer.rings, readU32(bytes, start + Offset.TOPIC))
}
