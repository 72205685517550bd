import { BLOCK_BYTES, takeBlock } from './blocks.js'

/** The first block is small, for most queues stay short; each further one is twice as large, up to the last. */
const BLOCK_BYTES_MIN = 1024

/**
 * A first-in first-out queue of whole frames, copied one behind another into blocks. A frame's own length says
 * where the next one starts, so that an entry costs nothing beyond its bytes:
 *
 *   blocks[0]                        blocks[1]                 blocks[n]
 *   | taken | frame | frame |        | frame | frame | … |     | frame | free      |
 *           ^ headStart     ^ headEnd
 *
 * Empty means that there is no block. No frame spans blocks; what is larger than a block has one of its own.
 * A block is not written again before whoever took its last frame gives it back.
 */
export class FrameQueue {
  #blocks: Buffer[] = []
  /** Where the frames of each block end. */
  #ends: number[] = []
  #first = 0
  #headStart = 0
  #blockBytes = BLOCK_BYTES_MIN

  get isEmpty(): boolean {
    return this.#first === this.#blocks.length
  }

  /** The block that holds the next frames; only while the queue is not empty. */
  get head(): Buffer {
    return this.#blocks[this.#first]!
  }

  /** Where the next frame starts within its block. */
  get headStart(): number {
    return this.#headStart
  }

  /** Where the last frame of that block ends. */
  get headEnd(): number {
    return this.#ends[this.#first]!
  }

  /** Appends a copy of the whole frames between `start` and `end`, padding included. */
  push(bytes: Buffer, start: number, end: number): void {
    const size = end - start
    const last = this.#blocks.length - 1
    let block = this.#blocks[last]
    let used = this.#ends[last] ?? 0
    if (this.isEmpty || block === undefined || block.length - used < size) {
      block = this.#addBlock(size)
      used = 0
    }
    bytes.copy(block, used, start, end)
    this.#ends[this.#ends.length - 1] = used + size
  }

  /** Takes off the frames of the head block that end at `start`; returns the block if it is used up. */
  takeUntil(start: number): Buffer | undefined {
    this.#headStart = start
    if (start < this.headEnd) return undefined
    const usedUp = this.head
    this.#blocks[this.#first] = EMPTY_BLOCK
    this.#first += 1
    this.#headStart = 0
    if (this.#first === this.#blocks.length) this.#reset()
    else if (this.#first > 32 && this.#first * 2 > this.#blocks.length) this.#compact()
    return usedUp
  }

  #addBlock(size: number): Buffer {
    // Large frames must not make every later block large.
    const bytes = Math.max(size, this.#blockBytes)
    const block = bytes === BLOCK_BYTES ? takeBlock() : Buffer.allocUnsafeSlow(bytes)
    if (this.#blockBytes < BLOCK_BYTES) this.#blockBytes *= 2
    this.#blocks.push(block)
    this.#ends.push(0)
    return block
  }

  #compact(): void {
    this.#blocks.splice(0, this.#first)
    this.#ends.splice(0, this.#first)
    this.#first = 0
  }

  #reset(): void {
    this.#blocks = []
    this.#ends = []
    this.#first = 0
    this.#blockBytes = BLOCK_BYTES_MIN
  }
}

const EMPTY_BLOCK = Buffer.alloc(0)
