import { Socket } from 'node:net'
import { descriptorOf, type NativeHost } from '../../shmring/index.js'
import { BufferPool } from '../egress/buffer-pool.js'
import type { Channel } from '../egress/channel.js'
import { isTransient, markTransient } from '../egress/transient.js'
import type { ChannelEvents } from './plain-channel.js'

/**
 * Every socket reads into this one buffer: a chunk is dealt with before the next read begins, wherever that is.
 * Larger than what the kernel holds for a socket by default, so that one read takes it all.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024)
markTransient(READ_BUFFER)

/** For a large part of a read that a socket did not take; a small one is copied, so that it keeps no more than itself. */
const RESTS = new BufferPool(READ_BUFFER.length, 32)

/**
 * Room for bytes on their way to a client. The usual 208 KiB are less than a client reads at once, so that broker and
 * client would take turns instead of working side by side; an unprivileged process usually gets twice that.
 */
const SEND_BUFFER_BYTES = 512 * 1024

/**
 * The stream to and from one client by way of the addon. Bytes go straight to the kernel, which says at once how
 * many it took; the rest is left to Node to write.
 *
 * A client that is gone may have sent what nobody has read yet. A write of the addon's that finds out changes
 * nothing: Node reads on to the end of the stream. A write of Node's would throw the unread input away, so the
 * descriptor is duplicated at that moment, and read on.
 *
 *   open ──(a write finds the peer gone)──> draining ──(end of stream)──> ended
 *   open ──(end of stream)──> ended
 */
export class NativeChannel implements Channel {
  onWritable: () => void = () => {}
  readonly #native: NativeHost
  readonly #events: ChannelEvents
  readonly #fd: number
  #socket: Socket
  #state: 'open' | 'draining' | 'ended' = 'open'
  /** What Node writes from, given back when it has. */
  readonly #rests: Buffer[] = []
  /** Node has bytes to write: what follows must queue behind them. */
  #waiting = false

  /** Takes over a connection that has not been read from, and destroys the socket it came as. */
  constructor(accepted: Socket, fd: number, native: NativeHost, events: ChannelEvents) {
    this.#native = native
    this.#events = events
    this.#fd = native.duplicate(fd)
    native.setSendBuffer(this.#fd, SEND_BUFFER_BYTES)
    accepted.destroy()
    this.#socket = this.#read(this.#fd, true)
  }

  write(bytes: Buffer): boolean {
    // A destroyed socket has given its descriptor back, and another connection may have it by now.
    if (this.#state !== 'open' || this.#socket.destroyed) return true
    let sent = 0
    if (!this.#waiting) {
      sent = this.#native.send(this.#fd, bytes)
      if (sent === bytes.length) return true
      if (sent < 0) {
        this.#state = 'draining'
        return true
      }
    }
    this.#waiting = true
    this.#socket.write(this.#lasting(bytes.subarray(sent)), this.#written)
    return false
  }

  grant(send: (socketFd: number) => boolean): boolean {
    return this.#state === 'open' && !this.#socket.destroyed && !this.#waiting && send(this.#fd)
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #read(fd: number, writable: boolean): Socket {
    const socket = new Socket({
      fd,
      readable: true,
      writable,
      onread: {
        buffer: READ_BUFFER,
        callback: (byteCount: number) => {
          this.#events.data(READ_BUFFER.subarray(0, byteCount))
          return true
        },
      },
    } as ConstructorParameters<typeof Socket>[0])
    // Both 'end' and 'close' come, in an order that depends on how the peer went.
    socket.on('end', () => this.#ended(socket))
    socket.on('close', () => this.#ended(socket))
    // A failed read means the same as the end of the stream, and 'close' follows it.
    socket.on('error', () => {})
    return socket
  }

  // Node calls this before it closes the handle of a socket whose write failed: the last moment to save it.
  readonly #written = (error?: Error | null): void => {
    if (error) this.#drain()
    else if (this.#socket.writableLength === 0) {
      this.#waiting = false
      for (const rest of this.#rests) RESTS.give(rest)
      this.#rests.length = 0
      this.onWritable()
    }
  }

  /** Bytes that may wait: a copy, if they lie in memory that is used again. */
  #lasting(bytes: Buffer): Buffer {
    if (!isTransient(bytes)) return bytes
    if (bytes.length < RESTS.bytes / 8 || bytes.length > RESTS.bytes) return Buffer.from(bytes)
    const rest = RESTS.take()
    this.#rests.push(rest)
    rest.set(bytes)
    return rest.subarray(0, bytes.length)
  }

  #drain(): void {
    const fd = descriptorOf(this.#socket)
    if (this.#state !== 'open' || fd === undefined) return
    this.#state = 'draining'
    try {
      this.#socket = this.#read(this.#native.duplicate(fd), false)
    } catch {
      // Out of descriptors: the unread input is lost, and the 'close' of the socket ends the session.
    }
  }

  #ended(socket: Socket): void {
    if (this.#state === 'ended' || socket !== this.#socket) return
    this.#state = 'ended'
    this.#events.ended()
  }
}
