import { randomIndexes } from './random-indexes.js'

/*
 * A payload of a stream, little-endian. A stream has sequences, such as what one publisher publishes to one topic at
 * one priority. The receiver knows from the payload alone whether anything is missing, twice there, out of order or
 * damaged:
 *
 *   0             4                    8                              n-4
 *   | number      | sequence, LAST bit | count, or 0     | … stamps … | ~(number ^ both words) |
 *     within its    LAST: the last of    of all that its
 *     sequence      its publisher        publisher has
 *                                        published, on the last
 *
 * Between the fields lies a pattern, which may begin with the time of sending. Large payloads have stamps in it, each
 * made of the number and of its own place; every so many of them are written and compared wholly, so that a stream of
 * them does not measure memory alone. Bytes are stored and loaded one by one, which is the fastest that V8 has for
 * memory that it has not seen before: a view of it costs more than all of the fields.
 */

/** The smallest payload that holds the fields. */
export const PAYLOAD_BYTES_MIN = 16

const SEQUENCE_OFFSET = 4
const COUNT_OFFSET = 8
const SENT_OFFSET = 12
const CHECK_BYTES = 4

/** In the word of the sequence: the last payload of its publisher, which says how many that publisher has published. */
const LAST = 0x8000_0000

/** Smaller payloads are all check; from here on there is room for stamps. */
const STAMPED_BYTES_MIN = 1024

/** Parts of a large payload that begin with a stamp, except for the first. */
const STAMPED_PARTS = 16

/** Of the large payloads of a topic, one in so many is compared wholly. */
const WHOLE_EVERY = 16

/** The pattern is any number. */
const PATTERN_BOUND = 2 ** 32

function writeWord(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value
  bytes[offset + 1] = value >>> 8
  bytes[offset + 2] = value >>> 16
  bytes[offset + 3] = value >>> 24
}

/** Signed: small integers need no memory of their own, and words are mostly compared. */
function readWord(bytes: Uint8Array, offset: number): number {
  return bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)
}

function makePattern(payloadBytes: number): Buffer {
  const words = randomIndexes(Math.ceil(payloadBytes / 4), PATTERN_BOUND)
  return Buffer.from(words.buffer, 0, payloadBytes)
}

/** Bytes between two stamps. */
function stampStep(payloadBytes: number): number {
  return Math.floor(payloadBytes / STAMPED_PARTS)
}

function isCheckedWholly(payloadBytes: number, number: number): boolean {
  return payloadBytes >= STAMPED_BYTES_MIN && number % WHOLE_EVERY === 0
}

function writeFields(payload: Uint8Array, number: number, sequence: number, count: number): void {
  const word = count === 0 ? sequence : sequence | LAST
  writeWord(payload, 0, number)
  writeWord(payload, SEQUENCE_OFFSET, word)
  writeWord(payload, COUNT_OFFSET, count)
  if (payload.length >= STAMPED_BYTES_MIN) writeStamps(payload, number)
  writeWord(payload, payload.length - CHECK_BYTES, ~(number ^ word ^ count))
}

function writeStamps(payload: Uint8Array, number: number): void {
  const step = stampStep(payload.length)
  for (let part = 1; part < STAMPED_PARTS; part++) writeWord(payload, part * step, number ^ (part * step))
}

function stampsFit(payload: Uint8Array, number: number): boolean {
  const step = stampStep(payload.length)
  for (let part = 1; part < STAMPED_PARTS; part++) {
    if (readWord(payload, part * step) !== (number ^ (part * step))) return false
  }
  return true
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

  constructor(sequenceCount: number, payloadBytes: number) {
    this.#nextNumbers = new Uint32Array(sequenceCount)
    this.#pattern = makePattern(payloadBytes)
  }

  /** Fills a payload; `count` is what its publisher has published on the last one, else 0. */
  stamp(payload: Uint8Array, sequence: number, count: number): void {
    const number = this.#nextNumbers[sequence]!
    this.#nextNumbers[sequence] = number + 1
    if (isCheckedWholly(payload.length, number)) payload.set(this.#pattern)
    writeFields(payload, number, sequence, count)
  }
}

/** Buffers that lack only their fields. */
export function makePayloads(count: number, payloadBytes: number): Buffer[] {
  const pattern = makePattern(payloadBytes)
  return Array.from({ length: count }, () => Buffer.from(pattern))
}

export interface StreamCheckOptions {
  /** Whether payloads may be missing. Default false. */
  readonly gapsAllowed?: boolean
  /** How many publish the stream, each with sequences of its own. Default 1. */
  readonly publishers?: number
}

/** Checks the payloads of one stream as they arrive. */
export class StreamCheck {
  readonly #nextNumbers: Uint32Array
  readonly #payloadBytes: number
  readonly #gapsAllowed: boolean
  readonly #publishers: number
  /** What a payload that is checked wholly must be. */
  readonly #expected: Buffer
  /** Of all publishers that have published their last payload. */
  #count = 0
  #finished = 0
  received = 0
  /** Payloads that were not the next of their sequence (or, where gaps are allowed, a later one), or not whole. */
  faults = 0

  constructor(
    sequenceCount: number,
    payloadBytes: number,
    { gapsAllowed = false, publishers = 1 }: StreamCheckOptions = {},
  ) {
    this.#nextNumbers = new Uint32Array(sequenceCount)
    this.#payloadBytes = payloadBytes
    this.#gapsAllowed = gapsAllowed
    this.#publishers = publishers
    this.#expected = makePattern(payloadBytes)
  }

  /** Whether the last payload of each publisher has come, and as many as they name. */
  get isComplete(): boolean {
    return this.#finished === this.#publishers && this.received === this.#count
  }

  /** Returns the sequence that the payload names, sound or not. */
  accept(payload: Uint8Array): number {
    this.received += 1
    const number = readWord(payload, 0)
    const word = readWord(payload, SEQUENCE_OFFSET)
    const sequence = word & ~LAST
    const count = word < 0 ? readWord(payload, COUNT_OFFSET) : 0
    const next = this.#nextNumbers[sequence]! | 0
    const isSound =
      payload.length === this.#payloadBytes &&
      readWord(payload, payload.length - CHECK_BYTES) === ~(number ^ word ^ count) &&
      sequence < this.#nextNumbers.length &&
      (number === next || this.#isLater(number, next)) &&
      (payload.length < STAMPED_BYTES_MIN || this.#isLargeSound(payload, number, sequence, count))
    if (!isSound) this.faults += 1
    this.#nextNumbers[sequence] = number + 1
    if (word < 0) {
      this.#count += count >>> 0
      this.#finished += 1
    }
    return sequence
  }

  #isLater(number: number, next: number): boolean {
    return this.#gapsAllowed && number >>> 0 > next >>> 0
  }

  #isLargeSound(payload: Uint8Array, number: number, sequence: number, count: number): boolean {
    if (!stampsFit(payload, number)) return false
    if (!isCheckedWholly(payload.length, number)) return true
    writeFields(this.#expected, number, sequence, count)
    return Buffer.compare(this.#expected, payload) === 0
  }
}
