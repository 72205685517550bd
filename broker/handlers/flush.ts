import { controlFrame, Kind } from '../../protocol/index.js'
import { type Handler, idOf } from './handler.js'

/** Everything before this frame is routed by now. [FLUSH-1] */
export const onFlush: Handler = (_hub, peer, bytes, start) => {
  peer.outbox.control(controlFrame(Kind.FLUSHED, 0, idOf(bytes, start)))
}
