import { Kind, Offset, readDescriptor } from '../../protocol/index.js'
import { type Handler, violation } from './handler.js'
import { onMessage } from './message.js'
import { onReply } from './reply.js'
import { onRequest } from './request.js'

/**
 * Handles a frame whose payload lies in a ring. The payload is booked first, whatever becomes of the frame: from here
 * on its memory is free once nobody refers to it. [RING-6]
 */
export const onByRing: Handler = (hub, peer, bytes, start, length) => {
  const kind = bytes[start + Offset.KIND]!
  const { rings } = hub
  // Each kind is refused in its own way. [WIRE-3.6]
  if (!rings.isOffered) return handlerOf(kind)(hub, peer, bytes, start, length)
  const descriptor = readDescriptor(bytes, start)
  const record = rings.commit(peer.rings, descriptor)
  try {
    const bytesMax = kind === Kind.MESSAGE ? peer.ringPayloadBytesMax : peer.payloadBytesMax
    if (descriptor.length > bytesMax) {
      throw violation(
        'MESSAGE_TOO_LARGE',
        `a payload of ${descriptor.length} bytes, the limit is ${bytesMax}`,
      )
    }
    handlerOf(kind)(hub, peer, bytes, start, length)
  } finally {
    rings.routed(record)
  }
}

function handlerOf(kind: number): Handler {
  if (kind === Kind.MESSAGE) return onMessage
  return kind === Kind.REQUEST ? onRequest : onReply
}
