import {
  type Body,
  controlFrame,
  encodeBody,
  Flag,
  Kind,
  MAGIC,
  type MessageHead,
  messageFrame,
  PROTOCOL_VERSION,
} from '../../protocol/index.js'

/** A window that no test uses up by accident. */
export const WIDE_WINDOW_BYTES = 1024 * 1024

type MessageOptions = Partial<Omit<MessageHead, 'kind' | 'topic' | 'id'>>

/*
 * The frames that a client sends, one function for each kind.
 */

export function hello(
  name = 'test',
  version = PROTOCOL_VERSION,
  magic = MAGIC,
  capabilities?: Record<string, unknown>,
): Buffer {
  const body = encodeBody(Kind.HELLO, { name, pid: process.pid, capabilities })
  return controlFrame(Kind.HELLO, magic, version, body)
}

export function topic(alias: number, name: string): Buffer {
  return controlFrame(Kind.TOPIC, alias, 0, Buffer.from(name))
}

export function publish(alias: number, payload: string | Uint8Array, options: MessageOptions = {}): Buffer {
  return messageFrame({ ...options, kind: Kind.MESSAGE, topic: alias }, payload)
}

export function subscribe(
  id: number,
  pattern: string,
  { window = WIDE_WINDOW_BYTES, ...options }: Partial<Omit<Body<typeof Kind.SUBSCRIBE>, 'pattern'>> = {},
): Buffer {
  return controlFrame(Kind.SUBSCRIBE, 0, id, encodeBody(Kind.SUBSCRIBE, { pattern, window, ...options }))
}

export function unsubscribe(id: number, options: { drain?: boolean } = {}): Buffer {
  return controlFrame(Kind.UNSUBSCRIBE, 0, id, encodeBody(Kind.UNSUBSCRIBE, options))
}

export function credit(id: number, bytes: number, messages = 0, expired = 0, discarded = 0): Buffer {
  return controlFrame(Kind.CREDIT, 0, id, encodeBody(Kind.CREDIT, { bytes, messages, expired, discarded }))
}

/** A message that is to be kept. */
export function keep(alias: number, payload: string | Uint8Array, options: MessageOptions = {}): Buffer {
  return publish(alias, payload, { ...options, flags: Flag.RETAIN })
}

export function latency(samples: unknown[]): Buffer {
  return controlFrame(Kind.LATENCY, 0, 0, encodeBody(Kind.LATENCY, { samples }))
}

export function serve(id: number, pattern: string, concurrency = 1): Buffer {
  return controlFrame(Kind.SERVE, 0, id, encodeBody(Kind.SERVE, { pattern, concurrency }))
}

export function unserve(id: number): Buffer {
  return controlFrame(Kind.UNSERVE, 0, id)
}

export function request(
  alias: number,
  id: number,
  payload: string | Uint8Array = '',
  options: MessageOptions = {},
): Buffer {
  return messageFrame({ ...options, kind: Kind.REQUEST, topic: alias, id }, payload)
}

export function requestStream(alias: number, id: number, payload = ''): Buffer {
  return request(alias, id, payload, { flags: Flag.STREAM })
}

export function reply(link: number, payload: string | Uint8Array, options: MessageOptions = {}): Buffer {
  return messageFrame({ ...options, kind: Kind.REPLY, id: link }, payload)
}

export function replyPart(link: number, payload: string | Uint8Array): Buffer {
  return reply(link, payload, { flags: Flag.STREAM })
}

export function failure(
  link: number,
  code: string,
  message: string,
  details?: Record<string, unknown>,
): Buffer {
  return controlFrame(Kind.FAILURE, 0, link, encodeBody(Kind.FAILURE, { code, message, details }))
}

export function cancel(id: number): Buffer {
  return controlFrame(Kind.CANCEL, 0, id)
}

export function pull(id: number, bytes: number): Buffer {
  return controlFrame(Kind.PULL, 0, id, encodeBody(Kind.PULL, { bytes }))
}

export function flush(id: number): Buffer {
  return controlFrame(Kind.FLUSH, 0, id)
}
