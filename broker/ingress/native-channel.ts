import { Socket } from 'node:net'
import { controlFrame, Kind } from '../../protocol/index.js'
import { descriptorOf, type NativeHost, type PairHandle, PairStream } from '../../shmring/index.js'
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

/** What a pair is read into, a piece at a time that is still in the cache when it is dealt with. */
const PAIR_READ_BUFFER = READ_BUFFER.subarray(0, 64 * 1024)

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
 *
 * Once a pair of rings has taken over, the socket brings single bytes, which say that it is time to look there, and
 * the end of the stream: what the client had written by then is read on.
 */
export class NativeChannel implements Channel {
  onWritable: () => void = () => {}
  readonly takesPair = true
  carriedBytes = 0
  readonly #native: NativeHost
  readonly #events: ChannelEvents
  readonly #fd: number
  readonly #pieceBytesMin: number
  #socket: Socket
  #state: 'open' | 'draining' | 'ended' = 'open'
  /** What Node writes from, given back when it has. */
  readonly #rests: Buffer[] = []
  /** Node has bytes to write: what follows must queue behind them. */
  #waiting = false
  #pair: PairStream | undefined
  /** What waits for room in the pair, given back when it has left. */
  readonly #pairRests: Buffer[] = []
  #endsWhenWritten = false

  /**
   * Takes over a connection that has not been read from, and destroys the socket it came as. Pieces of `pieceBytesMin`
   * count for `carriedBytes`.
   */
  constructor(
    accepted: Socket,
    fd: number,
    native: NativeHost,
    events: ChannelEvents,
    pieceBytesMin: number,
  ) {
    this.#native = native
    this.#events = events
    this.#pieceBytesMin = pieceBytesMin
    this.#fd = native.duplicate(fd)
    native.setSendBuffer(this.#fd, SEND_BUFFER_BYTES)
    accepted.destroy()
    this.#socket = this.#read(this.#fd, true)
  }

  write(bytes: Buffer): boolean {
    // A destroyed socket has given its descriptor back, and another connection may have it by now.
    if (this.#state !== 'open' || this.#socket.destroyed) return true
    if (this.#pair !== undefined) return this.#writeToPair(this.#pair, bytes)
    this.#count(bytes.length)
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
    this.#socket.write(lasting(bytes.subarray(sent), this.#rests), this.#written)
    return false
  }

  pair(pair: PairHandle, ringBytes: number): void {
    this.write(controlFrame(Kind.PAIRED, 0, 0))
    this.#pair = new PairStream(this.#native, pair, ringBytes, {
      memory: () => PAIR_READ_BUFFER,
      data: (chunk) => this.#events.data(chunk),
      written: () => this.#pairWritten(),
      spoilt: (error) => this.#events.spoilt(`Its pair of rings is spoilt: ${error.message}`),
      descriptor: () => (this.#state === 'open' && !this.#socket.destroyed ? this.#fd : undefined),
    })
    // A ring of the bell must not overtake what Node still has to write.
    if (!this.#waiting) this.#pair.start()
  }

  grant(send: (socketFd: number) => boolean): boolean {
    return this.#state === 'open' && !this.#socket.destroyed && !this.#waiting && send(this.#fd)
  }

  end(): void {
    if (this.#pair !== undefined && this.#pair.waitingBytes > 0) this.#endsWhenWritten = true
    else this.#socket.end()
  }

  destroy(): void {
    this.#pair?.close()
    this.#socket.destroy()
  }

  #writeToPair(pair: PairStream, bytes: Buffer): boolean {
    const written = pair.write(bytes)
    if (written < bytes.length) pair.wait(lasting(bytes.subarray(written), this.#pairRests))
    return pair.waitingBytes === 0
  }

  #pairWritten(): void {
    giveBack(this.#pairRests)
    if (this.#endsWhenWritten) this.#socket.end()
    else if (!this.#waiting) this.onWritable()
  }

  #count(byteCount: number): void {
    if (byteCount >= this.#pieceBytesMin) this.carriedBytes += byteCount
  }

  #read(fd: number, writable: boolean): Socket {
    const socket = new Socket({
      fd,
      readable: true,
      writable,
      onread: {
        buffer: READ_BUFFER,
        callback: (byteCount: number) => {
          if (this.#pair === undefined) {
            this.#count(byteCount)
            this.#events.data(READ_BUFFER.subarray(0, byteCount))
          }
          this.#pair?.look()
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
      giveBack(this.#rests)
      this.#pair?.start()
      this.#pair?.look()
      if (this.#pair === undefined || this.#pair.waitingBytes === 0) this.onWritable()
    }
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
    // Also when the answer to PAIRED has never left.
    this.#pair?.start()
    this.#pair?.drain()
    this.#pair?.close()
    this.#events.ended()
  }
}

/** Bytes that may wait: a copy, if they lie in memory that is used again; a large one is noted in `rests`. */
function lasting(bytes: Buffer, rests: Buffer[]): Buffer {
  if (!isTransient(bytes)) return bytes
  if (bytes.length < RESTS.bytes / 8 || bytes.length > RESTS.bytes) return Buffer.from(bytes)
  const rest = RESTS.take()
  rests.push(rest)
  rest.set(bytes)
  return rest.subarray(0, bytes.length)
}

function giveBack(rests: Buffer[]): void {
  for (const rest of rests) RESTS.give(rest)
  rests.length = 0
}
