import {
  EMPTY_HEAD,
  Encoding,
  encodePayload,
  Flag,
  isReserved,
  Kind,
  type MessageHead,
  payloadHeaders,
  RING_DESCRIPTOR_BYTES,
  RingbusError,
} from '../../protocol/index.js'
import { killPoint } from '../../shmring/index.js'
import { type LoanPublishOptions, NO_OPTIONS, type PublishOptions } from '../options.js'
import type { LoanContent } from '../rings/loan.js'
import { descriptorBytes } from '../rings/loan-memory.js'
import type { OutgoingRing } from '../rings/outgoing-ring.js'
import { checkBoolean, checkPriority, expected } from '../validate.js'
import type { Outbox } from './outbox.js'
import type { TopicQueue } from './topic-queue.js'

/** The longest string, in code units, that surely fits: its UTF-8 has at most three bytes for each. */
const UTF8_BYTES_PER_UNIT_MAX = 3

const NS_PER_MS = 1e6

/** Turns what users send into frames with a payload. */
export class Sender {
  readonly #outbox: Outbox
  /** Every frame is described by this one head, in turn; the time of sending is the outbox's. */
  readonly #head: MessageHead = { ...EMPTY_HEAD }
  readonly #ring: OutgoingRing
  /** Whether the last request went to the broker itself, which takes none by ring. [SYS-1] */
  #isForBroker = false
  /** From this many bytes on, a payload has to be looked at: it goes by ring, or it may be too large. */
  #largeBytes = 0
  /** Whether the last message by ring found it full, or has left no room for another of its size. */
  ringIsShort = false

  constructor(outbox: Outbox, ring: OutgoingRing) {
    this.#outbox = outbox
    this.#ring = ring
    this.limitsChanged()
  }

  /** The ring takes other payloads than before, or the broker does. */
  limitsChanged(): void {
    this.#largeBytes = Math.min(this.#ring.thresholdBytes, this.#ring.lender.inlineBytesMax + 1)
  }

  /**
   * Writes one frame; returns what its length is with the payload inline, which is what the credit of streams
   * counts. A message that fits neither the full ring nor a frame is not written: 0, and `ringIsShort`. Throws BAD_TOPIC, ENCODE_FAILED, MESSAGE_TOO_LARGE or INVALID_ARGUMENT before anything of it is written.
   */
  send(
    kind: number,
    topic: string,
    id: number,
    flags: number,
    data: unknown,
    options?: PublishOptions,
  ): number {
    const alias = this.#outbox.aliases.find(topic)
    this.#isForBroker = isReserved(topic)
    return this.sendTo(kind, alias, id, flags, data, options)
  }

  /** The same for a frame that bears no alias, or one that is found already. */
  sendTo(
    kind: number,
    alias: number,
    id: number,
    flags: number,
    data: unknown,
    options: PublishOptions = NO_OPTIONS,
  ): number {
    const payload = this.#describe(kind, alias, id, flags, data, options)
    if (payload.length * UTF8_BYTES_PER_UNIT_MAX >= this.#largeBytes) return this.#sendLarge(payload)
    return this.#outbox.message(this.#head, payload)
  }

  /** The same for a message that has to wait in a queue. */
  enqueue(queue: TopicQueue, data: unknown, options: PublishOptions = NO_OPTIONS): number {
    const payload = this.#describe(Kind.MESSAGE, queue.alias, 0, 0, data, options)
    if (payload.length * UTF8_BYTES_PER_UNIT_MAX >= this.#largeBytes) return this.#sendLarge(payload, queue)
    return this.#outbox.enqueue(queue, this.#head, payload, 0)
  }

  /**
   * Writes the message of a loan, to a queue if it has to wait there; returns its length. Throws ENCODE_FAILED and
   * INVALID_ARGUMENT; the loan is as it was then.
   */
  sendLoan(alias: number, loan: LoanContent, options: LoanPublishOptions, queue?: TopicQueue): number {
    const head = this.#head
    this.#begin(Kind.MESSAGE, alias, 0, 0)
    setOptions(head, options)
    head.encoding = loan.layout === undefined ? Encoding.BYTES : Encoding.ARRAY
    head.headers = payloadHeaders(options.headers, loan.layout)
    let length = 0
    loan.memory.commit((payload, flags) => {
      head.flags |= flags
      killPoint?.('publisher:after-commit')
      length = this.#write(payload, flags === Flag.RING ? loan.byteLength : 0, queue)
      this.#passKillPoint()
      return queue === undefined ? 'sent' : 'queued'
    })
    this.ringIsShort = (head.flags & Flag.RING) !== 0 && !this.#ring.hasRoomFor(loan.byteLength)
    return length
  }

  /** Describes a frame in the head, and returns its payload. */
  #describe(
    kind: number,
    alias: number,
    id: number,
    flags: number,
    data: unknown,
    options: PublishOptions,
  ): Uint8Array | string {
    this.#begin(kind, alias, id, flags)
    if (options !== NO_OPTIONS) setOptions(this.#head, options)
    return this.#encode(data, options)
  }

  #begin(kind: number, alias: number, id: number, flags: number): void {
    const head = this.#head
    head.kind = kind
    head.topic = alias
    head.id = id
    head.flags = flags
    head.expiryNs = 0
    head.priority = 0
  }

  #write(payload: Uint8Array | string, ringBytes: number, queue: TopicQueue | undefined): number {
    if (queue === undefined) return this.#outbox.message(this.#head, payload)
    return this.#outbox.enqueue(queue, this.#head, payload, ringBytes)
  }

