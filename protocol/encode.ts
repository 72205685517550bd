import { Encoding, Flag, HEADER_BYTES, Kind } from './constants.js'
import { copyBytes, fixedOptionBytes, paddedLength, writeU32, writeU64 } from './frame.js'

/** What the header of a message frame says; every field but `kind` has a zero default. */
export interface MessageHead {
  kind: number
  /** STREAM, RETAIN or RING; the flags of the options below are added by the encoder. */
  flags: number
  priority: number
  encoding: number
  topic: number
  id: number
  /** Nanoseconds of CLOCK_MONOTONIC; 0 leaves the option out. */
  expiryNs: number
  /** Nanoseconds of CLOCK_MONOTONIC; 0 leaves the option out. */
  sentAtNs: number
  /** One msgpack map, or undefined. */
  headers: Uint8Array | undefined
}

/** A string as UTF-8 takes at most three bytes for each of its code units. */
const UTF8_BYTES_PER_UNIT_MAX = 3

/** Frames are gathered in batches of this size: a frame of up to half of it still fits behind a batch half full. */
const BATCH_BYTES = 128 * 1024

/** A batch past this mark leaves at once, so that the peer works while the rest is written. */
const FLUSH_MARK_BYTES = 64 * 1024

/** Takes the bytes of whole frames. */
export interface ByteSink {
  /**
   * Sends `bytes`. True promises that nothing refers to them any longer, so that the buffer may be written
   * again; false hands them over for good.
   */
  write(bytes: Buffer): boolean
}

/** Writes the options of a frame; returns where its payload starts. [WIRE-3.1] */
function writeOptions(target: Buffer, start: number, head: MessageHead, flags: number): number {
  let offset = start + HEADER_BYTES
  if (flags & Flag.EXPIRY) {
    writeU64(target, offset, head.expiryNs)
    offset += 8
  }
  if (flags & Flag.SENT_AT) {
    writeU64(target, offset, head.sentAtNs)
    offset += 8
  }
  if (head.headers !== undefined) {
    writeU32(target, offset, head.headers.length)
    target.set(head.headers, offset + 4)
    offset += 4 + head.headers.length
  }
  return offset
}

/** Writes the four words of a header; frames start at multiples of four bytes. [WIRE-1.1] */
function writeHeader(
  words: Uint32Array,
  start: number,
  length: number,
  head: MessageHead,
  flags: number,
): void {
  const index = start >>> 2
  words[index] = length
  words[index + 1] = head.kind | (flags << 8) | (head.priority << 16) | (head.encoding << 24)
  words[index + 2] = head.topic
  words[index + 3] = head.id
}

function optionFlags(head: MessageHead): number {
  let flags = head.flags
  if (head.expiryNs !== 0) flags |= Flag.EXPIRY
  if (head.sentAtNs !== 0) flags |= Flag.SENT_AT
  if (head.headers !== undefined) flags |= Flag.HEADERS
  return flags
}

function pad(target: Buffer, from: number, to: number): void {
  for (let offset = from; offset < to; offset++) target[offset] = 0
}

/** Memory that frames are written to: by bytes, and headers by words. */
export interface FrameMemory {
  readonly bytes: Buffer
  readonly words: Uint32Array
}

/** Memory whose content is undefined; a number of bytes that is a multiple of four. */
export function frameMemory(byteLength: number): FrameMemory {
  const bytes = Buffer.allocUnsafeSlow(byteLength)
  return { bytes, words: new Uint32Array(bytes.buffer) }
}

/** Bytes that a message frame takes at most, padding included. */
export function messageBytesMax(head: MessageHead, payload: Uint8Array | string): number {
  const unitBytesMax = typeof payload === 'string' ? UTF8_BYTES_PER_UNIT_MAX : 1
  return paddedLength(HEADER_BYTES + optionBytesOf(head, optionFlags(head)) + payload.length * unitBytesMax)
}

/**
 * Writes one message frame at `start`, a multiple of four; returns its length without padding, or 0 when there may be no
 * room for it up to `limit`, another one: then nothing is written.
 */
export function writeMessage(
  { bytes, words }: FrameMemory,
  start: number,
  limit: number,
  head: MessageHead,
  payload: Uint8Array | string,
): number {
  const flags = optionFlags(head)
  const payloadStart = start + HEADER_BYTES + (flags === 0 ? 0 : optionBytesOf(head, flags))
  let payloadBytes = payload.length
  if (typeof payload === 'string') {
    if (payloadBytes * UTF8_BYTES_PER_UNIT_MAX > limit - payloadStart) return 0
    payloadBytes = bytes.write(payload, payloadStart, 'utf8')
  } else {
    if (payloadBytes > limit - payloadStart) return 0
    copyBytes(bytes, payload, payloadStart)
  }
  if (flags !== 0) writeOptions(bytes, start, head, flags)
  const length = payloadStart - start + payloadBytes
  writeHeader(words, start, length, head, flags)
  pad(bytes, start + length, start + paddedLength(length))
  return length
}

function optionBytesOf(head: MessageHead, flags: number): number {
  return fixedOptionBytes(flags) + (head.headers === undefined ? 0 : 4 + head.headers.length)
}

const NO_WORDS = new Uint32Array(0)

/** Writes frames one behind another into batches, and hands each batch to a sink. */
export class FrameWriter {
  readonly #sink: ByteSink
  #batch: Buffer | undefined
  /** The memory of the batch, by words. */
  #words: Uint32Array = NO_WORDS
  #used = 0

  constructor(sink: ByteSink) {
    this.#sink = sink
  }

  /** Bytes written that no flush has handed over yet. */
  get pendingBytes(): number {
    return this.#used
  }

