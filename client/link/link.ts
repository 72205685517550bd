import type { Socket } from 'node:net'
import {
  FrameDecoder,
  type FrameSink,
  isErrorCode,
  PAYLOAD_BYTES_CEILING,
  RingbusError,
} from '../../protocol/index.js'
import type { Outlet } from '../outbound/outbox.js'

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
  #listener: LinkListener
  #decoder: FrameDecoder
  #state: 'open' | 'closed' = 'open'
  #cause: Error | undefined

  constructor(socket: Socket, listener: LinkListener) {
    this.#socket = socket
    this.#listener = listener
    // The broker is trusted with memory: its user was checked.
    const options = { from: 'broker', payloadBytesMax: PAYLOAD_BYTES_CEILING } as const
    this.#decoder = new FrameDecoder(
      { frame: (bytes, start, length) => this.#listener.frame(bytes, start, length) },
      options,
    )
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
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

  get queuedBytes(): number {
    return this.#socket.writableLength
  }

  write(bytes: Buffer): boolean {
    this.#socket.write(bytes)
    // When the system has taken everything at once, the memory may be written again.
    return this.#socket.writableLength === 0
  }

  /** Sends what is written, then closes. */
  end(): void {
    this.#state = 'closed'
    this.#socket.end()
    // What the broker still sends is read and dropped, or its end would not be seen.
    this.#socket.removeAllListeners('data')
    this.#socket.resume()
  }

  /** Closes at once. */
  destroy(): void {
    this.#state = 'closed'
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    const fault = this.#decoder.push(chunk)
    if (this.#state === 'closed') return
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
