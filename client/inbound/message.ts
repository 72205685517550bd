import {
  decodeHeaders,
  decodePayload,
  ENCODING_NAMES,
  Encoding,
  type EncodingName,
  frameLayout,
  type Headers,
  Offset,
  visibleHeaders,
} from '../../protocol/index.js'
import { ownMemory } from './own-memory.js'
import { isReadMemory } from './read-memory.js'

const NS_PER_MS = 1e6

/** What lies in a frame, taken out of it at the first look. */
interface Content {
  readonly payload: Buffer
  readonly headerBytes: Buffer | undefined
  readonly sentAtNs: number
  headers: Record<string, unknown> | undefined
  data: unknown
  decoded: boolean
}

/**
 * A message. During its handler's call it refers to the memory that was read from the socket, so that nothing is
 * copied which nobody looks at; the first look, or the end of the call, gives it a copy of its own. It may be kept
 * for as long as anyone likes.
 */
export class Message<T = unknown> {
  /** The topic it was published on, without wildcards. On a reply: the topic of the request. */
  readonly topic: string
  /** 0 to 31, higher is more urgent. */
  readonly priority: number
  #frame: Buffer | undefined
  readonly #start: number
  readonly #length: number
  readonly #encoding: number
  #content: Content | undefined

  /** @internal `length` bytes from `start` of `frame`, a frame that the decoder has found sound. */
  constructor(frame: Buffer, start: number, length: number, topic: string) {
    this.topic = topic
    this.priority = frame[start + Offset.PRIORITY]!
    this.#frame = frame
    this.#start = start
    this.#length = length
    this.#encoding = frame[start + Offset.ENCODING]!
  }

  /**
   * The payload as it was sent: bytes as a Buffer, a string, a typed array, or what msgpack or JSON held.
   * Decoded at the first access. Throws DECODE_FAILED when the payload is not what it claims to be.
   */
  get data(): T {
    const content = this.#take()
    if (!content.decoded) {
      content.data = this.#decode(content)
      content.decoded = true
    }
    return content.data as T
  }

  /** The payload's bytes, not decoded. */
  get bytes(): Buffer {
    return this.#take().payload
  }

  /** How the payload is encoded. */
  get encoding(): EncodingName {
    return ENCODING_NAMES[this.#encoding]!
  }

  /** Small values that its sender put beside the payload. Throws DECODE_FAILED when they are no headers. */
  get headers(): Headers {
    return visibleHeaders(headersOf(this.#take()))
  }

  /** When it was sent, in milliseconds of the clock of `process.hrtime`; undefined when its sender does not say. */
  get sentAt(): number | undefined {
    const { sentAtNs } = this.#take()
    return sentAtNs === 0 ? undefined : sentAtNs / NS_PER_MS
  }

  /** @internal Gives it a copy of its own, if it has none: the memory that was read is used again. */
  settle(): this {
    if (this.#frame !== undefined && isReadMemory(this.#frame)) this.#take()
    return this
  }

  #take(): Content {
    if (this.#content !== undefined) return this.#content
    const frame = this.#frame!
    const layout = frameLayout(frame, this.#start)
    const hasHeaders = layout.headersEnd > layout.headersStart
    this.#content = {
      payload: ownMemory(frame, layout.payloadStart, this.#start + this.#length),
      headerBytes: hasHeaders ? ownMemory(frame, layout.headersStart, layout.headersEnd) : undefined,
      sentAtNs: layout.sentAtNs,
      headers: undefined,
      data: undefined,
      decoded: false,
    }
    this.#frame = undefined
    return this.#content
  }

  #decode(content: Content): unknown {
    // The bytes are a copy already.
    if (this.#encoding === Encoding.BYTES) return content.payload
    return decodePayload(
      this.#encoding,
      content.payload,
      this.#encoding === Encoding.ARRAY ? headersOf(content) : {},
    )
  }
}

function headersOf(content: Content): Record<string, unknown> {
  content.headers ??= content.headerBytes === undefined ? {} : decodeHeaders(content.headerBytes)
  return content.headers
}
