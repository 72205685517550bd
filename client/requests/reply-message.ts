import { isByRing, paddedLength } from '../../protocol/index.js'
import { Message } from '../inbound/message.js'
import { keptFrames } from '../inbound/read-memory.js'
import type { Incoming } from '../rings/incoming.js'

/** Makes messages of REPLY frames, for a request that wants views or copies. */
export interface ReplyReader {
  readonly incoming: Incoming
  readonly view: boolean
}

/** A reply that may be kept: out of the memory that is read into, and with its payload out of the ring. */
export function replyMessage(
  { incoming, view }: ReplyReader,
  topic: string,
  bytes: Buffer,
  start: number,
  length: number,
): Message {
  const payload = isByRing(bytes, start) ? incoming.take(bytes, start, topic, view) : undefined
  const at = keptFrames.place(bytes, start, start + paddedLength(length))
  return new Message(keptFrames.memory, at, length, topic, payload)
}