  #passKillPoint(): void {
    if (killPoint === undefined) return
    this.#outbox.flush()
    killPoint('publisher:after-frame')
  }

  #encode(data: unknown, options: PublishOptions): Uint8Array | string {
    const head = this.#head
    if (options.encoding === undefined && options.headers === undefined && options.shape === undefined) {
      // The two kinds that are most of the traffic go without the object that describes the others.
      head.headers = undefined
      if (typeof data === 'string') {
        head.encoding = Encoding.UTF8
        return data
      }
      if (data instanceof Uint8Array) {
        head.encoding = Encoding.BYTES
        return data
      }
    }
    const encoded = encodePayload(data, options)
    head.encoding = encoded.encoding
    head.headers = encoded.headers
    return encoded.payload
  }

  #sendLarge(payload: Uint8Array | string, queue?: TopicQueue): number {
    const { kind } = this.#head
    const byteLength = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length
    if (this.#ring.takes(kind, byteLength) && !(kind === Kind.REQUEST && this.#isForBroker)) {
      const written = this.#sendByRing(typeof payload === 'string' ? Buffer.from(payload) : payload, queue)
      if (written > 0) return written
    }
    const { inlineBytesMax } = this.#ring.lender
    if (byteLength <= inlineBytesMax) return this.#write(payload, 0, queue)
    if (this.ringIsShort) return 0
    throw tooLarge(byteLength, inlineBytesMax, this.#ring.takes(kind, byteLength))
  }

  /** Returns 0 when the payload found no room in the ring, or there is none. */
  #sendByRing(payload: Uint8Array, queue: TopicQueue | undefined): number {
    const head = this.#head
    const claim = this.#ring.place(payload)
    if (typeof claim === 'string') {
      this.ringIsShort = claim === 'full' && head.kind === Kind.MESSAGE
      return 0
    }
    head.flags |= Flag.RING
    killPoint?.('publisher:after-commit')
    const length = this.#write(descriptorBytes(claim.span), payload.length, queue)
    this.#passKillPoint()
    if (queue === undefined) this.#ring.settled(claim.segment)
    if (head.kind === Kind.MESSAGE) this.ringIsShort = !this.#ring.hasRoomFor(payload.length)
    return length - RING_DESCRIPTOR_BYTES + payload.length
  }
}

function tooLarge(bytes: number, bytesMax: number, mayBeLent: boolean): RingbusError {
  const remedy = mayBeLent ? '; the ring for it is not there yet: `loan` waits for it' : ''
  return new RingbusError(
    'MESSAGE_TOO_LARGE',
    `The payload has ${bytes} bytes, the broker takes at most ${bytesMax} in one frame${remedy}`,
    { details: { bytes, bytesMax } },
  )
}

function setOptions(head: MessageHead, options: LoanPublishOptions): void {
  const { priority, ttl, retain } = options
  if (priority !== undefined) {
    checkPriority(priority)
    head.priority = priority
  }
  if (retain !== undefined) {
    checkBoolean('retain', retain)
    if (retain) head.flags |= Flag.RETAIN
  }
  if (ttl !== undefined) {
    if (!(typeof ttl === 'number' && ttl > 0 && ttl < Number.POSITIVE_INFINITY)) {
      throw expected('ttl', 'a positive number of milliseconds', ttl)
    }
    head.expiryNs = Number(process.hrtime.bigint()) + Math.ceil(ttl * NS_PER_MS)
  }
}
