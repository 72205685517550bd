import {
  decodeHeaders,
  decodePayload,
  ENCODING_NAMES,
  Encoding,
  type EncodingName,
  Flag,
  frameLayout,
  HEADER_BYTES,
  type Headers,
  Offset,
  SHAPE_HEADER,
  visibleHeaders,
} from '../../protocol/index.js'

const NS_PER_MS = 1e6

/** Stands for data that nobody has looked at; a payload may well be `undefined`. */
const UNREAD = Symbol('unread')

const LAYOUT_FLAGS = Flag.EXPIRY | Flag.SENT_AT | Flag.HEADERS

/**
 * A message. Its payload is decoded at the first look; it may be kept for as long as anyone likes. Small messages
 * that came together share a block of memory, as Node's own small buffers do.
 */
export class Message<T = unknown> {
  /** The topic it was published on, without wildcards. On a reply: the topic of the request. */
  readonly topic: string
  /** 0 to 31, higher is more urgent. */
  readonly priority: number
  readonly #frame: Buffer
  readonly #start: number
  readonly #length: number
  #bytes: Buffer | undefined
  #headers: Record<string, unknown> | undefined
  #data: T | typeof UNREAD = UNREAD

  /** @internal `length` bytes from `start` of `frame`: a frame that is sound, in memory that stays as it is. */
  constructor(frame: Buffer, start: number, length: number, topic: string) {
    this.topic = topic
    this.priority = frame[start + Offset.PRIORITY]!
    this.#frame = frame
    this.#start = start
    this.#length = length
  }

  /**
   * The payload as it was sent: bytes as a Buffer, a string, a typed array, or what msgpack or JSON held.
   * Decoded at the first access. Throws DECODE_FAILED when the payload is not what it claims to be.
   */
  get data(): T {
    if (this.#data === UNREAD) this.#data = this.#decode() as T
    return this.#data
  }

  /** The payload's bytes, not decoded. */
  get bytes(): Buffer {
    if (this.#bytes === undefined) {
      const start = this.#start
      const hasOptions = (this.#frame[start + Offset.FLAGS]! & LAYOUT_FLAGS) !== 0
      const payloadStart = hasOptions ? frameLayout(this.#frame, start).payloadStart : start + HEADER_BYTES
      this.#bytes = this.#frame.subarray(payloadStart, start + this.#length)
    }
    return this.#bytes
  }

  /** How the payload is encoded. */
  get encoding(): EncodingName {
    return ENCODING_NAMES[this.#encoding]!
  }

  /** Of a typed array: how many elements it has in each dimension. Undefined for anything else. */
  get shape(): readonly number[] | undefined {
    if (this.#encoding !== Encoding.ARRAY) return undefined
    return this.#allHeaders()[SHAPE_HEADER] as readonly number[]
  }

  /** Small values that its sender put beside the payload. Throws DECODE_FAILED when they are no headers. */
  get headers(): Headers {
    return visibleHeaders(this.#allHeaders())
  }

  /** When it was sent, in milliseconds of the clock of `process.hrtime`; undefined when its sender does not say. */
  get sentAt(): number | undefined {
    const { sentAtNs } = frameLayout(this.#frame, this.#start)
    return sentAtNs === 0 ? undefined : sentAtNs / NS_PER_MS
  }

  get #encoding(): number {
    return this.#frame[this.#start + Offset.ENCODING]!
  }

  #allHeaders(): Record<string, unknown> {
    if (this.#headers === undefined) {
      const { headersStart, headersEnd } = frameLayout(this.#frame, this.#start)
      const isEmpty = headersEnd === headersStart
      this.#headers = isEmpty ? {} : decodeHeaders(this.#frame.subarray(headersStart, headersEnd))
    }
    return this.#headers
  }

  #decode(): unknown {
    const encoding = this.#encoding
    // The bytes are this message's own already.
    if (encoding === Encoding.BYTES) return this.bytes
    return decodePayload(encoding, this.bytes, encoding === Encoding.ARRAY ? this.#allHeaders() : {})
  }
}
