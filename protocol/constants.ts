/**
 * The numbers of the wire. SPEC.md explains them; this file owns them, and nothing else may retype one.
 */

/** The magic of HELLO and WELCOME: the bytes `RBUS`, read as a little-endian word. [WIRE-2.1] */
export const MAGIC = 0x53554252

/** The one version of the protocol that this package speaks. */
export const PROTOCOL_VERSION = 1

/** Every frame starts with this many bytes. [WIRE-1.1] */
export const HEADER_BYTES = 16

/** Frames are padded so that each starts at a multiple of this many bytes of the stream. [WIRE-1.2] */
export const FRAME_ALIGNMENT = 4

/** Priorities run from 0 to 31: the range that POSIX guarantees for message queues. [WIRE-1.5] */
export const PRIORITY_LEVELS = 32
export const PRIORITY_MAX = PRIORITY_LEVELS - 1

/** The kind of a frame, its fifth byte. One handler per kind on the side that receives it. [WIRE-1.3] */
export const Kind = {
  HELLO: 0x01,
  WELCOME: 0x02,
  ERROR: 0x03,
  TOPIC: 0x10,
  NAME: 0x11,
  SUBSCRIBE: 0x12,
  UNSUBSCRIBE: 0x13,
  DELIVER: 0x14,
  DRAINED: 0x15,
  CREDIT: 0x16,
  SLOW: 0x17,
  SERVE: 0x18,
  UNSERVE: 0x19,
  REQUEST: 0x20,
  REPLY: 0x21,
  FAILURE: 0x22,
  CANCEL: 0x23,
  PULL: 0x24,
  FLUSH: 0x28,
  FLUSHED: 0x29,
  PAUSE: 0x2a,
  RESUME: 0x2b,
  LATENCY: 0x2c,
  POLL: 0x2d,
  MESSAGE: 0x30,
  ATTACH: 0x40,
  GRANT: 0x41,
  OPEN: 0x42,
  SEGMENT: 0x43,
  MAPPED: 0x44,
  DECLINE: 0x45,
  RELEASE: 0x46,
  ABORT: 0x47,
  SPACE: 0x48,
  RETIRE: 0x49,
  RETIRED: 0x4a,
  DETACH: 0x4b,
  DETACHED: 0x4c,
  PAIR: 0x4d,
  PAIRED: 0x4e,
} as const
export type Kind = (typeof Kind)[keyof typeof Kind]

/** The flag bits, the sixth byte of a frame. A bit that its kind does not allow is refused. [WIRE-1.4] */
export const Flag = {
  /** An absolute expiry follows the header: u64 nanoseconds of CLOCK_MONOTONIC. */
  EXPIRY: 0x01,
  /** The time of sending follows: u64 nanoseconds of CLOCK_MONOTONIC. */
  SENT_AT: 0x02,
  /** Headers follow: u32 length, then that many bytes of one msgpack map. */
  HEADERS: 0x04,
  /** To the broker: keep this message as the topic's last. From the broker: it is a kept one. */
  RETAIN: 0x08,
  /** The payload is a ring descriptor; the bytes lie in shared memory. */
  RING: 0x10,
  /** On REQUEST: a stream of replies is wanted. On REPLY: a part, more follow. */
  STREAM: 0x20,
} as const

/** How a payload is encoded, the eighth byte of a frame. [PAYLOAD-1] */
export const Encoding = {
  BYTES: 0,
  UTF8: 1,
  MSGPACK: 2,
  JSON: 3,
  ARRAY: 4,
} as const
export type Encoding = (typeof Encoding)[keyof typeof Encoding]
export const ENCODING_MAX = Encoding.ARRAY

/** A topic or pattern has at most this many bytes of UTF-8. [TOPIC-1] */
export const TOPIC_BYTES_MAX = 255

/** A topic or pattern has at most this many tokens. [TOPIC-1] */
export const TOPIC_TOKENS_MAX = 16

/**
 * A body of a control frame and the headers of a message are each at most this long: both are decoded whole, and
 * are no place for what belongs into a payload. [WIRE-1.6] [WIRE-3.4]
 */
export const CONTROL_BYTES_MAX = 65_536
export const HEADERS_BYTES_MAX = 65_536

/** Bytes of a ring descriptor, the payload of a frame with the RING flag. [RING-1] */
export const RING_DESCRIPTOR_BYTES = 32

/** Positions in a ring are counted in granules of this many bytes: one cache line. [RING-1] */
export const GRANULE_BYTES = 64

/** A position is below this bound, so that it is exact in every language's double. [RING-1] */
export const POSITION_MAX = 2 ** 53 - 1

/** Bytes of a client's token, by which another connection proves that it is the same client's. [WIRE-2.4] */
export const TOKEN_BYTES = 16

/** What becomes of messages beyond the limits of a backlog, as `overflow` of SUBSCRIBE has it. [FLOW-1] */
export const OVERFLOW_POLICIES = ['block', 'drop-oldest', 'drop-newest', 'latest', 'disconnect'] as const
export type OverflowPolicy = (typeof OVERFLOW_POLICIES)[number]

/** Samples that the broker takes of one LATENCY frame. [FLOW-4] */
export const LATENCY_SAMPLES_MAX = 64

/** The name in `features` of WELCOME of a broker that keeps messages. [RETAIN-1] */
export const FEATURE_RETAIN = 'retain'

/** Names in `features` of WELCOME: payloads by ring in messages; in requests and replies as well. [RING-2] */
export const FEATURE_RING = 'ring'
export const FEATURE_RING_REQUESTS = 'ring-requests'

/** The capability in HELLO of a client that can map segments, and the layout that it understands. [RING-2] */
export const CAPABILITY_RING = 'ring'
export const RING_LAYOUT_VERSION = 1

/** The capability in HELLO of a client that would poll, and the number of its event loop. [WIRE-2.9] */
export const CAPABILITY_POLL = 'poll'

/** The capability in HELLO of a client that can use a pair of rings, and the layout that it understands. [PAIR-1] */
export const CAPABILITY_PAIR = 'pair'
export const PAIR_LAYOUT_VERSION = 1

/** The segment number by which ATTACH, GRANT and DECLINE mean the pair; segments count from 1. [PAIR-2] */
export const PAIR_SEGMENT = 0

/** What `id` of SEGMENT says about the client's part. [RING-3] */
export const SegmentRole = { READER: 0, OWNER: 1 } as const

/** Aliases that a client may bind, unless WELCOME says otherwise: 8 KiB of pointers per busy connection. [TOPIC-6] */
export const ALIASES_DEFAULT = 1024

/** The largest inline payload, unless WELCOME says otherwise. [WIRE-1.6] */
export const PAYLOAD_BYTES_MAX_DEFAULT = 64 * 1024 * 1024

/** No broker may offer more: beyond it the length of a frame would leave 32-bit arithmetic. [WIRE-1.6] */
export const PAYLOAD_BYTES_CEILING = 1024 * 1024 * 1024

/** Credit that a requester of a stream grants with the request itself. [REQUEST-5] */
export const STREAM_WINDOW_BYTES = 256 * 1024

/**
 * Each priority may overdraw a balance by this many bytes more than the one below it: some ten small messages, and 62 KiB
 * for the highest. [CREDIT-2] [WIRE-2.8]
 */
export const RESERVE_BYTES = 2048

/** No balance of credit may pass this bound: a grant above it is a fault of the client. [CREDIT-4] */
export const CREDIT_BYTES_MAX = 1024 * 1024 * 1024

/** A handler count that one service may announce. More never helps one event loop. [REQUEST-3] */
export const CONCURRENCY_MAX = 65_536
