import type { Socket } from 'node:net'
import {
  FrameDecoder,
  type FrameSink,
  isErrorCode,
  PAYLOAD_BYTES_CEILING,
  RingbusError,
} from '../../protocol/index.js'
import { loadNative, type NativeHost } from '../../shmring/index.js'
import type { Outlet } from '../outbound/outbox.js'
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

/** One connection to the broker: frames over a socket. The only place that knows that it is one. */
export class Link implements Outlet {
  readonly #socket: Socket
  readonly #native: NativeHost | undefined
  readonly #descriptor: number
  #listener: LinkListener
  #decoder: FrameDecoder
  #state: 'open' | 'closed' = 'open'
  #cause: Error | undefined

  constructor({ socket, reader, descriptor }: ConnectedSocket, listener: LinkListener) {
    this.#socket = socket
    this.#native = descriptor === undefined ? undefined : loadNative()
    this.#descriptor = descriptor ?? -1
    this.#listener = listener
    // The broker is trusted with memory: its user was checked.
    const options = { from: 'broker', payloadBytesMax: PAYLOAD_BYTES_CEILING } as const
    this.#decoder = new FrameDecoder(
      { frame: (bytes, start, length) => this.#listener.frame(bytes, start, length) },
      options,
    )
    reader.read = (chunk) => this.#read(chunk)
    socket.on('drain', () => this.#listener.drained())
    socket.on('error', (error) => {
      this.#cause = error
    })
    socket.on('close', () => this.#closed())
  }

  /** Hands what comes from now on to somebody else. */
  set listener(listener: LinkListener) {
    this.#listener = listener
  }

  get #isClosed(): boolean {
    return this.#state === 'closed'
  }

  get queuedBytes(): number {
    return this.#socket.writableLength
  }

  /**
   * By way of the addon, bytes go straight to the kernel, which says at once how many it took; only the rest is
   * copied and left to Node. So the memory may always be written again.
   */
  write(bytes: Buffer): boolean {
    const socket = this.#socket
    if (this.#native === undefined) {
      socket.write(bytes)
      return socket.writableLength === 0
    }
    // A destroyed socket has given its descriptor back, and something else may have it by now.
    if (socket.destroyed) return true
    const sent = socket.writableLength > 0 ? 0 : this.#native.send(this.#descriptor, bytes)
    // When nobody reads any longer, what the broker sent before is read on, to the end of the stream.
    if (sent >= 0 && sent < bytes.length) socket.write(Buffer.from(bytes.subarray(sent)))
    return true
  }

  /** Sends what is written, then closes. */
  end(): void {
    this.#state = 'closed'
    this.#socket.end()
  }

  /** Closes at once. */
  destroy(): void {
    this.#state = 'closed'
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    // What still comes is read all the same, or the end of the stream would not be seen.
    if (this.#isClosed) return
    const fault = this.#decoder.push(chunk)
    if (this.#isClosed) return
    this.#listener.readEnd()
    if (fault === undefined) return
    this.#cause = new RingbusError(fault.code, `The broker sent what cannot be read: ${fault.message}`)
    this.#socket.destroy()
  }

  #closed(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#listener.lost(lossOf(this.#cause))
  }
}

function lossOf(cause: Error | undefined): RingbusError {
  if (cause instanceof RingbusError && isErrorCode(cause.code)) {
    return new RingbusError('DISCONNECTED', `The connection was given up: ${cause.message}`, { cause })
  }
  const reason = cause === undefined ? 'the broker closed it' : cause.message
  return new RingbusError('DISCONNECTED', `The connection to the broker was lost: ${reason}`, { cause })
}
