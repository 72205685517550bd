import { once } from 'node:events'
import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { NS_PER_MS, nowNs } from '../clock.js'
import { StreamFault } from '../stream-fault.js'
import { checkPayload, newPayload, stampPayload } from '../stream-payload.js'

/*
 * What this machine gives without ringbus: two processes of Node with a Unix socket between them, and nothing else.
 */

export interface EchoOrder {
  readonly path: string
  readonly payloadBytes: number
  readonly durationMs: number
}

export interface PiecesOrder {
  readonly path: string
  readonly pieceBytes: number
  readonly durationMs: number
}

export interface Written {
  readonly bytes: number
  readonly startNs: number
}

/** Sends back what it gets; or counts it, when the other side has said that it ends. */
export class FloorServer {
  readonly #server: Server

  constructor(use: 'echo' | 'count', ended: (bytes: number, endNs: number) => void) {
    this.#server = createServer((socket) => {
      let bytes = 0
      socket.on('error', () => socket.destroy())
      if (use === 'echo') socket.on('data', (chunk) => socket.write(chunk))
      else socket.on('data', (chunk) => (bytes += chunk.length)).on('end', () => ended(bytes, nowNs()))
    })
  }

  async listen(path: string): Promise<void> {
    await once(this.#server.listen(path), 'listening')
  }

  close(): void {
    this.#server.close()
  }
}

/** One payload at a time, there and back. */
export async function timeEchoes({ path, payloadBytes, durationMs }: EchoOrder): Promise<Float64Array> {
  const socket = await connected(path)
  const payload = newPayload(payloadBytes)
  const echo = Buffer.alloc(payloadBytes)
  const timesNs: number[] = []
  const endsAtNs = nowNs() + durationMs * NS_PER_MS
  try {
    await new Promise<void>((resolve, reject) => {
      let filled = 0
      let sentNs = 0
      function send(): void {
        stampPayload(payload, timesNs.length)
        sentNs = nowNs()
        socket.write(payload)
      }
      function take(chunk: Buffer): void {
        filled += chunk.copy(echo, filled)
        if (filled < payloadBytes) return
        filled = 0
        const arrivedNs = nowNs()
        checkPayload(echo, timesNs.length, payloadBytes)
        timesNs.push(arrivedNs - sentNs)
        if (arrivedNs < endsAtNs) send()
        else resolve()
      }
      socket
        .on('error', reject)
        .on('close', () => reject(new StreamFault('the echo of the bare socket ended')))
      socket.on('data', (chunk) => {
        try {
          take(chunk)
        } catch (fault) {
          reject(fault)
        }
      })
      send()
    })
  } finally {
    socket.destroy()
  }
  return Float64Array.from(timesNs)
}

/** Writes for so long as fast as the other side reads. */
export async function writePieces({ path, pieceBytes, durationMs }: PiecesOrder): Promise<Written> {
  const socket = await connected(path)
  const piece = newPayload(pieceBytes)
  const startNs = nowNs()
  const endsAtNs = startNs + durationMs * NS_PER_MS
  while (nowNs() < endsAtNs) if (!socket.write(piece)) await once(socket, 'drain')
  socket.end()
  await once(socket, 'close')
  return { bytes: socket.bytesWritten, startNs }
}

async function connected(path: string): Promise<Socket> {
  const socket = dial(path)
  await once(socket, 'connect')
  return socket
}
