import {
  encodeBody,
  Flag,
  IdTable,
  isByRing,
  Kind,
  Offset,
  type RingbusError,
  readU32,
} from '../../protocol/index.js'
import type { Message } from '../inbound/message.js'
import { checkRequestOptions, NO_OPTIONS, type RequestOptions } from '../options.js'
import type { Outbox } from '../outbound/outbox.js'
import type { Publisher } from '../outbound/publisher.js'
import type { Sender } from '../outbound/sender.js'
import type { Incoming } from '../rings/incoming.js'
import { timeoutMs } from '../validate.js'
import { cancelledError, type PendingRequest } from './pending-request.js'
import type { ReplyReader } from './reply-message.js'
import { ReplyStream, type ReplyStreamSettings } from './reply-stream.js'
import { type RequestBooks, SingleRequest } from './single-request.js'

const TIMEOUT_DEFAULT_MS = 5000

const ID_MAX = 0xffff_ffff

/** Makes requests, and keeps the books of those that have not ended. */
export class Requester implements RequestBooks {
  readonly #outbox: Outbox
  readonly #sender: Sender
  readonly #publisher: Publisher
  readonly #incoming: Incoming
  /** What a request for copies makes its reply with, and one for views. */
  readonly #copies: ReplyReader
  readonly #views: ReplyReader
  readonly #pending = new IdTable<PendingRequest>()
  #lastId = 0

  constructor(outbox: Outbox, sender: Sender, publisher: Publisher, incoming: Incoming) {
    this.#outbox = outbox
    this.#sender = sender
    this.#publisher = publisher
    this.#incoming = incoming
    this.#copies = { incoming, view: false }
    this.#views = { incoming, view: true }
  }

  request(topic: string, data: unknown, options: RequestOptions): Promise<Message> {
    try {
      return this.#request(topic, data, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  requestStream(topic: string, data: unknown, options: RequestOptions): ReplyStream {
    checkRequestOptions(options)
    const waitMs = timeoutMs('timeout', options.timeout, TIMEOUT_DEFAULT_MS)
    let id = 0
    return new ReplyStream(this.#settings(topic, waitMs, options), {
      start: (stream) => {
        id = this.#send(topic, data, Flag.STREAM, options)
        this.#pending.set(id, stream)
      },
      pull: (bytes) => this.#outbox.control(Kind.PULL, 0, id, encodeBody(Kind.PULL, { bytes })),
      cancel: () => this.cancel(id),
    })
  }

  /** A REPLY frame: the final one, or a part. [REQUEST-5] */
  replied(bytes: Buffer, start: number, length: number): void {
    const id = readU32(bytes, start + Offset.ID)
    const pending = this.#pending.get(id)
    // The reply may have crossed the cancellation of its request.
    if (pending === undefined) {
      if (isByRing(bytes, start)) this.#incoming.drop(bytes, start)
      return
    }
    if (bytes[start + Offset.FLAGS]! & Flag.STREAM) {
      pending.part(bytes, start, length)
    } else {
      this.#pending.delete(id)
      pending.end(bytes, start, length)
    }
  }

  failed(id: number, error: RingbusError): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    pending?.fail(error)
  }

  /** Fails everything under way: the connection is gone. */
  failAll(error: RingbusError): void {
    const pending = this.#pending.values()
    this.#pending.clear()
    for (const request of pending) request.fail(error)
  }

  /** Takes a request out of the books, and tells the broker. */
  cancel(id: number): void {
    if (this.#pending.delete(id)) this.#outbox.control(Kind.CANCEL, 0, id)
  }

  #request(topic: string, data: unknown, options: RequestOptions): Promise<Message> {
    if (options !== NO_OPTIONS) checkRequestOptions(options)
    const { signal } = options
    const waitMs = timeoutMs('timeout', options.timeout, TIMEOUT_DEFAULT_MS)
    if (signal?.aborted) throw cancelledError(topic, signal.reason)
    const id = this.#send(topic, data, 0, options)
    const reader = options.view === true ? this.#views : this.#copies
    const request = new SingleRequest(this, id, topic, reader, waitMs, signal)
    this.#pending.set(id, request)
    return request.whenReplied()
  }

  #settings(topic: string, waitMs: number, { signal, view }: RequestOptions): ReplyStreamSettings {
    return { topic, timeoutMs: waitMs, signal, incoming: this.#incoming, view: view ?? false }
  }

  #send(topic: string, data: unknown, flags: number, options: RequestOptions): number {
    this.#publisher.checkRequestRoom(topic)
    const id = this.#nextId()
    this.#sender.send(Kind.REQUEST, topic, id, flags, data, options)
    return id
  }

  /** Ids are not used again for long, since a late reply may still be under way to one that was cancelled. */
  #nextId(): number {
    do this.#lastId = this.#lastId === ID_MAX ? 1 : this.#lastId + 1
    while (this.#pending.has(this.#lastId))
    return this.#lastId
  }
}