  /** Writes one message frame; returns its length without padding, which is what credit counts. */
  message(head: MessageHead, payload: Uint8Array | string): number {
    // As `writeMessage` does it, but in one piece: of all that is sent, most passes here.
    const flags = optionFlags(head)
    const optionBytes = optionBytesOf(head, flags)
    const payloadBytesMax =
      typeof payload === 'string' ? payload.length * UTF8_BYTES_PER_UNIT_MAX : payload.length
    const bytesMax = paddedLength(HEADER_BYTES + optionBytes + payloadBytesMax)
    if (bytesMax > BATCH_BYTES - FLUSH_MARK_BYTES) return this.#large(head, payload)

    const batch = this.#reserve(bytesMax)
    const start = this.#used
    const payloadStart = flags === 0 ? start + HEADER_BYTES : writeOptions(batch, start, head, flags)
    let payloadBytes = payload.length
    if (typeof payload === 'string') payloadBytes = batch.write(payload, payloadStart, 'utf8')
    else copyBytes(batch, payload, payloadStart)
    const length = payloadStart - start + payloadBytes
    writeHeader(this.#words, start, length, head, flags)
    return this.#close(batch, start, length)
  }

  /** Copies the whole frames between `start` and `end`, padding included. */
  append(bytes: Buffer, start: number, end: number): void {
    const batch = this.#reserve(end - start)
    bytes.copy(batch, this.#used, start, end)
    this.#advance(this.#used + end - start)
  }

  /** Writes one control frame. */
  control(kind: number, topic: number, id: number, body?: Uint8Array): void {
    const bodyBytes = body?.length ?? 0
    const length = HEADER_BYTES + bodyBytes
    const batch = this.#reserve(paddedLength(length))
    const start = this.#used
    writeU32(batch, start, length)
    batch[start + 4] = kind
    batch[start + 5] = 0
    batch[start + 6] = 0
    batch[start + 7] = bodyBytes === 0 ? 0 : bodyEncoding(kind)
    writeU32(batch, start + 8, topic)
    writeU32(batch, start + 12, id)
    if (body !== undefined) batch.set(body, start + HEADER_BYTES)
    this.#close(batch, start, length)
  }

  /** Hands what is written to the sink. */
  flush(): void {
    if (this.#used === 0) return
    const batch = this.#batch!
    const bytes = batch.subarray(0, this.#used)
    this.#used = 0
    this.#batch = undefined
    const free = this.#sink.write(bytes)
    // The sink may have written frames of its own meanwhile, which lie in a batch that must stay.
    if (!free || this.#batch !== undefined || batch.length !== BATCH_BYTES) return
    this.#batch = batch
    if (this.#words.buffer !== batch.buffer) this.#words = new Uint32Array(batch.buffer)
  }

  /** Forgets what no flush has handed over: the connection that it was meant for is gone. */
  discard(): void {
    this.#used = 0
  }

  #reserve(bytes: number): Buffer {
    if (this.#batch !== undefined && this.#used + bytes > this.#batch.length) this.flush()
    // A control frame with the longest body needs more than a batch that is kept from before.
    if (this.#batch === undefined || this.#batch.length < bytes) {
      this.#batch = Buffer.allocUnsafeSlow(Math.max(BATCH_BYTES, bytes))
      this.#words = new Uint32Array(this.#batch.buffer)
    }
    return this.#batch
  }

  #close(batch: Buffer, start: number, length: number): number {
    const end = start + paddedLength(length)
    pad(batch, start + length, end)
    this.#advance(end)
    return length
  }

  #advance(end: number): void {
    this.#used = end
    if (end >= FLUSH_MARK_BYTES) this.flush()
  }

  /** A large frame gets a buffer of its own, so that its payload is copied once. */
  #large(head: MessageHead, payload: Uint8Array | string): number {
    this.flush()
    const bytes = typeof payload === 'string' ? Buffer.from(payload, 'utf8') : payload
    const memory = frameMemory(messageBytesMax(head, bytes))
    const length = writeMessage(memory, 0, memory.bytes.length, head, bytes)
    this.#sink.write(memory.bytes)
    return length
  }
}

/** Names travel as text, every other body as one msgpack map. [WIRE-2.5] */
function bodyEncoding(kind: number): number {
  return kind === Kind.TOPIC || kind === Kind.NAME ? Encoding.UTF8 : Encoding.MSGPACK
}

/** One control frame in a buffer of its own. */
export function controlFrame(kind: number, topic: number, id: number, body?: Uint8Array): Buffer {
  const length = HEADER_BYTES + (body?.length ?? 0)
  const frame = Buffer.alloc(paddedLength(length))
  writeU32(frame, 0, length)
  frame[4] = kind
  frame[7] = body === undefined || body.length === 0 ? 0 : bodyEncoding(kind)
  writeU32(frame, 8, topic)
  writeU32(frame, 12, id)
  if (body !== undefined) frame.set(body, HEADER_BYTES)
  return frame
}

/** One message frame in a buffer of its own. */
export function messageFrame(
  head: Partial<MessageHead> & { kind: number },
  payload: Uint8Array | string,
): Buffer {
  const frames: Buffer[] = []
  const writer = new FrameWriter({
    write(bytes) {
      frames.push(bytes)
      return false
    },
  })
  writer.message({ ...EMPTY_HEAD, ...head }, payload)
  writer.flush()
  return Buffer.from(frames[0]!)
}

export const EMPTY_HEAD: Readonly<MessageHead> = {
  kind: Kind.MESSAGE,
  flags: 0,
  priority: 0,
  encoding: Encoding.BYTES,
  topic: 0,
  id: 0,
  expiryNs: 0,
  sentAtNs: 0,
  headers: undefined,
}
