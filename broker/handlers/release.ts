import { Offset, readU32 } from '../../protocol/index.js'
import { type Handler, idOf } from './handler.js'

/** Ends a lease of a record in a ring. [RING-7] */
export const onRelease: Handler = (hub, peer, bytes, start) => {
  hub.rings.release(peer.rings, readU32(bytes, start + Offset.TOPIC), idOf(bytes, start))
}
