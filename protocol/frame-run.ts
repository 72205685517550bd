import { HEADER_BYTES } from './constants.js'
import { Offset, paddedLength, readU32, writeU32 } from './frame.js'
import { isByRing, ringPayloadBytes } from './ring.js'

/** As many bytes as no frame has. */
const ANY_BYTES = 2 ** 31 - 1

const NOTHING = Buffer.alloc(0)
const NO_VIEW = new DataView(NOTHING.buffer)

/**
 * Frames that lie one behind another and are alike in kind, priority, encoding and, unless it mixes topics, in topic, none
 * with flags: what these decide is decided once for all of them, and what is counted is added up once. A frame with flags is
 * alone in its run.
 *
 *   bytes   … | frame | frame | … | frame | …
 *             ^ start                     ^ end
 *
 * Whoever reads frames has one run, and fills it anew for the next ones: it is good for the time of a call.
 */
export class FrameRun {
  bytes: Buffer = NOTHING
  start = 0
  /** Where the last frame ends, padding included. */
  end = 0
  messages = 0
  /** Bytes of the frames without their padding: what credit counts. */
  lengthBytes = 0
  /** Whether they are of several topics. */
  isMixed = false
  readonly #mixesTopics: boolean
  #viewed: Buffer = NOTHING
  #view: DataView = NO_VIEW

  constructor(mixesTopics = false) {
    this.#mixesTopics = mixesTopics
  }

  /** A run of one frame. */
  static of(bytes: Buffer, start: number, length: number): FrameRun {
    return new FrameRun().setOne(bytes, start, length)
  }

  setOne(bytes: Buffer, start: number, length: number): this {
    // Most often it is the same chunk: an old object that refers to a new one is the collector's business each time.
    if (this.bytes !== bytes) this.bytes = bytes
    this.start = start
    this.end = start + paddedLength(length)
    this.messages = 1
    this.lengthBytes = length
    this.isMixed = false
    return this
  }

  /**
   * Takes the frame of this length at `start`, with those behind it that are like it, no longer than `lengthMax`, and
   * whole before `limit`. When their lengths have come to `lengthBytesMax`, no further one is taken.
   */
  set(
    bytes: Buffer,
    start: number,
    length: number,
    limit: number,
    lengthMax = ANY_BYTES,
    lengthBytesMax = ANY_BYTES,
  ): this {
    this.setOne(bytes, start, length)
    const { end } = this
    if (limit - end < HEADER_BYTES || length >= lengthBytesMax || bytes[start + Offset.FLAGS] !== 0)
      return this
    if (areAlike(bytes, start, end, this.#mixesTopics)) this.#extend(limit, lengthMax, lengthBytesMax)
    return this
  }

  get level(): number {
    return this.bytes[this.start + Offset.PRIORITY]!
  }

  get flags(): number {
    return this.bytes[this.start + Offset.FLAGS]!
  }

  /** What stands in the frames, or the first of them, for their topic. */
  get topicId(): number {
    return readU32(this.bytes, this.start + Offset.TOPIC)
  }

  /** Bytes in the stream, padding included. */
  get byteLength(): number {
    return this.end - this.start
  }

  get isByRing(): boolean {
    return isByRing(this.bytes, this.start)
  }

  /** Bytes of a payload that lies in a ring; 0 when none does. */
  get ringBytes(): number {
    return ringPayloadBytes(this.bytes, this.start)
  }

  /** The last of its frames. */
  get last(): FrameRun {
    const { bytes } = this
    let { start } = this
    for (let next = start; next < this.end; next = start + paddedLength(readU32(bytes, start))) start = next
    return FrameRun.of(bytes, start, readU32(bytes, start + Offset.LENGTH))
  }

  /** Writes into each frame what is to stand there for its topic. */
  stampTopic(id: number): void {
    const { bytes, end } = this
    let { start } = this
    do {
      writeU32(bytes, start + Offset.TOPIC, id)
      start += paddedLength(readU32(bytes, start + Offset.LENGTH))
    } while (start < end)
  }

  /** The first frames, up to that with which their lengths come to `lengthBytes`. */
  upTo(lengthBytes: number): FrameRun {
    const { bytes, start, end } = this
    return new FrameRun().set(bytes, start, readU32(bytes, start), end, ANY_BYTES, lengthBytes)
  }

  /** What is left behind the first of its frames; undefined: they are all. */
  after(first: FrameRun): FrameRun | undefined {
    if (first.end === this.end) return undefined
    const rest = new FrameRun()
    rest.bytes = this.bytes
    rest.start = first.end
    rest.end = this.end
    rest.messages = this.messages - first.messages
    rest.lengthBytes = this.lengthBytes - first.lengthBytes
    return rest
  }

  /** Its frames, each by itself. */
  *[Symbol.iterator](): Iterator<FrameRun> {
    for (let start = this.start; start < this.end; ) {
      const frame = FrameRun.of(this.bytes, start, readU32(this.bytes, start + Offset.LENGTH))
      yield frame
      start = frame.end
    }
  }

  #extend(limit: number, lengthMax: number, lengthBytesMax: number): void {
    const view = this.#viewOf(this.bytes)
    const manner = view.getUint32(this.start + Offset.KIND, true)
    const topic = view.getUint32(this.start + Offset.TOPIC, true)
    let { end, messages, lengthBytes } = this
    let isMixed = false
    while (
      limit - end >= HEADER_BYTES &&
      lengthBytes < lengthBytesMax &&
      view.getUint32(end + Offset.KIND, true) === manner
    ) {
      const isOther = view.getUint32(end + Offset.TOPIC, true) !== topic
      if (isOther && !this.#mixesTopics) break
      const length = view.getUint32(end + Offset.LENGTH, true)
      const next = end + paddedLength(length)
      if (length < HEADER_BYTES || length > lengthMax || next > limit) break
      end = next
      messages += 1
      lengthBytes += length
      isMixed ||= isOther
    }
    this.isMixed = isMixed
    this.end = end
    this.messages = messages
    this.lengthBytes = lengthBytes
  }

  /** A word is read by it in one go. Most runs are of one frame, and need none. */
  #viewOf(bytes: Buffer): DataView {
    if (this.#viewed !== bytes) {
      this.#viewed = bytes
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    }
    return this.#view
  }
}

/**
 * Whether two frames have the same kind, flags, priority and encoding, and the same topic unless any will do. What differs
 * most often comes first.
 */
function areAlike(bytes: Buffer, start: number, other: number, anyTopic: boolean): boolean {
  if (bytes[start + Offset.PRIORITY] !== bytes[other + Offset.PRIORITY]) return false
  if (!anyTopic && !haveSameTopic(bytes, start, other)) return false
  return readU32(bytes, start + Offset.KIND) === readU32(bytes, other + Offset.KIND)
}

function haveSameTopic(bytes: Buffer, start: number, other: number): boolean {
  return (
    bytes[start + Offset.TOPIC] === bytes[other + Offset.TOPIC] &&
    readU32(bytes, start + Offset.TOPIC) === readU32(bytes, other + Offset.TOPIC)
  )
}
