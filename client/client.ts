import { type ArrayOf, type Dtype, isReserved, patternFault, RingbusError } from '../protocol/index.js'
import { asyncDispose, dispose } from './dispose.js'
import type { ClientEvents } from './events.js'
import type { Message } from './inbound/message.js'
import {
  type CloseOptions,
  checkLoanOptions,
  checkReadStreamOptions,
  checkServeOptions,
  checkSubscribeOptions,
  checkWriteStreamOptions,
  type LoanOptions,
  NO_OPTIONS,
  type PublishOptions,
  type ReadStreamOptions,
  type RequestOptions,
  type ServeOptions,
  type SubscribeOptions,
  type WriteStreamOptions,
} from './options.js'
import { checkTopic } from './outbound/aliases.js'
import { reservedError } from './outbound/publisher.js'
import type { Loan, LoanLayout } from './rings/loan.js'
import { Service } from './services/service.js'
import { type ServiceHandler, ServiceMember } from './services/service-member.js'
import type { Session } from './session.js'
import { MessageStream } from './streams/message-stream.js'
import { StreamedSubscription } from './streams/streamed-subscription.js'
import { TopicStream } from './streams/topic-stream.js'
import { HandledSubscription, type MessageHandler } from './subscriptions/handled-subscription.js'
import { IteratedSubscription } from './subscriptions/iterated-subscription.js'
import { Subscription } from './subscriptions/subscription.js'
import type { SubscriptionSettings } from './subscriptions/subscription-member.js'
import { checkFunction, checkOptions, timeoutMs } from './validate.js'

/** Requests are mostly waiting: one service answers this many at a time unless it says otherwise. */
const SERVICE_CONCURRENCY_DEFAULT = 16

const CLOSE_TIMEOUT_DEFAULT_MS = 5000

/** As Node has it for streams of objects. */
const WRITE_STREAM_MESSAGES = 16

/**
 * A connection to the broker, made by `connect`. It keeps the process alive until it is closed. Every method
 * throws or rejects with a `RingbusError`: CLOSED after the client is closed, INVALID_ARGUMENT for an option
 * that is not what it must be, and what is said with the method.
 */
export class RingbusClient implements Disposable, AsyncDisposable {
  readonly #session: Session

  /** @internal */
  constructor(session: Session) {
    this.#session = session
  }

