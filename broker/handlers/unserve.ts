import { controlFrame, Kind } from '../../protocol/index.js'
import { Service } from '../requests/service.js'
import { type Handler, idOf } from './handler.js'

/** The responder takes no more requests; DRAINED follows the last one that it was given. [REQUEST-3] */
export const onUnserve: Handler = (hub, peer, bytes, start) => {
  const id = idOf(bytes, start)
  const service = peer.consumers.get(id)
  if (!(service instanceof Service)) {
    return peer.refuse('ID_UNKNOWN', `Id ${id} is no service of this client`, Kind.UNSERVE, id)
  }
  peer.retireService(service)
  hub.requests.unserve(service)
  peer.outbox.forget(service)
  peer.outbox.control(controlFrame(Kind.DRAINED, 0, id))
}
