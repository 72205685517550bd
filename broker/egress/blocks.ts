import { BufferPool } from './buffer-pool.js'

/** Bytes of the blocks that queues which grow are made of. */
export const BLOCK_BYTES_MAX = 64 * 1024

/** Blocks of queues that grew, for the next one: 8 MiB, one full backlog. */
export const BLOCKS = new BufferPool(BLOCK_BYTES_MAX, 128)

/** Blocks of queues that were emptied: they go back to the pool when no byte of them is still to be sent. */
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
