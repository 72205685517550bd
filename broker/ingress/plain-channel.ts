import type { Socket } from 'node:net'
import type { Channel } from '../egress/channel.js'
import { isTransient } from '../egress/transient.js'

export interface ChannelEvents {
  /** Bytes that have come. They are the caller's again once this returns. */
  data(chunk: Buffer): void
  /** Nothing more comes: the client hung up, or was lost. Called once. */
  ended(): void
  /** The client has broken what carries the stream. */
  spoilt(message: string): void
}

/**
 * The stream to and from one client where no addon is loaded. When a write meets a dead peer, Node throws away
 * what the peer had sent and nobody had read: it is lost.
 */
export class PlainChannel implements Channel {
  onWritable: () => void = () => {}
  readonly takesPair = false
  readonly carriedBytes = 0
  readonly #socket: Socket
  readonly #events: ChannelEvents
  #state: 'open' | 'ended' = 'open'
  #waiting = false

  constructor(socket: Socket, events: ChannelEvents) {
    this.#socket = socket
    this.#events = events
    socket.on('data', (chunk) => events.data(chunk))
    // Both 'end' and 'close' come, in an order that depends on how the peer went.
    socket.on('end', () => this.#ended())
    socket.on('close', () => this.#ended())
    // A failed read means the same as the end of the stream, and 'close' follows it.
    socket.on('error', () => {})
    socket.resume()
  }

  write(bytes: Buffer): boolean {
    if (this.#state !== 'open') return true
    this.#socket.write(isTransient(bytes) ? Buffer.from(bytes) : bytes, this.#written)
    this.#waiting = this.#socket.writableLength > 0
    return !this.#waiting
  }

  grant(): boolean {
    return false
  }

  pair(): void {
    throw new Error('a channel without the addon takes no pair')
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  readonly #written = (error?: Error | null): void => {
    if (error || !this.#waiting || this.#socket.writableLength > 0) return
    this.#waiting = false
    this.onWritable()
  }

  #ended(): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#events.ended()
  }
}
