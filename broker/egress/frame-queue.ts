import { Offset, paddedLength, readU32 } from '../../protocol/index.js'
import { BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, BLOCKS, type UsedBlocks } from './blocks.js'

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
  #isHeadSent = false
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

  /** Whether frames of that block were sent: it must not be written again before they have left. */
  get isHeadSent(): boolean {
    return this.#isHeadSent
  }

  /** Appends a copy of the whole frames between `start` and `end`, padding included. */
  push(bytes: Buffer, start: number, end: number): void {
    for (let from = start; from < end; ) {
      const to = framesWithin(bytes, from, end, this.#room)
      if (to === from) this.#addBlock(firstFrameEnd(bytes, from) - from, end - from)
      else from = this.#append(bytes, from, to)
    }
  }

  /** Calls back for every frame, from the next one to the last. */
  forEach(visit: (bytes: Buffer, start: number) => void): void {
    for (let index = this.#first; index < this.#blocks.length; index++) {
      const bytes = this.#blocks[index]!
      const end = this.#ends[index]!
      for (let start = index === this.#first ? this.#headStart : 0; start < end; ) {
        visit(bytes, start)
        start = firstFrameEnd(bytes, start)
      }
    }
  }

  /** The frames that stay, in a queue of their own; this one, if all do. Asks once for each frame, in order. */
  filtered(stays: (bytes: Buffer, start: number) => boolean): FrameQueue {
    let left: FrameQueue | undefined
    for (let index = this.#first; index < this.#blocks.length; index++) {
      const bytes = this.#blocks[index]!
      const end = this.#ends[index]!
      let keptFrom = index === this.#first ? this.#headStart : 0
      for (let start = keptFrom; start < end; ) {
        const next = firstFrameEnd(bytes, start)
        if (!stays(bytes, start)) {
          left ??= this.#copyBefore(index)
          left.push(bytes, keptFrom, start)
          keptFrom = next
        }
        start = next
      }
      left?.push(bytes, keptFrom, end)
    }
    return left ?? this
  }

  /** Takes off the frames of the head block that end at `start` and were sent; returns the block if it is used up. */
  takeUntil(start: number): Buffer | undefined {
    this.#isHeadSent = true
    return this.#advance(start)
  }

  /** The same for frames that were not sent. */
  discardUntil(start: number): Buffer | undefined {
    return this.#advance(start)
  }

  /** Gives up every block: the queue is not used any more. */
  giveBlocks(blocks: UsedBlocks): void {
    for (let index = this.#first; index < this.#blocks.length; index++) {
      blocks.add(this.#blocks[index]!, index === this.#first && this.#isHeadSent)
    }
    this.#reset()
  }

  #advance(start: number): Buffer | undefined {
    this.#headStart = start
    if (start < this.headEnd) return undefined
    const usedUp = this.head
    this.#blocks[this.#first] = EMPTY_BLOCK
    this.#first += 1
    this.#headStart = 0
    this.#isHeadSent = false
    if (this.#first === this.#blocks.length) this.#reset()
    else if (this.#first > 32 && this.#first * 2 > this.#blocks.length) this.#compact()
    return usedUp
  }

  /** A queue with what lies in the blocks before one. */
  #copyBefore(limit: number): FrameQueue {
    const copy = new FrameQueue()
    for (let index = this.#first; index < limit; index++) {
      copy.push(this.#blocks[index]!, index === this.#first ? this.#headStart : 0, this.#ends[index]!)
    }
    return copy
  }

  /** Bytes that the last block has left. */
  get #room(): number {
    const last = this.#blocks.length - 1
    return this.isEmpty ? 0 : this.#blocks[last]!.length - this.#ends[last]!
  }

  #append(bytes: Buffer, from: number, to: number): number {
    const last = this.#blocks.length - 1
    const used = this.#ends[last]!
    // What `copy` and `subarray` cost beyond this is much for a single small frame.
    this.#blocks[last]!.set(new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from), used)
    this.#ends[last] = used + to - from
    return to
  }

  /** Adds a block for a frame and what follows it. A large frame must not make every later block large. */
  #addBlock(frameBytes: number, comingBytes: number): void {
    const bytes = Math.max(frameBytes, comingBytes < BLOCK_BYTES_MAX / 2 ? this.#blockBytes : BLOCK_BYTES_MAX)
    this.#blocks.push(BLOCKS.take(bytes))
    this.#ends.push(0)
    if (this.#blockBytes < BLOCK_BYTES_MAX) this.#blockBytes *= 2
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
    this.#headStart = 0
    this.#isHeadSent = false
    this.#blockBytes = BLOCK_BYTES_MIN
  }
}

const EMPTY_BLOCK = Buffer.alloc(0)

function firstFrameEnd(bytes: Buffer, start: number): number {
  return start + paddedLength(readU32(bytes, start + Offset.LENGTH))
}

/** Where the last of the frames from `start` ends that fit into `room` bytes; `start` when none does. */
function framesWithin(bytes: Buffer, start: number, end: number, room: number): number {
  if (end - start <= room) return end
  let fitting = start
  for (let next = firstFrameEnd(bytes, start); next - start <= room; next = firstFrameEnd(bytes, next)) {
    fitting = next
  }
  return fitting
}
