import { paddedLength, readU32 } from '../../protocol/index.js'
import { copyOf } from './read-memory.js'

/** Frames of one priority that lie one behind another in one buffer. */
export interface Run {
  bytes: Buffer
  /** Where the next frame starts; moves towards `end` as frames are taken. */
  start: number
  end: number
  /** The id that its last frame bears. */
  topicId: number
  /** The topic of the next frame. */
  topic: string
  /** Set when the frames are of several topics: what their ids stood for when they arrived. */
  names: readonly (string | undefined)[] | undefined
  /** Which connection it came by. */
  readonly epoch: number
  /** Whether messages may refer to `bytes` for as long as they live. */
  readonly isSettled: boolean
  next: Run | undefined
}

/** Frames that are handed over share blocks of this size, as Node's own small buffers do: what one kept message keeps. */
const BLOCK_BYTES = 8192

/**
 * Runs in the order of their arrival, linked from the first to the last:
 *
 *   head → run → run → tail      empty: both undefined
 */
export class RunQueue {
  #head: Run | undefined
  #tail: Run | undefined

  get head(): Run | undefined {
    return this.#head
  }

  push(run: Run): void {
    if (this.#tail === undefined) this.#head = run
    else this.#tail.next = run
    this.#tail = run
  }

  /** Takes the first run off. */
  shift(): void {
    this.#head = this.#head?.next
    if (this.#head === undefined) this.#tail = undefined
  }

  /**
   * The first run, with frames that may be kept. Of one that lies in memory with much else, the next frames are
   * copied into a block of their own, which goes ahead as a run of its own:
   *
   *   head(read memory) → …      becomes      head(block) → rest(read memory) → …
   */
  settledHead(): Run {
    const run = this.#head!
    if (run.isSettled) return run
    const end = blockEnd(run)
    const bytes = copyOf(run.bytes.subarray(run.start, end))
    run.start = end
    const next = end < run.end ? run : run.next
    const block = { ...run, bytes, start: 0, end: bytes.length, isSettled: true, next }
    this.#head = block
    if (next === undefined) this.#tail = block
    return block
  }
}

/** Where the frames that fit one block end: behind the first one at least. */
function blockEnd(run: Run): number {
  const { bytes, start } = run
  if (run.end - start <= BLOCK_BYTES) return run.end
  let end = start + paddedLength(readU32(bytes, start))
  while (end < run.end) {
    const next = end + paddedLength(readU32(bytes, end))
    if (next - start > BLOCK_BYTES) break
    end = next
  }
  return end
}
