import {
  CAPABILITY_RING,
  controlFrame,
  encodeBody,
  Flag,
  Kind,
  MAGIC,
  type MessageHead,
  messageFrame,
  RING_DESCRIPTOR_BYTES,
  RING_LAYOUT_VERSION,
  type RingDescriptor,
  type RingSpan,
  recordName,
  writeDescriptor,
} from '../../protocol/index.js'
import { hello } from './frames.js'

type MessageOptions = Partial<Omit<MessageHead, 'kind' | 'topic' | 'id'>>

/*
 * The frames that a client sends about payloads by ring.
 */

/** HELLO of a client that can map segments. */
export function ringHello(
  name: string,
  capabilities: object = { [CAPABILITY_RING]: RING_LAYOUT_VERSION },
): Buffer {
  return hello(name, undefined, undefined, { ...capabilities })
}

export function attach(segment: number, client: number, token: Uint8Array, magic = MAGIC): Buffer {
  return controlFrame(Kind.ATTACH, magic, segment, encodeBody(Kind.ATTACH, { client, token }))
}

export function open(bytes: number): Buffer {
  return controlFrame(Kind.OPEN, 0, 0, encodeBody(Kind.OPEN, { bytes }))
}

export function mapped(segment: number): Buffer {
  return controlFrame(Kind.MAPPED, segment, 0)
}

export function decline(segment: number, code = 'EMFILE', message = 'no descriptor is left'): Buffer {
  return controlFrame(Kind.DECLINE, segment, 0, encodeBody(Kind.DECLINE, { code, message }))
}

export function release(segment: number, position: number): Buffer {
  return controlFrame(Kind.RELEASE, segment, recordName(position))
}

export function abort(segment: number, { position, length, padding, restarted }: RingSpan): Buffer {
  const body = encodeBody(Kind.ABORT, { position, length, padding, restarted })
  return controlFrame(Kind.ABORT, segment, 0, body)
}

export function retired(segment: number): Buffer {
  return controlFrame(Kind.RETIRED, segment, 0)
}

export function detached(segment: number): Buffer {
  return controlFrame(Kind.DETACHED, segment, 0)
}

function descriptorBytes(descriptor: RingDescriptor): Buffer {
  const bytes = Buffer.alloc(RING_DESCRIPTOR_BYTES)
  writeDescriptor(bytes, 0, descriptor)
  return bytes
}

/** A MESSAGE whose payload lies in a ring. */
export function publishByRing(
  alias: number,
  descriptor: RingDescriptor,
  options: MessageOptions = {},
): Buffer {
  const flags = (options.flags ?? 0) | Flag.RING
  return messageFrame({ ...options, kind: Kind.MESSAGE, topic: alias, flags }, descriptorBytes(descriptor))
}

export function requestByRing(
  alias: number,
  id: number,
  descriptor: RingDescriptor,
  options: MessageOptions = {},
): Buffer {
  const flags = (options.flags ?? 0) | Flag.RING
  return messageFrame(
    { ...options, kind: Kind.REQUEST, topic: alias, id, flags },
    descriptorBytes(descriptor),
  )
}

/** A reply, or with `Flag.STREAM` a part of one. */
export function replyByRing(link: number, descriptor: RingDescriptor, flags = 0): Buffer {
  return messageFrame({ kind: Kind.REPLY, id: link, flags: flags | Flag.RING }, descriptorBytes(descriptor))
}
