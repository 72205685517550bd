import { CREDIT_BYTES_MAX, decodeBody, Kind } from '../../protocol/index.js'
import { type Handler, idOf, violation } from './handler.js'

/** Lets a stream of replies go on. [REQUEST-5] */
export const onPull: Handler = (hub, peer, bytes, start, length) => {
  const { bytes: granted } = decodeBody(Kind.PULL, bytes, start, length)
  const link = peer.requests.get(idOf(bytes, start))
  // A pull may cross with the end of its stream.
  if (link === undefined) return
  if (granted > CREDIT_BYTES_MAX || link.streamCredit + granted > CREDIT_BYTES_MAX) {
    throw violation(
      'CREDIT_EXCEEDED',
      `PULL grants ${granted} bytes beside the ${link.streamCredit} that are left`,
    )
  }
  hub.requests.pull(link, granted)
}
