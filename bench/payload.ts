/*
 * A payload of a stream, little-endian. The receiver knows from it alone whether anything is missing, twice there,
 * out of order or damaged:
 *
 *   0             4              8                        n-4
 *   | number      | topic index  | 0, or the count  | … | ~number |
 *     within its    of the         of all, on the
 *     topic         stream's       last payload
 */

/** The smallest payload that holds the fields. */
export const PAYLOAD_BYTES_MIN = 16

const TOPIC_INDEX_OFFSET = 4
const COUNT_OFFSET = 8
const CHECK_BYTES = 4

/** What lies between the fields: no run of zeros that anything could shorten. */
const FILLER = 0x5a

function writeU32(bytes: Buffer, offset: number, value: number): void {
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

/** Numbers the payloads of one stream. */
export class StreamNumbering {
  readonly #nextNumbers: Uint32Array

  constructor(topicCount: number) {
    this.#nextNumbers = new Uint32Array(topicCount)
  }

  /** Fills a payload; `count` is that of the whole stream on its last one, else 0. */
  stamp(payload: Buffer, topicIndex: number, count: number): void {
    const number = this.#nextNumbers[topicIndex]!
    this.#nextNumbers[topicIndex] = number + 1
    writeU32(payload, 0, number)
    writeU32(payload, TOPIC_INDEX_OFFSET, topicIndex)
    writeU32(payload, COUNT_OFFSET, count)
    writeU32(payload, payload.length - CHECK_BYTES, ~number)
  }
}

export function makePayloads(count: number, payloadBytes: number): Buffer[] {
  return Array.from({ length: count }, () => Buffer.alloc(payloadBytes, FILLER))
}

/** Checks the payloads of one stream as they arrive. */
export class StreamCheck {
  readonly #nextNumbers: Uint32Array
  readonly #payloadBytes: number
  #count = 0
  received = 0
  /** Payloads that were not the next of their topic, or not whole. */
  faults = 0

  constructor(topicCount: number, payloadBytes: number) {
    this.#nextNumbers = new Uint32Array(topicCount)
    this.#payloadBytes = payloadBytes
  }

  /** Whether the last payload has come, and as many as it names. */
  get isComplete(): boolean {
    return this.#count !== 0 && this.received === this.#count
  }

  accept(payload: Uint8Array): void {
    this.received += 1
    const number = readU32(payload, 0)
    const topicIndex = readU32(payload, TOPIC_INDEX_OFFSET)
    const check = readU32(payload, payload.length - CHECK_BYTES)
    const count = readU32(payload, COUNT_OFFSET)
    if (count !== 0) this.#count = count
    const whole = payload.length === this.#payloadBytes && check === ~number >>> 0
    if (!whole || number !== this.#nextNumbers[topicIndex]) this.faults += 1
    this.#nextNumbers[topicIndex] = number + 1
  }
}
