import { createHash } from 'node:crypto'
import type { Headers, Message } from '../../client/index.js'
import { createRandom } from './random.js'

/*
 * Messages that tell what they are: their number, and a digest of every byte. Number and digest travel within the
 * frame, by socket, so that a payload in shared memory can neither be another one nor a part of one unnoticed.
 */

/** Larger than any payload, and each number begins elsewhere in it. */
const NOISE = noise(1_000_004)

const NUMBER_STEP_BYTES = 4_099

/** What the headers of a numbered message say. */
export interface Label extends Headers {
  readonly stream: string
  readonly number: number
  readonly digest: string
}

/** The payload of a number: no two of neighbouring numbers agree in any place but by chance. */
export function payloadOf(number: number, byteLength: number): Buffer {
  const start = (number * NUMBER_STEP_BYTES) % (NOISE.length - byteLength)
  const data = Buffer.from(NOISE.subarray(start, start + byteLength))
  data.writeDoubleLE(number, 0)
  return data
}

export function labelOf(stream: string, number: number, data: Uint8Array): Label {
  return { stream, number, digest: digestOf(data) }
}

/** What is wrong with the bytes of a message; undefined: nothing. */
export function faultOf({ bytes, headers }: Message): string | undefined {
  const { stream, number, digest } = headers as Label
  const what = `${bytes.length} bytes of ${stream} number ${number}`
  if (digestOf(bytes) !== digest) return `${what} are not those that were published`
  return bytes.readDoubleLE(0) === number ? undefined : `${what} are of number ${bytes.readDoubleLE(0)}`
}

/**
 * What a subscriber sees of streams: within each, numbers follow each other without gap or repetition, from the first
 * that comes. A stream is one publisher's while it is connected to one broker.
 */
export class Streams {
  readonly faults: string[] = []
  received = 0
  readonly #last = new Map<string, number>()
  /** Those whose broker is gone, and with it what it had not delivered. */
  readonly #torn = new Set<string>()

  /** Notes a message, in the order of delivery. */
  take(message: Message): void {
    const { stream, number } = message.headers as Label
    const last = this.#last.get(stream)
    this.#last.set(stream, number)
    this.received += 1
    this.check(message)
    if (last === undefined || number === last + 1) return
    if (number <= last || !this.#torn.has(stream)) this.faults.push(`${stream}: ${number} follows ${last}`)
  }

  /** Looks at the bytes of a message, once more if it has been taken. */
  check(message: Message): void {
    const fault = faultOf(message)
    if (fault !== undefined) this.faults.push(fault)
  }

  /** The connection is lost: of the streams so far some may be missing. */
  tear(): void {
    for (const stream of this.#last.keys()) this.#torn.add(stream)
  }

  lastOf(stream: string): number | undefined {
    return this.#last.get(stream)
  }
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex')
}

function noise(byteLength: number): Buffer {
  const random = createRandom(1)
  const bytes = Buffer.allocUnsafe(byteLength)
  for (let at = 0; at < byteLength; at += 4) bytes.writeUInt32LE(random() * 2 ** 32, at)
  return bytes
}
