import type { Channel } from './channel.js'
import { markTransient } from './transient.js'

/** A piece at least this large is not worth copying beside others. */
const LARGE_BYTES = 16 * 1024

/** What several small pieces are copied into. One serves all: a channel takes the bytes before it returns. */
const SCRATCH_BYTES = 128 * 1024
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
markTransient(scratch)

/**
 * The bytes that one client gets of the chunk being read, as slices of buffers. Frames that lie one behind
 * another join into one slice, so that a stream meant for one client passes through uncut.
 *
 *   pieces   slice, slice, …      open   bytes, from start to end      empty: no piece, and nothing open
 */
export class Gather {
  readonly #channel: Channel
  readonly #pieces: Buffer[] = []
  #open: Buffer | undefined
  #openStart = 0
  #openEnd = 0
  #closedBytes = 0

  constructor(channel: Channel) {
    this.#channel = channel
  }

  get byteLength(): number {
    return this.#closedBytes + this.#openEnd - this.#openStart
  }

  add(bytes: Buffer, start: number, end: number): void {
    if (this.#open === bytes && this.#openEnd === start) {
      this.#openEnd = end
      return
    }
    this.#close()
    this.#open = bytes
    this.#openStart = start
    this.#openEnd = end
  }

  /** Sends everything gathered. False: the channel could not take all of it at once. */
  flush(): boolean {
    if (this.#open === undefined) return true
    if (this.#pieces.length === 0) {
      const left = this.#channel.write(this.#open.subarray(this.#openStart, this.#openEnd))
      this.#clear()
      return left
    }
    this.#close()
    const left = this.#writePieces()
    this.#clear()
    return left
  }

  discard(): void {
    this.#clear()
  }

  #close(): void {
    if (this.#open === undefined) return
    this.#pieces.push(this.#open.subarray(this.#openStart, this.#openEnd))
    this.#closedBytes += this.#openEnd - this.#openStart
    this.#open = undefined
    this.#openStart = 0
    this.#openEnd = 0
  }

  #clear(): void {
    this.#pieces.length = 0
    this.#open = undefined
    this.#openStart = 0
    this.#openEnd = 0
    this.#closedBytes = 0
  }

  #writePieces(): boolean {
    let left = true
    let used = 0
    for (const piece of this.#pieces) {
      const large = piece.length >= LARGE_BYTES
      if (used > 0 && (large || used + piece.length > SCRATCH_BYTES)) {
        left = this.#writeScratch(used) && left
        used = 0
      }
      if (large) {
        left = this.#channel.write(piece) && left
      } else {
        scratch.set(piece, used)
        used += piece.length
      }
    }
    return used === 0 ? left : this.#writeScratch(used) && left
  }

  #writeScratch(used: number): boolean {
    return this.#channel.write(scratch.subarray(0, used))
  }
}
