import { Offset, readU32 } from '../../protocol/index.js'
import type { Handler } from './handler.js'

/** The owner of a ring claims no more in it. [RING-9] */
export const onRetired: Handler = (hub, peer, bytes, start) => {
  hub.rings.retired(peer.rings, readU32(bytes, start + Offset.TOPIC))
}
