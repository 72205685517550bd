import type { Socket } from 'node:net'
import {
  controlFrame,
  FrameDecoder,
  type FrameSink,
  isErrorCode,
  Kind,
  PAYLOAD_BYTES_CEILING,
  RingbusError,
} from '../../protocol/index.js'
import { loadNative, type NativeHost, type PairHandle, PairStream } from '../../shmring/index.js'
import { CARRIED_BYTES_MAX, ReadBlocks } from '../inbound/read-memory.js'
import type { Outlet } from '../outbound/outbox.js'
import type { SharingLink } from '../rings/ring-connection.js'
import type { ConnectedSocket } from './socket.js'

/** Who takes what comes over a link. */
export interface LinkListener extends FrameSink {
  /** Everything that was read at once has been handed over. */
  readEnd(): void
  /** The system has taken everything that was written. */
  drained(): void
  /** The link has ended, and not because this side closed it. */
  lost(error: RingbusError): void
}

/**
 * One connection to the broker: frames over a socket, or over a pair of rings beside it. The only place that knows which.
 * Once the pair has taken over, the socket brings single bytes, which say that it is time to look there, and the end.
 *
 *   open ──(the broker ends its side)──> closed              and so does this side
 *   open ──(the same, while held)──> lingering ──(let go)──> closed
 *   open ──end, destroy──> closed
 */
export class Link implements Outlet, SharingLink {
  readonly #socket: Socket
  readonly #native: NativeHost | undefined
  readonly #descriptor: number
  #listener: LinkListener
  readonly #decoder: FrameDecoder
  #state: 'open' | 'lingering' | 'closed' = 'open'
  #isHeld = false
  #pair: PairStream | undefined
  #cause: Error | undefined

