import { StreamFault } from './stream-fault.js'

/*
 * A payload of a measurement, little-endian. Its receiver knows from it alone whether anything is missing, twice
 * there, out of order or damaged:
 *
 *   0             4                             n-4
 *   | number      | 0, or the count  | … stamps … | ~number |
 *     from 0        of all, on the
 *                   last payload
 *
 * Large payloads have stamps between the fields, each made of the number and of its own place.
 */

/** The smallest payload that holds the fields, and a time of sending. */
export const PAYLOAD_BYTES_MIN = 24

const COUNT_OFFSET = 4
const CHECK_BYTES = 4

/** Smaller payloads have no room for stamps. */
const STAMPED_BYTES_MIN = 1024

/** Parts of a large payload that begin with a stamp, except for the first. */
const STAMPED_PARTS = 16

/** What lies between the fields: anything but zeros, which some systems are quicker with. */
const FILLER = 0x5a

export function newPayload(byteLength: number): Buffer {
  return Buffer.alloc(byteLength, FILLER)
}

/** Numbers a payload; `count` is that of the whole stream on its last one, else 0. */
export function stampPayload(payload: Uint8Array, number: number, count = 0): void {
  writeU32(payload, 0, number)
  writeU32(payload, COUNT_OFFSET, count)
  const step = stampStep(payload.length)
  for (let part = 1; step > 0 && part < STAMPED_PARTS; part++) {
    writeU32(payload, part * step, number ^ (part * step))
  }
  writeU32(payload, payload.length - CHECK_BYTES, ~number)
}

/** Throws a StreamFault unless this is the payload of that number and length, and whole. */
export function checkPayload(payload: Uint8Array, number: number, byteLength: number): void {
  if (payload.length !== byteLength) {
    throw new StreamFault(`payload ${number} came with ${payload.length} bytes instead of ${byteLength}`)
  }
  const found = readU32(payload, 0)
  if (found !== number >>> 0) throw new StreamFault(`payload ${found} came where ${number} was expected`)
  if (!isWhole(payload, number)) throw new StreamFault(`payload ${number} came damaged`)
}

/** How many payloads there are of the stream that ends with this one; 0: it does not. */
export function countIn(payload: Uint8Array): number {
  return readU32(payload, COUNT_OFFSET)
}

function isWhole(payload: Uint8Array, number: number): boolean {
  const step = stampStep(payload.length)
  for (let part = 1; step > 0 && part < STAMPED_PARTS; part++) {
    if (readU32(payload, part * step) !== (number ^ (part * step)) >>> 0) return false
  }
  return readU32(payload, payload.length - CHECK_BYTES) === ~number >>> 0
}

/** Bytes between two stamps; 0: the payload has none. */
function stampStep(byteLength: number): number {
  return byteLength < STAMPED_BYTES_MIN ? 0 : Math.floor(byteLength / STAMPED_PARTS)
}

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
