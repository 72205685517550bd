import { type FrameMemory, frameMemory } from '../../protocol/index.js'

/** A block of a queue that has grown, and what is handed over at a time: a write that keeps the system busy for a while. */
export const BLOCK_BYTES_MAX = 64 * 1024

/** Blocks up to this size share memory, since most queues never get another one. */
const SHARING_BYTES_MAX = 1024

/** What one small block that stays keeps in memory. */
const SHARED_BYTES = 8 * 1024

/** Blocks of full size that are kept for the next queue: as much as two topics at the mark where they should pause. */
const KEPT_BLOCKS_MAX = 32

/** Stands for the alias of a topic that has none; frames that bear it get another one when they leave. */
export const NO_ALIAS = -1

/**
 * A piece of memory with the frames of one topic and priority, one behind another:
 *
 *   | gone | frame | frame | … | room |
 *          ^ start             ^ end  ^ limit
 */
export interface Block {
  readonly memory: FrameMemory
  readonly limit: number
  start: number
  end: number
  /** The alias that all of its frames bear. */
  alias: number
  /** Whether somebody may still read what is gone. */
  isLent: boolean
  next: Block | undefined
}

/** Where blocks come from, and where those of full size go to, to be used again. */
export class BlockPool {
  readonly #kept: FrameMemory[] = []
  /** To be kept once nobody reads it any longer. */
  #lent: FrameMemory[] = []
  #shared: FrameMemory | undefined
  #sharedEnd = 0

  /** A block of this many bytes, a multiple of four. */
  take(bytes: number, alias: number): Block {
    if (bytes > SHARING_BYTES_MAX) return blockOf(this.#memory(bytes), 0, bytes, alias)
    if (this.#shared === undefined || this.#sharedEnd + bytes > SHARED_BYTES) {
      this.#shared = frameMemory(SHARED_BYTES)
      this.#sharedEnd = 0
    }
    const start = this.#sharedEnd
    this.#sharedEnd += bytes
    return blockOf(this.#shared, start, this.#sharedEnd, alias)
  }

  /** Takes back a block that holds no frame any more. */
  give({ memory, isLent }: Block): void {
    if (memory.bytes.length !== BLOCK_BYTES_MAX) return
    if (isLent) this.#lent.push(memory)
    else this.#keep(memory)
  }

  /** Nobody reads what is gone. */
  returned(): void {
    for (const memory of this.#lent) this.#keep(memory)
    this.#lent.length = 0
  }

  /** It is unknown who reads what is gone, and for how long: the connection is lost. */
  abandoned(): void {
    this.#lent = []
  }

  #keep(memory: FrameMemory): void {
    if (this.#kept.length < KEPT_BLOCKS_MAX) this.#kept.push(memory)
  }

  #memory(bytes: number): FrameMemory {
    return (bytes === BLOCK_BYTES_MAX ? this.#kept.pop() : undefined) ?? frameMemory(bytes)
  }
}

function blockOf(memory: FrameMemory, start: number, limit: number, alias: number): Block {
  return { memory, limit, start, end: start, alias, isLent: false, next: undefined }
}
