import {
  EMPTY_HEAD,
  Encoding,
  encodePayload,
  type MessageHead,
  PAYLOAD_BYTES_MAX_DEFAULT,
  RingbusError,
} from '../../protocol/index.js'
import type { PublishOptions } from '../options.js'
import { checkPriority, expected } from '../validate.js'
import type { Outbox } from './outbox.js'

/** The longest string, in code units, that surely fits: its UTF-8 has at most three bytes for each. */
const UTF8_BYTES_PER_UNIT_MAX = 3

const NS_PER_MS = 1e6

const NO_OPTIONS: PublishOptions = {}

/** Turns what users send into frames with a payload. */
export class Sender {
  readonly #outbox: Outbox
  /** Every frame is described by this one head, in turn. */
  readonly #head: MessageHead = { ...EMPTY_HEAD }
  payloadBytesMax = PAYLOAD_BYTES_MAX_DEFAULT

  constructor(outbox: Outbox) {
    this.#outbox = outbox
  }

  /**
   * Writes one frame; returns its length. Throws BAD_TOPIC, ENCODE_FAILED, MESSAGE_TOO_LARGE or
   * INVALID_ARGUMENT before anything of it is written.
   */
  send(
    kind: number,
    topic: string,
    id: number,
    flags: number,
    data: unknown,
    options?: PublishOptions,
  ): number {
    return this.sendTo(kind, this.#outbox.aliases.find(topic), id, flags, data, options)
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
    const head = this.#head
    head.kind = kind
    head.topic = alias
    head.id = id
    head.flags = flags
    head.expiryNs = 0
    head.priority = 0
    if (options !== NO_OPTIONS) setOptions(head, options)
    const payload = this.#encode(data, options)
    if (payload.length * UTF8_BYTES_PER_UNIT_MAX > this.payloadBytesMax) this.#checkSize(payload)
    return this.#outbox.message(head, payload)
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

  #checkSize(payload: Uint8Array | string): void {
    const bytes = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length
    if (bytes <= this.payloadBytesMax) return
    throw new RingbusError(
      'MESSAGE_TOO_LARGE',
      `The payload has ${bytes} bytes, the broker takes at most ${this.payloadBytesMax}`,
      { details: { bytes, bytesMax: this.payloadBytesMax } },
    )
  }
}

function setOptions(head: MessageHead, options: PublishOptions): void {
  const { priority, ttl } = options
  if (priority !== undefined) {
    checkPriority(priority)
    head.priority = priority
  }
  if (ttl !== undefined) {
    if (!(typeof ttl === 'number' && ttl > 0 && ttl < Number.POSITIVE_INFINITY)) {
      throw expected('ttl', 'a positive number of milliseconds', ttl)
    }
    head.expiryNs = Number(process.hrtime.bigint()) + Math.ceil(ttl * NS_PER_MS)
  }
}
