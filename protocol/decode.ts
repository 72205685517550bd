import { CONTROL_BYTES_MAX, Flag, HEADER_BYTES, PAYLOAD_BYTES_CEILING } from './constants.js'
import { type ErrorCode, RingbusError } from './errors.js'
import {
  frameBytesMax,
  frameLayout,
  headerFault,
  isPlainMessage,
  KIND_RULES,
  kindName,
  Offset,
  optionsFault,
  paddedLength,
  readU32,
} from './frame.js'
import { FrameRun } from './frame-run.js'

const NOTHING = Buffer.alloc(0)

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
   * One whole, well-formed frame: `length` bytes from `start`, not counting its padding. The sink may write
   * into the bytes; how long they last is what the pusher of chunks says. A fault that it returns ends the
   * stream.
   */
  frame(bytes: Buffer, start: number, length: number): FrameFault | undefined
  /** Messages without flags that lie in one chunk. A sink that has no use for runs gets each as a frame. */
  run?(run: FrameRun): FrameFault | undefined
  /** Whether runs may be of several topics. Default: each is of one. */
  readonly mixesTopics?: boolean
}

export interface FrameDecoderOptions {
  readonly from: 'client' | 'broker'
  /** The largest payload accepted, in bytes; at most PAYLOAD_BYTES_CEILING. */
  readonly payloadBytesMax: number
}

/**
 * Cuts a byte stream into frames. A frame that lies within one chunk is handed over where it is; one that
 * spans chunks is gathered into a buffer of its own:
 *
 *   between ──(a chunk ends within a header)──> header ──(16 bytes are there)──> body ──(complete)──> between
 *
 * A header is checked as soon as it is complete, so that no fault waits for bytes that never come. [WIRE-1.7]
 *
 * A pusher that can read on behind a chunk may have frames left to it that end beyond: `leftBytesMax`.
 */
export class FrameDecoder {
  #sink: FrameSink
  readonly #fromClient: boolean
  readonly #payloadBytesMax: number
  /** No frame of this length is too long, whatever its kind and options. */
  readonly #surelyFits: number
  #state: 'between' | 'header' | 'body' | 'failed' = 'between'
  /** Made with the first message that a sink takes in runs, for that sink. */
  #run: FrameRun | undefined
  /** Of a header that spans chunks; made with the first, for many clients never have one. */
  #header = NOTHING
  /** The frame being gathered, `#length` bytes and padding; `#filled` of them are there. */
  #body = NOTHING
  #length = 0
  #filled = 0
  #skipsRest = false
  /** A frame of this many bytes or fewer that a chunk ends within is left to the pusher, instead of being gathered. */
  leftBytesMax = 0
  /** Bytes at the end of the last chunk that were left: the next one must begin with them. */
  leftBytes = 0

  constructor(sink: FrameSink, { from, payloadBytesMax }: FrameDecoderOptions) {
    if (
      !Number.isInteger(payloadBytesMax) ||
      payloadBytesMax < 0 ||
      payloadBytesMax > PAYLOAD_BYTES_CEILING
    ) {
      throw new RingbusError(
        'INVALID_ARGUMENT',
        `Expected \`payloadBytesMax\` to be an integer from 0 to ${PAYLOAD_BYTES_CEILING}, got ${payloadBytesMax}`,
      )
    }
    this.#sink = sink
    this.#fromClient = from === 'client'
    this.#payloadBytesMax = payloadBytesMax
    this.#surelyFits = HEADER_BYTES + Math.min(payloadBytesMax, CONTROL_BYTES_MAX)
  }

  /** Called by a sink: what stands behind this frame in its chunk is not part of the stream. */
  skipRest(): void {
    this.#skipsRest = true
  }

  /** Who takes the frames from now on. */
  set sink(sink: FrameSink) {
    this.#sink = sink
    this.#run = undefined
  }

  /** Bytes held of a frame that is not complete. The rest of its memory is reserved, but not touched yet. */
  get partialBytes(): number {
    return this.#filled
  }