  constructor({ socket, reader, descriptor }: ConnectedSocket, listener: LinkListener) {
    this.#socket = socket
    this.#native = descriptor === undefined ? undefined : loadNative()
    this.#descriptor = descriptor ?? -1
    this.#listener = listener
    // The broker is trusted with memory: its user was checked.
    this.#decoder = new FrameDecoder(listener, { from: 'broker', payloadBytesMax: PAYLOAD_BYTES_CEILING })
    reader.read = (chunk) => this.#read(chunk)
    socket.on('drain', () => this.#drained())
    socket.on('error', (error) => {
      this.#cause = error
    })
    socket.on('end', () => this.#ended())
    socket.on('close', () => this.#closed())
  }

  /** Hands what comes from now on to somebody else. */
  set listener(listener: LinkListener) {
    this.#listener = listener
    this.#decoder.sink = listener
  }

  get #isOpen(): boolean {
    return this.#state === 'open'
  }

  get queuedBytes(): number {
    return this.#socket.writableLength + (this.#pair?.waitingBytes ?? 0)
  }

  /**
   * By way of the addon, bytes go straight to the kernel, which says at once how many it took; only the rest is
   * copied and left to Node. So the memory may always be written again.
   */
  write(bytes: Buffer): boolean {
    if (this.#native === undefined) return this.borrow(bytes)
    const unsent = this.#send(this.#native, bytes)
    if (unsent !== undefined) this.#keep(Buffer.from(unsent))
    return true
  }

  /** The same without a copy. */
  borrow(bytes: Buffer): boolean {
    const unsent = this.#native === undefined ? bytes : this.#send(this.#native, bytes)
    if (unsent === undefined) return true
    this.#keep(unsent)
    return this.queuedBytes === 0
  }

  pair(pair: PairHandle, ringBytes: number): void {
    this.write(controlFrame(Kind.PAIRED, 0, 0))
    const blocks = new ReadBlocks()
    this.#pair = new PairStream(this.#native!, pair, ringBytes, {
      memory: () => blocks.room,
      data: (chunk) => {
        this.#dealWith(blocks.read(chunk.length))
        blocks.leave(this.#decoder.leftBytes)
      },
      written: () => this.#written(),
      spoilt: (error) => this.#socket.destroy(error),
      descriptor: () => (this.#socket.destroyed ? undefined : this.#descriptor),
    })
  }

  paired(): void {
    if (this.#pair === undefined) throw new RingbusError('UNEXPECTED_FRAME', 'PAIRED was not asked for')
    this.#decoder.skipRest()
    this.#decoder.leftBytesMax = CARRIED_BYTES_MAX
    this.#pair.start()
  }

  /** What is left for Node to send of these bytes; undefined: nothing. */
  #send(native: NativeHost, bytes: Buffer): Buffer | undefined {
    const socket = this.#socket
    if (this.#pair !== undefined) {
      const written = this.#pair.write(bytes)
      return written < bytes.length ? bytes.subarray(written) : undefined
    }
    // A destroyed socket has given its descriptor back, and something else may have it by now.
    if (socket.destroyed) return undefined
    const sent = socket.writableLength > 0 ? 0 : native.send(this.#descriptor, bytes)
    // When nobody reads any longer, what the broker sent before is read on, to the end of the stream.
    return sent >= 0 && sent < bytes.length ? bytes.subarray(sent) : undefined
  }

  /** Has bytes leave later, behind others. */
  #keep(bytes: Buffer): void {
    if (this.#pair === undefined) this.#socket.write(bytes)
    else this.#pair.wait(bytes)
  }

  /** Sends what is written, then closes. */
  end(): void {
    this.#state = 'closed'
    if (this.#pair === undefined || this.#pair.waitingBytes === 0) this.#socket.end()
  }

  /** The pair has room for all that waited. */
  #written(): void {
    if (this.#state === 'closed') this.#socket.end()
    else this.#drained()
  }

  /** What was lent is given back only when nothing of it waits, neither for the socket nor for the pair. */
  #drained(): void {
    if (this.queuedBytes === 0) this.#listener.drained()
  }

  /** Until `letGo`, the end of the broker's side does not bring that of this one. */
  hold(): void {
    this.#isHeld = true
  }

  letGo(): void {
    this.#isHeld = false
    if (this.#state === 'lingering') this.destroy()
  }

  /** Closes at once. */
  destroy(): void {
    this.#state = 'closed'
    this.#pair?.close()
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    if (this.#pair?.isReading !== true) this.#dealWith(chunk)
    this.#pair?.look()
  }

  #dealWith(chunk: Buffer): void {
    // What still comes is read all the same, or the end of the stream would not be seen.
    if (!this.#isOpen) return
    const fault = this.#decoder.push(chunk)
    if (!this.#isOpen) return
    this.#listener.readEnd()
    if (fault === undefined) return
    this.#cause = new RingbusError(fault.code, `The broker sent what cannot be read: ${fault.message}`)
    if (this.#isHeld) this.#linger()
    else this.#socket.destroy()
  }

  /** The broker has ended its side. */
  #ended(): void {
    this.#pair?.drain()
    if (this.#isOpen && this.#isHeld) this.#linger()
    else if (this.#state !== 'lingering') this.#socket.end()
  }

  /** This side stays open for as long as somebody reads what the broker keeps for it. */
  #linger(): void {
    this.#state = 'lingering'
    this.#socket.unref()
    this.#listener.lost(lossOf(this.#cause))
  }

  #closed(): void {
    // After a failed read, there may be more than `end` has found.
    this.#pair?.drain()
    this.#pair?.close()
    const wasOpen = this.#isOpen
    this.#state = 'closed'
    if (wasOpen) this.#listener.lost(lossOf(this.#cause))
  }
}

function lossOf(cause: Error | undefined): RingbusError {
  if (cause instanceof RingbusError && isErrorCode(cause.code)) {
    return new RingbusError('DISCONNECTED', `The connection was given up: ${cause.message}`, { cause })
  }
  const reason = cause === undefined ? 'the broker closed it' : cause.message
  return new RingbusError('DISCONNECTED', `The connection to the broker was lost: ${reason}`, { cause })
}
