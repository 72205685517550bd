import {
  arrayOver,
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
import { dispose } from '../dispose.js'
import type { RingPayload } from '../rings/ring-payload.js'
import type { Memory } from './memory.js'

const NS_PER_MS = 1e6

/** Stands for data that nobody has looked at; a payload may well be `undefined`. */
const UNREAD = Symbol('unread')

const LAYOUT_FLAGS = Flag.EXPIRY | Flag.SENT_AT | Flag.HEADERS

/**
 * A message. Its payload is decoded at the first look; it may be kept for as long as anyone likes. Small messages
 * that came together share a block of memory, as Node's own small buffers do.
 *
 * Where views were asked for, the bytes and typed arrays of large messages lie in memory that they share with their
 * publisher: they are there to be read only, and gone after `release`.
 */
export class Message<T = unknown> implements Disposable {
  /** The topic it was published on, without wildcards. On a reply: the topic of the request. */
  readonly topic: string
  /** 0 to 31, higher is more urgent. */
  readonly priority: number
  readonly #memory: Memory
  readonly #start: number
  readonly #length: number
  /** Undefined when the payload lies within the frame. */
  readonly #payload: RingPayload | undefined
  #bytes: Buffer | undefined
  #headers: Record<string, unknown> | undefined
  #data: T | typeof UNREAD = UNREAD

  /** @internal A sound frame: `length` bytes from `start`. */
  constructor(memory: Memory, start: number, length: number, topic: string, payload?: RingPayload) {
    this.topic = topic
    this.priority = memory.bytes[start + Offset.PRIORITY]!
    this.#memory = memory
    this.#start = start
    this.#length = length
    this.#payload = payload
  }

  /**
   * The payload as it was sent: bytes as a Buffer, a string, a typed array, or what msgpack or JSON held.
   * Decoded at the first access. Throws DECODE_FAILED when the payload is not what it claims to be, and
   * INVALID_ARGUMENT when the message was a view and is released. Of a view, bytes and typed arrays are read-only:
   * writing to them ends the process.
   */
  get data(): T {
    if (this.#data === UNREAD) this.#data = this.#decode() as T
    return this.#data
  }

  /** The payload's bytes, not decoded. Of a view: read-only, until it is released. */
  get bytes(): Buffer {
    this.#bytes ??= this.#payload === undefined ? this.#bytesWithin() : this.#payload.bytes
    return this.#bytes
  }

  /**
   * Ends a view: what `data` and `bytes` gave before becomes empty, and reading them again throws. Native work on
   * them, such as a write to a file, must be done by then. Of no effect on messages that are no views.
   */
  release(): void {
    if (this.#payload?.release() !== true) return
    this.#bytes = undefined
    this.#data = UNREAD
  }

  /** Releases it, if it is a view. */
  [dispose](): void {
    this.release()
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
    const { sentAtNs } = frameLayout(this.#memory.bytes, this.#start)
    return sentAtNs === 0 ? undefined : sentAtNs / NS_PER_MS
  }

  /** Whether it was kept by the broker, and is older than the subscription. */
  get retained(): boolean {
    return (this.#memory.bytes[this.#start + Offset.FLAGS]! & Flag.RETAIN) !== 0
  }

  get #encoding(): number {
    return this.#memory.bytes[this.#start + Offset.ENCODING]!
  }

  #allHeaders(): Record<string, unknown> {
    if (this.#headers === undefined) {
      const { headersStart, headersEnd } = frameLayout(this.#memory.bytes, this.#start)
      const isEmpty = headersEnd === headersStart
      this.#headers = isEmpty ? {} : decodeHeaders(this.#memory.slice(headersStart, headersEnd))
    }
    return this.#headers
  }

  #bytesWithin(): Buffer {
    const start = this.#start
    const hasOptions = (this.#memory.bytes[start + Offset.FLAGS]! & LAYOUT_FLAGS) !== 0
    const payloadStart = hasOptions
      ? frameLayout(this.#memory.bytes, start).payloadStart
      : start + HEADER_BYTES
    return this.#memory.slice(payloadStart, start + this.#length)
  }

  #decode(): unknown {
    const encoding = this.#encoding
    // The bytes are this message's own already.
    if (encoding === Encoding.BYTES) return this.bytes
    if (encoding === Encoding.ARRAY && this.#payload !== undefined) {
      return arrayOver(this.bytes, this.#allHeaders())
    }
    return decodePayload(encoding, this.bytes, encoding === Encoding.ARRAY ? this.#allHeaders() : {})
  }
}
