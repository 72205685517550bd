import { CONTROL_BYTES_MAX, HEADER_BYTES, HEADERS_BYTES_MAX } from './constants.js'
import type { ErrorCode } from './errors.js'
import { headerFault, KIND_RULES, kindName, Offset, optionsFault, paddedLength, readU32 } from './frame.js'

/** Why a stream cannot be read on. The kind and id name the frame at fault, as an ERROR frame repeats them. */
export interface FrameFault {
  readonly code: ErrorCode
  readonly message: string
  readonly kind: number
  readonly id: number
}

/** Takes the frames of one stream, in order. */
export interface FrameSink {
  /**
   * One whole, well-formed frame: `length` bytes from `start`, not counting its padding. The bytes belong
   * to the sink, which may write into them and keep them. A fault that it returns ends the stream.
   */
  frame(bytes: Buffer, start: number, length: number): FrameFault | undefined
}

export interface FrameDecoderOptions {
  readonly from: 'client' | 'broker'
  /** The largest payload accepted, in bytes. */
  readonly payloadBytesMax: number
}

/**
 * Cuts a byte stream into frames. A frame that lies within one chunk is handed over where it is; one that
 * spans chunks is gathered into a buffer of its own:
 *
 *   between ──(a chunk ends within a header)──> header ──(16 bytes are there)──> body ──(complete)──> between
 *
 * A header is checked as soon as it is complete, so that no fault waits for bytes that never come.
 */
export class FrameDecoder {
  readonly #sink: FrameSink
  readonly #fromClient: boolean
  readonly #options: FrameDecoderOptions
  #state: 'between' | 'header' | 'body' | 'failed' = 'between'
  readonly #header = Buffer.alloc(HEADER_BYTES)
  /** The frame being gathered, `#length` bytes and padding; `#filled` of them are there. */
  #body: Buffer = this.#header
  #length = 0
  #filled = 0

  constructor(sink: FrameSink, options: FrameDecoderOptions) {
    this.#sink = sink
    this.#fromClient = options.from === 'client'
    this.#options = options
  }

  /** Bytes held of a frame that is not complete. */
  get partialBytes(): number {
    return this.#filled
  }

  /** Hands every frame that `chunk` completes to the sink, up to the first fault, after which nothing is read. */
  push(chunk: Buffer): FrameFault | undefined {
    let offset = 0
    while (offset < chunk.length) {
      if (this.#state === 'failed') return undefined
      let result: number | FrameFault
      if (this.#state === 'between') result = this.#between(chunk, offset)
      else if (this.#state === 'header') result = this.#fillHeader(chunk, offset)
      else result = this.#fillBody(chunk, offset)
      if (typeof result !== 'number') {
        this.#state = 'failed'
        return result
      }
      offset = result
    }
    return undefined
  }

  #between(chunk: Buffer, from: number): number | FrameFault {
    let offset = from
    const end = chunk.length
    while (end - offset >= HEADER_BYTES) {
      const length = readU32(chunk, offset)
      const fault = this.#checkHeader(chunk, offset, length)
      if (fault !== undefined) return fault
      const next = offset + paddedLength(length)
      if (next > end) return this.#startBody(chunk, offset, length)
      const refused = this.#deliver(chunk, offset, length)
      if (refused !== undefined) return refused
      offset = next
    }
    if (offset < end) {
      this.#state = 'header'
      this.#body = this.#header
      this.#filled = chunk.copy(this.#header, 0, offset)
    }
    return end
  }

  #fillHeader(chunk: Buffer, offset: number): number | FrameFault {
    const copied = chunk.copy(this.#header, this.#filled, offset)
    this.#filled += copied
    if (this.#filled < HEADER_BYTES) return offset + copied
    const length = readU32(this.#header, Offset.LENGTH)
    const fault = this.#checkHeader(this.#header, 0, length)
    if (fault !== undefined) return fault
    this.#startBody(this.#header, 0, length)
    // A frame that is all header is complete already, and the next chunk may never come.
    return this.#fillBody(chunk, offset + copied)
  }

  #startBody(chunk: Buffer, offset: number, length: number): number {
    this.#state = 'body'
    this.#length = length
    // Not from the pool: a small slice would keep its whole block alive for as long as the frame lives.
    this.#body = Buffer.allocUnsafeSlow(paddedLength(length))
    this.#filled = chunk.copy(this.#body, 0, offset)
    return chunk.length
  }

  #fillBody(chunk: Buffer, offset: number): number | FrameFault {
    const copied = chunk.copy(this.#body, this.#filled, offset)
    this.#filled += copied
    if (this.#filled === this.#body.length) {
      const body = this.#body
      this.#state = 'between'
      this.#body = this.#header
      this.#filled = 0
      const fault = this.#deliver(body, 0, this.#length)
      if (fault !== undefined) return fault
    }
    return offset + copied
  }

  #deliver(bytes: Buffer, start: number, length: number): FrameFault | undefined {
    if (bytes[start + Offset.FLAGS] !== 0) {
      const fault = optionsFault(bytes, start, length, HEADERS_BYTES_MAX)
      if (fault !== undefined) return this.#fault('BAD_FRAME', fault, bytes, start)
    }
    return this.#sink.frame(bytes, start, length)
  }

  #checkHeader(bytes: Buffer, start: number, length: number): FrameFault | undefined {
    const kind = bytes[start + Offset.KIND]!
    const rule = KIND_RULES[kind]
    if (rule === undefined)
      return this.#fault('UNKNOWN_KIND', `no frame is of ${kindName(kind)}`, bytes, start)
    if (!(this.#fromClient ? rule.toBroker : rule.toClient)) {
      return this.#fault('UNEXPECTED_FRAME', `${rule.name} does not travel in this direction`, bytes, start)
    }
    if (length < HEADER_BYTES) {
      return this.#fault('BAD_FRAME', `its length is ${length}, less than a header`, bytes, start)
    }
    const bytesMax = rule.message ? this.#options.payloadBytesMax + HEADERS_BYTES_MAX : CONTROL_BYTES_MAX
    if (length > HEADER_BYTES + bytesMax) {
      const code = rule.message ? 'MESSAGE_TOO_LARGE' : 'BAD_FRAME'
      return this.#fault(
        code,
        `${rule.name} of ${length} bytes, the limit is ${HEADER_BYTES + bytesMax}`,
        bytes,
        start,
      )
    }
    const fault = headerFault(bytes, start, rule)
    return fault === undefined ? undefined : this.#fault('BAD_FRAME', fault, bytes, start)
  }

  #fault(code: ErrorCode, message: string, bytes: Buffer, start: number): FrameFault {
    return { code, message, kind: bytes[start + Offset.KIND]!, id: readU32(bytes, start + Offset.ID) }
  }
}
