import { randomIndexes } from './random-indexes.js'

/*
 * A payload of a stream, little-endian. The receiver knows from it alone whether anything is missing, twice there,
 * out of order or damaged:
 *
 *   0             4              8                             n-4
 *   | number      | topic index  | 0, or the count  | … stamps … | ~number |
 *     within its    of the         of all, on the
 *     topic         stream's       last payload
 *
 * Between the fields lies a pattern, which may begin with the time of sending. Large payloads have stamps in it, each made of the number and of its own place;
 * every so many of them are written and compared wholly, so that a stream of them does not measure memory alone.
 */

/** The smallest payload that holds the fields. */
export const PAYLOAD_BYTES_MIN = 16

const TOPIC_INDEX_OFFSET = 4
const COUNT_OFFSET = 8
const SENT_OFFSET = 12
const CHECK_BYTES = 4

/** Smaller payloads are all check; from here on there is room for stamps. */
const STAMPED_BYTES_MIN = 1024

/** Parts of a large payload that begin with a stamp, except for the first. */
const STAMPED_PARTS = 16

/** Of the large payloads of a topic, one in so many is compared wholly. */
const WHOLE_EVERY = 16

/** The pattern is any number. */
const PATTERN_BOUND = 2 ** 32

function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value
  bytes[offset + 1] = value >>> 8
  bytes[offset + 2] = value >>> 16
  bytes[offset + 3] = value >>> 24
}

function readU32(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>>
    0
  )
}

function makePattern(payloadBytes: number): Buffer {
  const words = randomIndexes(Math.ceil(payloadBytes / 4), PATTERN_BOUND)
  return Buffer.from(words.buffer, 0, payloadBytes)
}

/** Bytes between two stamps; 0: the payload has none. */
function stampStep(payloadBytes: number): number {
  return payloadBytes < STAMPED_BYTES_MIN ? 0 : Math.floor(payloadBytes / STAMPED_PARTS)
}

function isCheckedWholly(payloadBytes: number, number: number): boolean {
  return payloadBytes >= STAMPED_BYTES_MIN && number % WHOLE_EVERY === 0
}

function writeFields(payload: Uint8Array, number: number, topicIndex: number, count: number): void {
  writeU32(payload, 0, number)
  writeU32(payload, TOPIC_INDEX_OFFSET, topicIndex)
  writeU32(payload, COUNT_OFFSET, count)
  const step = stampStep(payload.length)
  for (let part = 1; step > 0 && part < STAMPED_PARTS; part++) {
    writeU32(payload, part * step, number ^ (part * step))
  }
  writeU32(payload, payload.length - CHECK_BYTES, ~number)
}

function stampsFit(payload: Uint8Array, number: number): boolean {
  const step = stampStep(payload.length)
  for (let part = 1; step > 0 && part < STAMPED_PARTS; part++) {
    if (readU32(payload, part * step) !== (number ^ (part * step)) >>> 0) return false
  }
  return readU32(payload, payload.length - CHECK_BYTES) === ~number >>> 0
}

/** Which topic of its stream a payload is of. */
export function topicIndexOf(payload: Uint8Array): number {
  return readU32(payload, TOPIC_INDEX_OFFSET)
}

/** Notes in a small payload, of 24 bytes or more, when it is published. */
export function writeSentNs(payload: Buffer, sentNs: number): void {
  payload.writeDoubleLE(sentNs, SENT_OFFSET)
}

export function readSentNs(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset).getFloat64(SENT_OFFSET, true)
}

/** Numbers the payloads of one stream. */
export class StreamNumbering {
  readonly #nextNumbers: Uint32Array
  readonly #pattern: Buffer

  constructor(topicCount: number, payloadBytes: number) {
    this.#nextNumbers = new Uint32Array(topicCount)
    this.#pattern = makePattern(payloadBytes)
  }

  /** Fills a payload; `count` is that of the whole stream on its last one, else 0. */
  stamp(payload: Uint8Array, topicIndex: number, count: number): void {
    const number = this.#nextNumbers[topicIndex]!
    this.#nextNumbers[topicIndex] = number + 1
    if (isCheckedWholly(payload.length, number)) payload.set(this.#pattern)
    writeFields(payload, number, topicIndex, count)
  }
}

/** Buffers that lack only their fields. */
export function makePayloads(count: number, payloadBytes: number): Buffer[] {
  const pattern = makePattern(payloadBytes)
  return Array.from({ length: count }, () => Buffer.from(pattern))
}

/** Checks the payloads of one stream as they arrive. */
export class StreamCheck {
  readonly #nextNumbers: Uint32Array
  readonly #payloadBytes: number
  readonly #gapsAllowed: boolean
  /** What a payload that is checked wholly must be. */
  readonly #expected: Buffer
  #count = 0
  received = 0
  /** Payloads that were not the next of their topic (or, where gaps are allowed, a later one), or not whole. */
  faults = 0

  constructor(
    topicCount: number,
    payloadBytes: number,
    gaps: 'gaps are faults' | 'gaps are allowed' = 'gaps are faults',
  ) {
    this.#nextNumbers = new Uint32Array(topicCount)
    this.#payloadBytes = payloadBytes
    this.#gapsAllowed = gaps === 'gaps are allowed'
    this.#expected = makePattern(payloadBytes)
  }

  /** Whether the last payload has come, and as many as it names. */
  get isComplete(): boolean {
    return this.#count !== 0 && this.received === this.#count
  }

  accept(payload: Uint8Array): void {
    this.received += 1
    const number = readU32(payload, 0)
    const topicIndex = readU32(payload, TOPIC_INDEX_OFFSET)
    const count = readU32(payload, COUNT_OFFSET)
    if (count !== 0) this.#count = count
    const whole =
      payload.length === this.#payloadBytes &&
      stampsFit(payload, number) &&
      (!isCheckedWholly(payload.length, number) || this.#equals(payload, number, topicIndex, count))
    const next = this.#nextNumbers[topicIndex]!
    if (!whole || (number !== next && !(this.#gapsAllowed && number > next))) this.faults += 1
    this.#nextNumbers[topicIndex] = number + 1
  }

  #equals(payload: Uint8Array, number: number, topicIndex: number, count: number): boolean {
    writeFields(this.#expected, number, topicIndex, count)
    return Buffer.compare(this.#expected, payload) === 0
  }
}
