import { decodeBody, Kind, Offset, readU32 } from '../../protocol/index.js'
import type { Handler } from './handler.js'

/** Gives back a claim in a ring that will not be committed. [RING-6] */
export const onAbort: Handler = (hub, peer, bytes, start, length) => {
  const body = decodeBody(Kind.ABORT, bytes, start, length)
  const span = { ...body, restarted: body.restarted === true }
  hub.rings.abort(peer.rings, readU32(bytes, start + Offset.TOPIC), span)
}
