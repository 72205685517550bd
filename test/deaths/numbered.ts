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
  /** The broker that it was published to, counted from 0. One that was held back has come by a later one. */
  readonly broker: number
  readonly digest: string
}

/** The payload of a number: no two of neighbouring numbers agree in any place but by chance. */
export function payloadOf(number: number, byteLength: number): Buffer {
  const start = (number * NUMBER_STEP_BYTES) % (NOISE.length - byteLength)
  const data = Buffer.from(NOISE.subarray(start, start + byteLength))
  data.writeDoubleLE(number, 0)
  return data
}

export function labelOf(stream: string, number: number, broker: number, data: Uint8Array): Label {
  return { stream, number, broker, digest: digestOf(data) }
}

/** What is wrong with the bytes of a message; undefined: nothing. */
export function faultOf({ bytes, headers }: Message): string | undefined {
  const { stream, number, digest } = headers as Label
  const what = `${bytes.length} bytes of ${stream} number ${number}`
  if (digestOf(bytes) !== digest) return `${what} are not those that were published`
  return bytes.readDoubleLE(0) === number ? undefined : `${what} are of number ${bytes.readDoubleLE(0)}`
}

/** A message of a stream, and the first broker that it can have come by. */
interface Place {
  readonly number: number
  readonly broker: number
}

/**
 * What a subscriber sees of streams: within each, which is one publisher's, numbers follow each other without gap or
 * repetition, from the first that comes, as long as the broker lives. With a broker is lost what it had not delivered,
 * and what waits in the subscriber with its payload in a ring; what waits there inline is handled all the same:
 *
 *   number          1  2  3  4  5  6  7  8       5 and 6 were held back by the publisher, and came by broker 1
 *   published to    0  0  0  0  0  0  1  1
 *   handled         1     3        6  7  8       after 1, broker 0 was found dead: 2 waited by ring, and 3 inline
 *
 * So what may be missing was published to a broker that is dead by the time that its successor is handled. Behind a
 * message that was published to the broker which the subscriber is connected to, nothing is missing.
 */
export class Streams {
  readonly faults: string[] = []
  received = 0
  readonly #last = new Map<string, Place>()
  readonly #firstBroker: number
  /** The one that it is connected to, or was last. What others before have brought may still wait to be handled. */
  #broker: number

  /** Brokers are counted from 0; this is the one that the subscriber begins with. */
  constructor(firstBroker = 0) {
    this.#firstBroker = firstBroker
    this.#broker = firstBroker
  }

  /** Notes a message, in the order of delivery. */
  take(message: Message): void {
    const { stream, number, broker } = message.headers as Label
    const last = this.#last.get(stream)
    this.received += 1
    this.check(message)
    const place = { number, broker: Math.max(broker, last?.broker ?? this.#firstBroker) }
    this.#last.set(stream, place)
    if (!this.#mayFollow(place, last)) {
      this.faults.push(`${stream}: ${textOf(place)} follows ${textOf(last)}, at broker ${this.#broker}`)
    }
  }

  #mayFollow({ number, broker }: Place, last: Place | undefined): boolean {
    if (broker > this.#broker) return false
    if (last === undefined || number === last.number + 1) return true
    return number > last.number && last.broker < this.#broker
  }

  /** Looks at the bytes of a message, once more if it has been taken. */
  check(message: Message): void {
    const fault = faultOf(message)
    if (fault !== undefined) this.faults.push(fault)
  }

  /** The broker is dead, and with it what it had not delivered. */
  brokerDied(): void {
    this.#broker += 1
  }

  /** The number of the last message. */
  lastOf(stream: string): number | undefined {
    return this.#last.get(stream)?.number
  }
}

function textOf(place: Place | undefined): string {
  return place === undefined ? 'nothing' : `${place.number} (broker ${place.broker})`
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
