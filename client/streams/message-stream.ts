import { Readable } from 'node:stream'
import type { RingbusError } from '../../protocol/index.js'
import type { Message } from '../inbound/message.js'
import type { MessageSink, StreamedSubscription } from './streamed-subscription.js'

/** Makes the subscription whose messages go to a sink. */
export type Subscriber<T> = (sink: MessageSink<T>) => StreamedSubscription<T>

/**
 * The messages of a subscription as a Readable of Node, made by `createReadStream`. A message counts as handled when
 * the stream is asked for what follows it, so that whatever it is piped into holds up its publishers, as `overflow`
 * says. To destroy the stream is to unsubscribe.
 */
export class MessageStream<T = unknown> extends Readable {
  readonly #member: StreamedSubscription<T>

  /** @internal */
  constructor(highWaterMark: number, subscribe: Subscriber<T>) {
    super({ objectMode: true, highWaterMark })
    this.#member = subscribe(new StreamSink(this))
  }

  /** The pattern subscribed to. */
  get pattern(): string {
    return this.#member.pattern
  }

  /** The queue group, if it is in one. */
  get group(): string | undefined {
    return this.#member.group
  }

  /** As that of a subscription. A refusal destroys the stream with the same error, whoever asks here or not. */
  get ready(): Promise<void> {
    return this.#member.ready
  }

  /**
   * Ends the subscription after everything that the broker still has for it; then the stream ends. Resolves when all of
   * it was taken and asked beyond, which somebody must do.
   */
  async drain(): Promise<void> {
    this.#member.drain()
    await this.#member.whenEnded
    await this.#member.whenIdle()
  }

  override read(size?: number): Message<T> | null {
    // With 0 nothing is taken: Node says so to have the buffer filled.
    if (size !== 0) this.#member.askedBeyond()
    return super.read(size)
  }

  override [Symbol.asyncIterator](): NodeJS.AsyncIterator<Message<T>> {
    return super[Symbol.asyncIterator]()
  }

  /** @internal */
  override _read(): void {
    this.#member.ask()
  }

  /** @internal */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#member.abandon()
    callback(error)
  }
}

/** The inner side of a stream. */
class StreamSink<T> implements MessageSink<T> {
  readonly #stream: Readable

  constructor(stream: Readable) {
    this.#stream = stream
  }

  get waiting(): number {
    return this.#stream.readableLength
  }

  give(message: Message<T>): boolean {
    const stream = this.#stream
    let isWelcome = false
    try {
      isWelcome = stream.push(message)
    } catch (error) {
      // A listener of the stream threw: it fails as any callback of Node does, without harm to the client.
      process.nextTick(() => {
        throw error
      })
    }
    return isWelcome && stream.readableFlowing === true && stream.readableLength === 0 && !stream.destroyed
  }

  end(error: RingbusError | undefined): void {
    const stream = this.#stream
    if (error !== undefined) stream.destroy(error)
    // Later, since the stream may be in the middle of a read.
    else process.nextTick(() => !stream.destroyed && stream.push(null))
  }
}
