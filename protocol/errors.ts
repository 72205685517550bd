/**
 * The one table of error codes. docs/ERRORS.md has a heading for each, with the remedy.
 * Codes are stable: a program may branch on them; messages are for people and may change.
 */
export const ERROR_CODES = {
  // Reaching the broker
  NO_BROKER: 'no broker listens at the path',
  BROKER_RUNNING: 'another broker holds the path',
  PATH_TOO_LONG: 'the socket path exceeds what the system can bind',
  SOCKET_UNSAFE: 'the socket or its directory belongs to somebody else or is open to others',
  AUTOSTART_FAILED: 'the broker that was started did not come up',
  HANDSHAKE_TIMEOUT: 'no complete HELLO arrived in time',
  VERSION_UNSUPPORTED: 'the two sides speak different versions of the protocol',
  NOT_RINGBUS: 'the peer does not speak this protocol',
  // What a peer sent
  BAD_FRAME: 'a frame breaks the rules of the wire',
  UNKNOWN_KIND: 'a frame is of no known kind',
  UNEXPECTED_FRAME: 'a frame came where its kind may not come',
  MESSAGE_TOO_LARGE: 'a message is larger than the broker accepts',
  ALIAS_UNBOUND: 'a frame names an alias that was never bound',
  ALIAS_OUT_OF_RANGE: 'an alias is beyond the number that the broker offers',
  BAD_TOPIC: 'a topic breaks the grammar',
  BAD_PATTERN: 'a pattern breaks the grammar',
  TOPIC_RESERVED: 'topics that start with $ belong to the broker',
  PERMISSION_DENIED: 'the client may not do this with this topic',
  ID_IN_USE: 'an id is already bound to a living subscription or service',
  ID_UNKNOWN: 'an id names nothing that this client has',
  CREDIT_EXCEEDED: 'more credit was granted or used than there is',
  FEATURE_UNSUPPORTED: 'the broker does not offer what the frame asks for',
  // Limits
  SUBSCRIPTION_LIMIT: 'a client has as many subscriptions as it may have',
  SERVICE_LIMIT: 'a client has as many services as it may have',
  REQUEST_LIMIT: 'a client has as many requests in flight as it may have',
  CLIENT_LIMIT: 'the broker has as many clients as it may have',
  PARTIAL_LIMIT: 'unfinished frames use up the memory set aside for them',
  CONTROL_OVERFLOW: 'a client does not read the answers to what it sends',
  OUTBOX_OVERFLOW: 'a client does not read its replies',
  SLOW_CONSUMER: 'a subscription that asked for it lost its connection, since its backlog was full',
  RETAIN_LIMIT: 'a message cannot be kept within the limits of the broker',
  BROKER_STOPPING: 'the broker takes no more requests, since it is about to end',
  // Payloads by ring
  RING_LIMIT: 'no further ring is to be had within the limits of the client, its user or the broker',
  BAD_DESCRIPTOR: 'a frame speaks of a span of a ring that its sender cannot have claimed',
  SEGMENT_UNKNOWN: 'a frame names a segment that its sender has no such part in',
  LEASE_UNKNOWN: 'a client releases what it does not hold',
  ATTACH_REFUSED: 'a connection asks for a segment that its client was not offered',
  // Requests
  NO_RESPONDERS: 'nobody serves the topic',
  RESPONDER_LOST: 'the responder died with the request in its hands',
  OVERLOADED: 'more requests wait for the service than may wait',
  TIMEOUT: 'no answer came in time',
  CANCELLED: 'the request was cancelled',
  HANDLER_ERROR: 'the handler of the service failed',
  // The client library
  INVALID_ARGUMENT: 'an argument or option is not what it must be',
  DISCONNECTED: 'the connection to the broker was lost',
  CLOSED: 'the client or subscription is closed',
  BACKPRESSURE: 'more waits to be sent than may wait',
  ENCODE_FAILED: 'a value cannot be encoded',
  DECODE_FAILED: 'a payload cannot be decoded',
  VIEW_FORGOTTEN: 'a view of a message was never released',
  // The broker's configuration
  CONFIG_INVALID: 'an option or a key of the configuration is wrong',
} as const

export type ErrorCode = keyof typeof ERROR_CODES

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code)
}

/** The one error class of ringbus: branch on `code`, never on `message`. */
export class RingbusError extends Error {
  readonly code: ErrorCode
  /** What the error is about, when that is more than its message: a topic, a limit, a path. */
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'RingbusError'
    this.code = code
    this.details = options.details ?? {}
  }
}