  /**
   * Publishes a message to everybody who subscribes to the topic now; when nobody does, it is gone. The data is
   * taken before the call returns. While the connection is away, messages are kept for it.
   *
   * Large payloads travel through shared memory, where there is any.
   *
   * Returns false when more than 1 MiB of the topic waits to be sent, since the broker or subscribers that block do not
   * take it as fast, or the shared memory has no room for another message of this size: the message was taken, but wait
   * for `ready` or the `drain` event before the next one. More urgent messages overtake what waits. Throws BACKPRESSURE
   * when 16 MiB of the topic wait, 256 MiB of all topics, or as many bytes as `reconnect.bufferBytesMax` says while the
   * connection is away; BAD_TOPIC, TOPIC_RESERVED, ENCODE_FAILED, MESSAGE_TOO_LARGE.
   */
  publish(topic: string, data?: unknown, options?: PublishOptions): boolean {
    if (this.#session.isClosed) throw closedError()
    return this.#session.publisher.publish(topic, data, options)
  }

  /**
   * Lends memory for one message: `byteLength` bytes, or a typed array of this element type and shape. Where there
   * is shared memory for it, subscribers read the message where it was written, and nothing of it is copied. Waits,
   * in turn with others, for that memory to be there and free; elsewhere gives ordinary memory at once.
   *
   * Publish or discard every loan: the memory behind it waits for it. Rejects with CANCELLED by the signal,
   * DISCONNECTED when the connection is lost meanwhile, BAD_TOPIC, TOPIC_RESERVED, MESSAGE_TOO_LARGE.
   */
  loan(topic: string, byteLength: number, options?: LoanOptions): Promise<Loan<undefined>>
  loan<D extends Dtype>(
    topic: string,
    layout: LoanLayout<D>,
    options?: LoanOptions,
  ): Promise<Loan<ArrayOf<D>>>
  async loan(topic: string, size: number | LoanLayout, options: LoanOptions = {}): Promise<Loan> {
    if (this.#session.isClosed) throw closedError()
    checkLoanOptions(options)
    return await this.#session.loans.take(topic, size, options.signal)
  }

  /** Resolves when the topic may be published again after `publish` returned false, and at once otherwise. */
  async ready(topic: string): Promise<void> {
    if (this.#session.isClosed) throw closedError()
    await this.#session.publisher.ready(topic)
  }

  /**
   * Resolves once the broker has routed everything that was published before, also what blocking subscriptions hold
   * back for now. Rejects with DISCONNECTED when
   * the connection was lost since the last flush, for then some of it may be lost.
   */
  async flush(): Promise<void> {
    if (this.#session.isClosed) throw closedError()
    await this.#session.publisher.flush(this.#session.barriers)
  }

  /**
   * Subscribes to a topic or a pattern (`*` stands for one token, `>` at the end for one or more). Messages go
   * to the handler, in order and one at a time unless `concurrency` says otherwise, the most urgent first; a
   * handler that returns a promise is done when that settles. Without a handler, iterate over the subscription.
   *
   * A handler that fails is reported by the `error` event; the subscription goes on. Throws BAD_PATTERN.
   */
  subscribe<T = unknown>(pattern: string, handler: MessageHandler<T>): Subscription<T>
  subscribe<T = unknown>(
    pattern: string,
    options?: SubscribeOptions,
    handler?: MessageHandler<T>,
  ): Subscription<T>
  subscribe<T>(
    pattern: string,
    optionsOrHandler: SubscribeOptions | MessageHandler<T> = {},
    lastHandler?: MessageHandler<T>,
  ): Subscription<T> {
    const [options, handler] =
      typeof optionsOrHandler === 'function' ? [{}, optionsOrHandler] : [optionsOrHandler, lastHandler]
    checkSubscribeOptions(options)
    if (handler !== undefined) checkFunction('handler', handler)
    this.#checkNewMember(pattern)
    const { budget, registry } = this.#session
    const settings = subscriptionSettings(pattern, options)
    const id = registry.nextId()
    const member =
      handler === undefined
        ? new IteratedSubscription<T>(this.#session, budget, id, settings)
        : new HandledSubscription<T>(this.#session, budget, id, settings, handler)
    registry.add(member)
    return new Subscription<T>(member)
  }

  /**
   * Subscribes, and gives the messages as a Readable, so that `pipeline` holds publishers up by what is written at its
   * end. Nothing comes before somebody reads. It outlives a lost connection, and ends when the client is closed. There
   * are no views, since streams keep messages for longer than those last. Throws BAD_PATTERN.
   */
  createReadStream<T = unknown>(pattern: string, options: ReadStreamOptions = {}): MessageStream<T> {
    checkReadStreamOptions(options)
    this.#checkNewMember(pattern)
    const { budget, registry } = this.#session
    const settings = subscriptionSettings(pattern, options)
    return new MessageStream<T>(options.highWaterMark ?? 0, (sink) => {
      const member = new StreamedSubscription<T>(this.#session, budget, registry.nextId(), settings, sink)
      registry.add(member)
      return member
    })
  }

  /**
   * A Writable that publishes what is written to it on one topic, with these options: it waits where `publish` returns
   * false or throws BACKPRESSURE, and finishes once the broker has routed everything. What else `publish` throws, and a
   * `flush` that rejects, destroys it. A message of a read stream is published as it came. Throws BAD_TOPIC,
   * TOPIC_RESERVED.
   */
  createWriteStream(topic: string, options: WriteStreamOptions = {}): TopicStream {
    if (this.#session.isClosed) throw closedError()
    checkWriteStreamOptions(options)
    checkTopic(topic)
    if (isReserved(topic)) throw reservedError(topic)
    const { highWaterMark = WRITE_STREAM_MESSAGES, ...publishOptions } = options
    const plain = Object.keys(publishOptions).length === 0
    return new TopicStream(topic, highWaterMark, this, plain ? undefined : publishOptions)
  }

  /**
   * Asks whoever serves the topic, and resolves with the reply. Rejects with NO_RESPONDERS at once when nobody
   * serves it, RESPONDER_LOST when the responder dies, TIMEOUT (5 s by default), CANCELLED by the signal,
   * DISCONNECTED when the connection is lost, HANDLER_ERROR with the message of an error in the handler, or the
   * code of a RingbusError that the handler threw. A request made while the connection is away waits for it.
   */
  request<Reply = unknown>(
    topic: string,
    data?: unknown,
    options: RequestOptions = NO_OPTIONS,
  ): Promise<Message<Reply>> {
    if (this.#session.isClosed) return Promise.reject(closedError())
    return this.#session.requester.request(topic, data, options) as Promise<Message<Reply>>
  }

  /**
   * Asks for a stream of replies. The request is made at the first step of the iteration; the service is held
   * back while 256 KiB are not fetched; `break` cancels it. Steps throw what `request` rejects with; `timeout`
   * is the longest wait for a part.
   */
  requestStream<Reply = unknown>(
    topic: string,
    data?: unknown,
    options: RequestOptions = NO_OPTIONS,
  ): AsyncIterableIterator<Message<Reply>> {
    if (this.#session.isClosed) throw closedError()
    return this.#session.requester.requestStream(topic, data, options) as AsyncIterableIterator<
      Message<Reply>
    >
  }

  /**
   * Answers requests to a topic or pattern. What the handler returns, or resolves to, is the reply; an async
   * generator answers `requestStream`. An error goes to the requester. Services of the same topic share the
   * requests, and each handles up to `concurrency` at a time, the most urgent first. Throws BAD_PATTERN.
   */
  serve<T = unknown, Reply = unknown>(
    pattern: string,
    handler: ServiceHandler<T, Reply>,
    options: ServeOptions = {},
  ): Service {
    checkServeOptions(options)
    checkFunction('handler', handler)
    this.#checkNewMember(pattern)
    const { sender, calls, registry } = this.#session
    const settings = {
      pattern,
      concurrency: options.concurrency ?? SERVICE_CONCURRENCY_DEFAULT,
      view: options.view ?? false,
    }
    const member = new ServiceMember(this.#session, sender, calls, registry.nextId(), settings, handler)
    registry.add(member)
    return new Service(member)
  }

  /** Listens to an event of the client. An `error` that nobody listens to becomes a warning of the process. */
  on<Name extends keyof ClientEvents>(name: Name, listener: ClientEvents[Name]): this {
    this.#session.events.on(name, listener)
    return this
  }

  /** The same for one time. */
  once<Name extends keyof ClientEvents>(name: Name, listener: ClientEvents[Name]): this {
    this.#session.events.once(name, listener)
    return this
  }

  off<Name extends keyof ClientEvents>(name: Name, listener: ClientEvents[Name]): this {
    this.#session.events.off(name, listener)
    return this
  }

  /** The path of the broker's socket. */
  get path(): string {
    return this.#session.path
  }

  /** Whether there is a connection at the moment. */
  get isConnected(): boolean {
    return this.#session.outbox.isConnected
  }

  /** Resolves when the client is closed for good: with undefined if the program closed it, else with the reason. */
  get closed(): Promise<RingbusError | undefined> {
    return this.#session.closed
  }

  /** Ends every subscription after what the broker still has for it, lets handlers end, then closes as `close` does. */
  async drain(options: CloseOptions = {}): Promise<void> {
    await this.#close(options, true)
  }

  /**
   * Stops services after the requests that they were given, waits for handlers that run and until the broker has
   * routed what was published, then closes. Messages that wait for a handler are dropped. What takes longer than
   * `timeout` is given up, with an `error` event.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    await this.#close(options, false)
  }

  /** Closes at once. What waits to be sent or handled is lost; requests fail with CLOSED. */
  destroy(): void {
    this.#session.destroy()
  }

  [dispose](): void {
    void this.close()
  }

  async [asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(options: CloseOptions, drain: boolean): Promise<void> {
    checkOptions('the options of close', options, ['timeout'])
    await this.#session.close(timeoutMs('timeout', options.timeout, CLOSE_TIMEOUT_DEFAULT_MS), drain)
  }

  #checkNewMember(pattern: unknown): void {
    if (!this.#session.isRunning) throw closedError()
    const fault = typeof pattern === 'string' ? patternFault(pattern) : `it is of type ${typeof pattern}`
    if (fault === undefined) return
    throw new RingbusError('BAD_PATTERN', `${JSON.stringify(pattern)} is no pattern: ${fault}`)
  }
}

function closedError(): RingbusError {
  return new RingbusError('CLOSED', 'The client is closed')
}

function subscriptionSettings(pattern: string, options: SubscribeOptions): SubscriptionSettings {
  const { group, concurrency = 1, view = false, overflow, backlogMessagesMax, backlogBytesMax } = options
  const retained = options.retained ?? group === undefined
  return { pattern, group, concurrency, view, overflow, backlogMessagesMax, backlogBytesMax, retained }
}
