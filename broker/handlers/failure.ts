import { decodeBody, Kind } from '../../protocol/index.js'
import { type Handler, idOf } from './handler.js'

/** Passes the failure of a handler to the requester. [REQUEST-4] */
export const onFailure: Handler = (hub, peer, bytes, start, length) => {
  // What a requester reads must be sound, whoever wrote it.
  decodeBody(Kind.FAILURE, bytes, start, length)
  hub.requests.fail(peer, idOf(bytes, start), bytes, start, length)
}
