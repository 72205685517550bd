import { Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { RingbusError } from '../../protocol/index.js'
import { Message } from '../inbound/message.js'
import type { PublishOptions } from '../options.js'

/** What a stream needs of the client that it publishes by. */
export interface StreamPublisher {
  publish(topic: string, data: unknown, options: PublishOptions | undefined): boolean
  ready(topic: string): Promise<void>
  flush(): Promise<void>
}

/** When others have filled what may wait, `ready` of this topic may know nothing of it: there is another look then. */
const RETRY_MS = 10

type Done = (error?: Error | null) => void

/**
 * A Writable of Node that publishes what is written on one topic, made by `createWriteStream`. It is held up while the
 * topic is, and finishes once the broker has routed everything. What `publish` throws destroys it. A message of a
 * read stream is published as it came: data, encoding, headers and priority, where the options do not say otherwise.
 */
export class TopicStream extends Writable {
  /** The topic published on. */
  readonly topic: string
  readonly #publisher: StreamPublisher
  readonly #options: PublishOptions | undefined

  /** @internal */
  constructor(
    topic: string,
    highWaterMark: number,
    publisher: StreamPublisher,
    options: PublishOptions | undefined,
  ) {
    super({ objectMode: true, highWaterMark })
    this.topic = topic
    this.#publisher = publisher
    this.#options = options
  }

  /** @internal */
  override _write(data: unknown, _encoding: BufferEncoding, done: Done): void {
    let isWelcome: boolean
    try {
      isWelcome = this.#publish(data)
    } catch (error) {
      if (error instanceof RingbusError && error.code === 'BACKPRESSURE') void this.#writeLater(data, done)
      else done(error as Error)
      return
    }
    if (isWelcome) done()
    else this.#publisher.ready(this.topic).then(() => done(), done)
  }

  /** @internal */
  override _final(done: Done): void {
    this.#publisher.flush().then(() => done(), done)
  }

  #publish(data: unknown): boolean {
    if (!(data instanceof Message)) return this.#publisher.publish(this.topic, data, this.#options)
    return this.#publisher.publish(this.topic, data.data, { ...optionsOf(data), ...this.#options })
  }

  /** The message was not taken, since too much waits already. */
  async #writeLater(data: unknown, done: Done): Promise<void> {
    try {
      await this.#publisher.ready(this.topic)
    } catch (error) {
      return done(error as Error)
    }
    await delay(RETRY_MS)
    if (!this.destroyed) this._write(data, 'utf8', done)
  }
}

/** How to publish the data of a message for it to arrive as it came. */
function optionsOf({ priority, encoding, headers, shape }: Message): PublishOptions {
  return { priority, encoding, shape, headers: Object.keys(headers).length === 0 ? undefined : headers }
}
