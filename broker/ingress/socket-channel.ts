import { Socket } from 'node:net'
import type { NativeHost } from '../../shmring/index.js'
import type { Channel } from '../egress/channel.js'
import { descriptorOf } from './descriptor.js'

export interface SocketEvents {
  data(chunk: Buffer): void
  /** Nothing more comes: the client hung up, or was lost. Called once. */
  ended(): void
}

/**
 * The stream to and from one client. When a write meets a dead peer, Node throws away what the peer had sent and
 * nobody had read. Here the descriptor is duplicated first and read on to its end, so that what a client sent
 * before it died arrives; without the addon it is lost.
 *
 *   open ──(a write fails)──> draining ──(end of stream)──> ended
 *   open ──(end of stream)──> ended
 */
export class SocketChannel implements Channel {
  onWritable: () => void = () => {}
  readonly #socket: Socket
  readonly #native: NativeHost | undefined
  readonly #events: SocketEvents
  #state: 'open' | 'draining' | 'ended' = 'open'
  #waiting = false
  #rest: Socket | undefined

  constructor(socket: Socket, native: NativeHost | undefined, events: SocketEvents) {
    this.#socket = socket
    this.#native = native
    this.#events = events
    // Both 'end' and 'close' may come, in an order that depends on how the peer went.
    socket.on('data', (chunk) => events.data(chunk))
    socket.on('end', () => this.#ended('open'))
    socket.on('close', () => this.#ended('open'))
    // A failed read means the same as the end of the stream, which follows as 'close'.
    socket.on('error', () => {})
  }

  write(bytes: Buffer): boolean {
    if (this.#state !== 'open') return true
    this.#socket.write(bytes, this.#written)
    this.#waiting = this.#socket.writableLength > 0
    return !this.#waiting
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
    this.#rest?.destroy()
  }

  // Node calls this before it closes the handle of a socket whose write failed: the last moment to save it.
  readonly #written = (error?: Error | null): void => {
    if (error) this.#drain()
    else if (this.#waiting && this.#socket.writableLength === 0) {
      this.#waiting = false
      this.onWritable()
    }
  }

  #drain(): void {
    if (this.#state !== 'open') return
    const fd = descriptorOf(this.#socket)
    if (this.#native === undefined || fd === undefined) return
    this.#state = 'draining'
    let duplicate: number
    try {
      duplicate = this.#native.duplicate(fd)
    } catch {
      // Out of descriptors: the unread input is lost, as without the addon.
      return this.#ended('draining')
    }
    this.#socket.removeAllListeners('data')
    const rest = new Socket({ fd: duplicate, readable: true, writable: false })
    this.#rest = rest
    rest.on('data', (chunk) => this.#events.data(chunk))
    rest.on('end', () => this.#ended('draining'))
    rest.on('close', () => this.#ended('draining'))
    rest.on('error', () => {})
  }

  #ended(state: 'open' | 'draining'): void {
    if (this.#state !== state) return
    this.#state = 'ended'
    this.#events.ended()
  }
}
