import { BufferPool } from './buffer-pool.js'

/** The first block of a queue is small, for most stay short; each further one is twice as large, up to the last. */
export const BLOCK_BYTES_MIN = 1024
export const BLOCK_BYTES_MAX = 64 * 1024

/** Blocks of queues that were emptied, for the next ones: of the largest 8 MiB, one full backlog; a few of the others. */
class BlockPools {
  readonly #pools: BufferPool[] = []

  constructor() {
    for (let bytes = BLOCK_BYTES_MIN; bytes < BLOCK_BYTES_MAX; bytes *= 2) {
      this.#pools.push(new BufferPool(bytes, 32))
    }
    this.#pools.push(new BufferPool(BLOCK_BYTES_MAX, 128))
  }

  take(bytes: number): Buffer {
    return this.#poolFor(bytes)?.take() ?? Buffer.allocUnsafeSlow(bytes)
  }

  /** Gives a block back to which nothing refers any longer; one of a size of its own is let go. */
  give(block: Buffer): void {
    this.#poolFor(block.length)?.give(block)
  }

  /** The pool of buffers that have so many bytes, if there is one. */
  #poolFor(bytes: number): BufferPool | undefined {
    const pool = this.#pools[Math.clz32(BLOCK_BYTES_MIN) - Math.clz32(bytes)]
    return pool?.bytes === bytes ? pool : undefined
  }
}

export const BLOCKS = new BlockPools()

/** Blocks of queues that were emptied: they go back to their pool when no byte of them is still to be sent. */
export class UsedBlocks {
  readonly #blocks: Buffer[] = []

  /** `wasSent`: frames of the block were given to the channel, or are about to be, and may not have left. */
  add(block: Buffer, wasSent: boolean): void {
    if (wasSent) this.#blocks.push(block)
    else BLOCKS.give(block)
  }

  /** Everything that was sent has left. */
  release(): void {
    for (let index = 0; index < this.#blocks.length; index++) BLOCKS.give(this.#blocks[index]!)
    this.#blocks.length = 0
  }
}
