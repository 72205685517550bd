import { createConnection, type Socket } from 'node:net'
import { descriptorOf } from '../../shmring/index.js'
import { READ_MEMORY } from '../inbound/read-memory.js'

/** Takes what is read; the bytes are overwritten by the next read. */
export interface Reader {
  read(chunk: Buffer): void
}

/** A connected socket, with what reads from it. */
export interface ConnectedSocket {
  readonly socket: Socket
  /** Whoever sets `read` gets every chunk from then on. */
  readonly reader: Reader
  /** The descriptor under the socket, which Node keeps to itself; undefined where it has none. */
  readonly descriptor: number | undefined
}

/** Connects to a Unix socket; rejects with the system's error. */
export function openSocket(path: string): Promise<ConnectedSocket> {
  return new Promise((resolve, reject) => {
    const reader: Reader = { read: () => {} }
    const options = {
      path,
      // The end of this side tells the broker that nobody reads its segments any more: see `Link.hold`.
      allowHalfOpen: true,
      // With a mark of 1, every write that the system does not take at once is followed by a `drain`.
      writableHighWaterMark: 1,
      onread: {
        buffer: READ_MEMORY,
        callback: (byteCount: number) => {
          reader.read(READ_MEMORY.subarray(0, byteCount))
          return true
        },
      },
    }
    const socket = createConnection(options)
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve({ socket, reader, descriptor: descriptorOf(socket) })
    })
  })
}