  /** Hands every frame that `chunk` completes to the sink, up to the first fault, after which nothing is read. */
  push(chunk: Buffer): FrameFault | undefined {
    let offset = 0
    this.leftBytes = 0
    while (offset < chunk.length) {
      if (this.#state === 'failed') return undefined
      let result: number | FrameFault
      if (this.#state === 'between') result = this.#between(chunk, offset)
      else if (this.#state === 'header') result = this.#fillHeader(chunk, offset)
      else result = this.#fillBody(chunk, offset)
      if (typeof result !== 'number') {
        this.#state = 'failed'
        this.#filled = 0
        return result
      }
      offset = result
      if (this.#skipsRest) {
        this.#skipsRest = false
        return undefined
      }
    }
    return undefined
  }

  #between(chunk: Buffer, from: number): number | FrameFault {
    let offset = from
    const end = chunk.length
    while (end - offset >= HEADER_BYTES) {
      const length = readU32(chunk, offset)
      const isPlain = length <= this.#surelyFits && isPlainMessage(chunk, offset, length)
      const fault = isPlain ? undefined : this.#checkHeader(chunk, offset, length)
      if (fault !== undefined) return fault
      const next = offset + paddedLength(length)
      if (next > end) {
        if (next - offset > this.leftBytesMax) return this.#startBody(chunk, offset, length)
        this.leftBytes = end - offset
        return end
      }
      let refused: FrameFault | undefined
      if (isPlain && this.#sink.run !== undefined) {
        this.#run ??= new FrameRun(this.#sink.mixesTopics)
        const run = this.#run.set(chunk, offset, length, end, this.#surelyFits)
        refused = this.#sink.run(run)
        offset = run.end
      } else {
        refused = this.#deliver(chunk, offset, length)
        offset = next
      }
      if (refused !== undefined) return refused
      if (this.#skipsRest) return end
    }
    if (offset < end && this.leftBytesMax > 0) {
      this.leftBytes = end - offset
    } else if (offset < end) {
      this.#state = 'header'
      if (this.#header === NOTHING) this.#header = Buffer.allocUnsafeSlow(HEADER_BYTES)
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
    const refused = this.#startBody(this.#header, 0, length)
    if (typeof refused !== 'number') return refused
    // A frame that is all header is complete already, and the next chunk may never come.
    return this.#fillBody(chunk, offset + copied)
  }

  #startBody(chunk: Buffer, offset: number, length: number): number | FrameFault {
    try {
      // Not from the pool: a small slice would keep its whole block alive for as long as the frame lives.
      this.#body = Buffer.allocUnsafeSlow(paddedLength(length))
    } catch {
      // The length is only what the peer claims: that there is no such memory must not end this process.
      return this.#fault(
        'MESSAGE_TOO_LARGE',
        `there is no memory for a frame of ${length} bytes`,
        chunk,
        offset,
      )
    }
    this.#state = 'body'
    this.#length = length
    this.#filled = chunk.copy(this.#body, 0, offset)
    return chunk.length
  }

  #fillBody(chunk: Buffer, offset: number): number | FrameFault {
    const copied = chunk.copy(this.#body, this.#filled, offset)
    this.#filled += copied
    if (this.#filled === this.#body.length) {
      const body = this.#body
      this.#state = 'between'
      this.#body = NOTHING
      this.#filled = 0
      const fault = this.#deliver(body, 0, this.#length)
      if (fault !== undefined) return fault
    }
    return offset + copied
  }

  #deliver(bytes: Buffer, start: number, length: number): FrameFault | undefined {
    if (bytes[start + Offset.FLAGS] !== 0) {
      const fault = this.#checkOptions(bytes, start, length)
      if (fault !== undefined) return fault
    }
    return this.#sink.frame(bytes, start, length)
  }

  #checkOptions(bytes: Buffer, start: number, length: number): FrameFault | undefined {
    const fault = optionsFault(bytes, start, length)
    if (fault !== undefined) return this.#fault('BAD_FRAME', fault, bytes, start)
    // Without headers the header alone has told how long the payload is.
    if (!(bytes[start + Offset.FLAGS]! & Flag.HEADERS)) return undefined
    const payloadBytes = start + length - frameLayout(bytes, start).payloadStart
    if (payloadBytes <= this.#payloadBytesMax) return undefined
    const message = `a payload of ${payloadBytes} bytes, the limit is ${this.#payloadBytesMax}`
    return this.#fault('MESSAGE_TOO_LARGE', message, bytes, start)
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
    const fault = headerFault(bytes, start, rule)
    if (fault !== undefined) return this.#fault('BAD_FRAME', fault, bytes, start)
    if (length <= this.#surelyFits) return undefined
    const bytesMax = frameBytesMax(rule, bytes[start + Offset.FLAGS]!, this.#payloadBytesMax)
    if (length <= bytesMax) return undefined
    const code = rule.message ? 'MESSAGE_TOO_LARGE' : 'BAD_FRAME'
    const message = `${rule.name} of ${length} bytes, the limit is ${bytesMax}`
    return this.#fault(code, message, bytes, start)
  }

  #fault(code: ErrorCode, message: string, bytes: Buffer, start: number): FrameFault {
    return { code, message, kind: bytes[start + Offset.KIND]!, id: readU32(bytes, start + Offset.ID) }
  }
}
