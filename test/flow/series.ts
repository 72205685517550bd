import type { Message } from '../../client/index.js'
import { createRandom } from '../deaths/random.js'

/*
 * Messages that tell what they are. A series is what one publisher sends on one topic at one priority, numbered from 1:
 * within one subscription its numbers only grow, and each that is left out has been dropped.
 *
 *   | publisher | number | length | noise, which begins elsewhere for each number …
 *     u32         u32      u32
 */
const HEAD_BYTES = 12

/** Larger than any payload. */
const NOISE = noise(1_048_583)
const NUMBER_STEP_BYTES = 4_099
const PUBLISHER_STEP_BYTES = 131_101

/** How many messages a series has, by its name. */
export type SeriesCounts = Record<string, number>

export function seriesName(publisher: number, topic: string, priority: number): string {
  return `${publisher} ${topic} ${priority}`
}

/** The payload of a number, of `byteLength` bytes or as few as it takes. */
export function payloadOf(publisher: number, number: number, byteLength: number): Buffer {
  const bytes = Buffer.from(noiseOf(publisher, number, Math.max(byteLength, HEAD_BYTES)))
  bytes.writeUInt32LE(publisher, 0)
  bytes.writeUInt32LE(number, 4)
  bytes.writeUInt32LE(bytes.length, 8)
  return bytes
}

/** What one subscription sees. */
export class SeriesLog {
  handled = 0
  /** Numbers that were left out before the last of each series. */
  missing = 0
  /** The first of what is wrong. */
  fault: string | undefined
  readonly #last = new Map<string, number>()

  /** Notes a message as its handler starts. */
  take(message: Message): void {
    const { bytes, topic, priority } = message
    const publisher = bytes.readUInt32LE(0)
    const number = bytes.readUInt32LE(4)
    const name = seriesName(publisher, topic, priority)
    const last = this.#last.get(name) ?? 0
    this.handled += 1
    this.missing += number - last - 1
    if (number <= last) this.fault ??= `${name}: ${number} follows ${last}`
    if (!isWhole(bytes, publisher, number)) this.fault ??= `${name}: other bytes than those of ${number}`
    this.#last.set(name, number)
  }

  /** The numbers that were left out, those included that nothing has followed. */
  missingOf(published: SeriesCounts): number {
    let missing = this.missing
    for (const [name, count] of Object.entries(published)) missing += count - (this.#last.get(name) ?? 0)
    return missing
  }
}

function isWhole(bytes: Buffer, publisher: number, number: number): boolean {
  const noise = noiseOf(publisher, number, bytes.length)
  return (
    bytes.readUInt32LE(8) === bytes.length && bytes.subarray(HEAD_BYTES).equals(noise.subarray(HEAD_BYTES))
  )
}

function noiseOf(publisher: number, number: number, byteLength: number): Buffer {
  const start = (number * NUMBER_STEP_BYTES + publisher * PUBLISHER_STEP_BYTES) % (NOISE.length - byteLength)
  return NOISE.subarray(start, start + byteLength)
}

function noise(byteLength: number): Buffer {
  const random = createRandom(1)
  const bytes = Buffer.allocUnsafe(byteLength)
  for (let at = 0; at + 4 <= byteLength; at += 4) bytes.writeUInt32LE(random() * 2 ** 32, at)
  return bytes
}
