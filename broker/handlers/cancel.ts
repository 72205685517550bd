import { type Handler, idOf, violation } from './handler.js'

/** Frees a request. One that has ended meanwhile is no fault; more cancels than requests are. [REQUEST-6] */
export const onCancel: Handler = (hub, peer, bytes, start) => {
  peer.cancelsMade += 1
  if (peer.cancelsMade > peer.requestsMade) {
    throw violation('ID_UNKNOWN', `CANCEL came ${peer.cancelsMade} times for ${peer.requestsMade} requests`)
  }
  const requestId = idOf(bytes, start)
  const link = peer.requests.get(requestId)
  if (link === undefined) return
  peer.requests.delete(requestId)
  hub.requests.cancel(link)
}
