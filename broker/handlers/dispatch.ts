import { isByRing, Kind, kindName, Offset } from '../../protocol/index.js'
import type { Hub } from '../hub.js'
import type { Peer } from '../peers/peer.js'
import { onAbort } from './abort.js'
import { onAttach } from './attach.js'
import { onByRing } from './by-ring.js'
import { onCancel } from './cancel.js'
import { onCredit } from './credit.js'
import { onDecline } from './decline.js'
import { onDetached } from './detached.js'
import { onFailure } from './failure.js'
import { onFlush } from './flush.js'
import { violation } from './handler.js'
import { onHello } from './hello.js'
import { onLatency } from './latency.js'
import { onMapped } from './mapped.js'
import { onMessage } from './message.js'
import { onOpen } from './open.js'
import { onPaired } from './paired.js'
import { onPull } from './pull.js'
import { onRelease } from './release.js'
import { onReply } from './reply.js'
import { onRequest } from './request.js'
import { onRetired } from './retired.js'
import { onServe } from './serve.js'
import { onSubscribe } from './subscribe.js'
import { onTopic } from './topic.js'
import { onUnserve } from './unserve.js'
import { onUnsubscribe } from './unsubscribe.js'

/** Brings a frame to the handler of its kind. A new kind is one file, one case here, and one section in SPEC.md. */
export function dispatch(hub: Hub, peer: Peer, bytes: Buffer, start: number, length: number): void {
  const kind = bytes[start + Offset.KIND]
  if (peer.state === 'greeting' && kind !== Kind.HELLO && kind !== Kind.ATTACH) {
    throw violation('UNEXPECTED_FRAME', `${kindName(kind!)} came before HELLO`)
  }
  if (isByRing(bytes, start)) return onByRing(hub, peer, bytes, start, length)
  switch (kind) {
    case Kind.MESSAGE:
      return onMessage(hub, peer, bytes, start, length)
    case Kind.CREDIT:
      return onCredit(hub, peer, bytes, start, length)
    case Kind.TOPIC:
      return onTopic(hub, peer, bytes, start, length)
    case Kind.LATENCY:
      return onLatency(hub, peer, bytes, start, length)
    case Kind.REQUEST:
      return onRequest(hub, peer, bytes, start, length)
    case Kind.REPLY:
      return onReply(hub, peer, bytes, start, length)
    case Kind.FAILURE:
      return onFailure(hub, peer, bytes, start, length)
    case Kind.CANCEL:
      return onCancel(hub, peer, bytes, start, length)
    case Kind.PULL:
      return onPull(hub, peer, bytes, start, length)
    case Kind.SUBSCRIBE:
      return onSubscribe(hub, peer, bytes, start, length)
    case Kind.UNSUBSCRIBE:
      return onUnsubscribe(hub, peer, bytes, start, length)
    case Kind.SERVE:
      return onServe(hub, peer, bytes, start, length)
    case Kind.UNSERVE:
      return onUnserve(hub, peer, bytes, start, length)
    case Kind.FLUSH:
      return onFlush(hub, peer, bytes, start, length)
    case Kind.HELLO:
      return onHello(hub, peer, bytes, start, length)
    case Kind.RELEASE:
      return onRelease(hub, peer, bytes, start, length)
    case Kind.ABORT:
      return onAbort(hub, peer, bytes, start, length)
    case Kind.OPEN:
      return onOpen(hub, peer, bytes, start, length)
    case Kind.MAPPED:
      return onMapped(hub, peer, bytes, start, length)
    case Kind.DECLINE:
      return onDecline(hub, peer, bytes, start, length)
    case Kind.RETIRED:
      return onRetired(hub, peer, bytes, start, length)
    case Kind.DETACHED:
      return onDetached(hub, peer, bytes, start, length)
    case Kind.PAIRED:
      return onPaired(hub, peer, bytes, start, length)
    case Kind.ATTACH:
      return onAttach(hub, peer, bytes, start, length)
    default:
      throw violation('UNEXPECTED_FRAME', `${kindName(kind!)} is not for the broker`)
  }
}
