import { type FrameMemory, frameMemory } from '../../protocol/index.js'

/** A block of a queue that has grown, and what is handed over at a time: a write that keeps the system busy for a while. */
export const BLOCK_BYTES_MAX = 64 * 1024

/** Blocks up to this size share memory, since most queues never get another one. */
const SHARING_BYTES_MAX = 1024

/** What one small block that stays keeps in memory. */
const SHARED_BYTES = 8 * 1024

/** Blocks that are kept for the next queue have this much together: two topics at the mark where they should pause. */
const KEPT_BYTES_MAX = 2 * 1024 * 1024

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
  /** Whether other blocks lie in the same memory. */
  readonly isShared: boolean
  readonly limit: number
  start: number
  end: number
  /** The alias that all of its frames bear. */
  alias: number
  /** Whether somebody may still read what is gone. */
  isLent: boolean
  next: Block | undefined
}

/** Where blocks come from, and where those that share no memory go to, to be used again: by size, each a power of two. */
export class BlockPool {
  readonly #kept: FrameMemory[][] = []
  #keptBytes = 0
  /** To be kept once nobody reads it any longer. */
  #lent: FrameMemory[] = []
  #shared: FrameMemory | undefined
  #sharedEnd = 0

  /** A block of this many bytes, a multiple of four, at least. */
  take(bytes: number, alias: number): Block {
    if (bytes > SHARING_BYTES_MAX) {
      const memory = this.#memory(bytes)
      return blockOf(memory, 0, memory.bytes.length, alias, false)
    }
    if (this.#shared === undefined || this.#sharedEnd + bytes > SHARED_BYTES) {
      this.#shared = frameMemory(SHARED_BYTES)
      this.#sharedEnd = 0
    }
    const start = this.#sharedEnd
    this.#sharedEnd += bytes
    return blockOf(this.#shared, start, this.#sharedEnd, alias, true)
  }

  /** Takes back a block that holds no frame any more. */
  give({ memory, isLent, isShared }: Block): void {
    if (isShared || memory.bytes.length > BLOCK_BYTES_MAX) return
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
    const { length } = memory.bytes
    if (this.#keptBytes + length > KEPT_BYTES_MAX) return
    this.#keptBytes += length
    this.#keptOf(length).push(memory)
  }

  #memory(bytes: number): FrameMemory {
    if (bytes > BLOCK_BYTES_MAX) return frameMemory(bytes)
    const size = 2 ** (32 - Math.clz32(bytes - 1))
    const kept = this.#keptOf(size).pop()
    if (kept === undefined) return frameMemory(size)
    this.#keptBytes -= size
    return kept
  }

  #keptOf(size: number): FrameMemory[] {
    const power = 31 - Math.clz32(size)
    this.#kept[power] ??= []
    return this.#kept[power]
  }
}

function blockOf(memory: FrameMemory, start: number, limit: number, alias: number, isShared: boolean): Block {
  return { memory, isShared, limit, start, end: start, alias, isLent: false, next: undefined }
}
