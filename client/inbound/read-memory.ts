import { paddedLength, readU32 } from '../../protocol/index.js'
import { Memory } from './memory.js'

/**
 * What every connection of this thread reads into. A chunk is dealt with before the next read begins, on
 * whichever connection, so one serves all, and no read allocates. Larger than what the system holds for a
 * socket by default, so that one read takes it all.
 */
export const READ_MEMORY = Buffer.allocUnsafeSlow(256 * 1024)

/** Frames that were read share blocks of this size: what one kept message keeps, and what many share the price of. */
export const BLOCK_BYTES = 32 * 1024

/** A longer frame gets memory of its own, so that others are not left with half a block. */
const SHARING_BYTES_MAX = BLOCK_BYTES / 2

/** Of a block, less is not worth another read. */
const READ_BYTES_MIN = 1024

const NO_MEMORY = new Memory(Buffer.alloc(0))

/**
 * Copies frames out of the memory that is read into, so that they may be kept. What is behind the one that is asked for
 * is copied with it, as far as its block has room, since most likely it is asked for next:
 *
 *   chunk   | … | frame | frame | frame | fra…        the copied part is from `#from` to `#to`
 *   block   | earlier ones | frame | frame | fra |    and `#shift` bytes further on here
 *
 * A frame of which only the beginning was copied begins the next block.
 */
class KeptFrames {
  /** The memory that `place` spoke of last. */
  memory = NO_MEMORY
  /** Where, in the chunk, those of the frames end that `place` has put there. */
  placedEnd = 0
  #block = NO_MEMORY
  #used = BLOCK_BYTES
  #chunk = NO_MEMORY.bytes
  #from = 0
  #to = 0
  #shift = 0

  /**
   * Sees to it that frames lie in `memory`, in memory that nothing overwrites; returns where. There are whole frames
   * from `start` to `end` of the chunk, padding included; the first is placed, and those behind it up to `placedEnd`.
   */
  place(chunk: Buffer, start: number, end: number): number {
    if (chunk !== this.#chunk || start < this.#from || end > this.#to)
      return this.#placeAnew(chunk, start, end)
    this.memory = this.#block
    this.placedEnd = end
    return start + this.#shift
  }

  #placeAnew(chunk: Buffer, start: number, end: number): number {
    this.placedEnd = end
    if (chunk.buffer !== READ_MEMORY.buffer) return this.#leave(chunk, start)
    const firstEnd = start + paddedLength(readU32(chunk, start))
    const isCopied = chunk === this.#chunk && start >= this.#from && firstEnd <= this.#to
    if (!isCopied && firstEnd - start > SHARING_BYTES_MAX) {
      this.memory = new Memory(Buffer.from(chunk.subarray(start, firstEnd)))
      this.placedEnd = firstEnd
      return 0
    }
    if (!isCopied) this.#copy(chunk, start, firstEnd)
    this.memory = this.#block
    if (end > this.#to) this.placedEnd = this.#wholeUntil(chunk, firstEnd)
    return start + this.#shift
  }

  /** Nothing overwrites the chunk: its frames stay where they are. */
  #leave(chunk: Buffer, start: number): number {
    this.memory = new Memory(chunk)
    // Not for longer than need be, if it is a large one.
    if (chunk.length > BLOCK_BYTES) return start
    this.#block = this.memory
    this.#used = BLOCK_BYTES
    this.#chunk = chunk
    this.#from = 0
    this.#to = chunk.length
    this.#shift = 0
    return start
  }

  /** Where the last frame ends that was copied whole, of those that begin at `from`. */
  #wholeUntil(chunk: Buffer, from: number): number {
    let end = from
    for (;;) {
      if (end + 4 > this.#to) return end
      const next = end + paddedLength(readU32(chunk, end))
      if (next > this.#to) return end
      end = next
    }
  }

  #copy(chunk: Buffer, start: number, end: number): void {
    if (BLOCK_BYTES - this.#used < end - start) {
      this.#block = new Memory(Buffer.allocUnsafeSlow(BLOCK_BYTES))
      this.#used = 0
    }
    const at = this.#used
    const copied = chunk.copy(this.#block.bytes, at, start)
    this.#used += copied
    this.#chunk = chunk
    this.#from = start
    this.#to = start + copied
    this.#shift = at - start
  }
}

/** A frame of which only the beginning is read stays where it is, up to this size, and what follows is read behind it. */
export const CARRIED_BYTES_MAX = SHARING_BYTES_MAX

/**
 * Memory to read into that is never overwritten, in blocks as those of the frames that are kept, so that none of them
 * has to be copied:
 *
 *   block   | dealt with | the beginning of a frame | room, which is read into next |
 *                        ^ start                    ^ end
 */
export class ReadBlocks {
  #block = NO_MEMORY.bytes
  #start = 0
  #end = 0

  /** What is read into next. */
  get room(): Buffer {
    if (this.#block.length - this.#end < READ_BYTES_MIN) this.#renew()
    return this.#block.subarray(this.#end)
  }

  /** So many bytes have been read; returns them, with what was left before. */
  read(byteCount: number): Buffer {
    this.#end += byteCount
    return this.#block.subarray(this.#start, this.#end)
  }

  /** Of what was returned last, so many bytes at the end are to come again, up to `CARRIED_BYTES_MAX`. */
  leave(byteCount: number): void {
    this.#start = this.#end - byteCount
  }

  #renew(): void {
    const block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
    this.#end = this.#block.copy(block, 0, this.#start, this.#end)
    this.#start = 0
    this.#block = block
  }
}

/** One serves all, as the memory that is read into does. */
export const keptFrames = new KeptFrames()
