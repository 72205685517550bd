import { Offset, readU32 } from '../../protocol/index.js'
import type { Handler } from './handler.js'

/** The client has a segment before it: to write, or to read. [RING-3] [RING-10] */
export const onMapped: Handler = (hub, peer, bytes, start) => {
  hub.rings.mapped(peer.rings, readU32(bytes, start + Offset.TOPIC))
}
