import {
  type MessageHead,
  messageBytesMax,
  paddedLength,
  readU32,
  writeMessage,
} from '../../protocol/index.js'
import { BLOCK_BYTES_MAX, type Block, type BlockPool } from './blocks.js'
import type { Period } from './flush-points.js'

/** A frame that may be longer gets a block of its own, so that others are not left half empty. */
const SHARED_BLOCK_FRAME_BYTES_MAX = BLOCK_BYTES_MAX / 2

/** From which byte on, counted since the level was last empty, frames belong to a period. */
interface Mark {
  readonly period: Period
  readonly start: number
  next: Mark | undefined
}

/** A frame that waits. */
export interface WaitingFrame {
  readonly bytes: Buffer
  readonly start: number
  readonly length: number
  readonly period: Period
}

/**
 * The frames of one topic and priority that wait, first in, first out. They are written straight into the last block;
 * the next block is twice as large as all that waits, so that many queues with little in them need little.
 *
 *   head → block → block → tail      empty: both undefined
 *   marks: period 1 from byte 0, period 3 from byte 2048, …      which flush each frame belongs to
 */
export class FrameLevel {
  #head: Block | undefined
  #tail: Block | undefined
  #firstMark: Mark | undefined
  #lastMark: Mark | undefined
  /** Bytes written and gone since it was last empty. */
  #written = 0
  #gone = 0

  /** Bytes of the frames that wait, padding included. */
  get bytes(): number {
    return this.#written - this.#gone
  }

  /** The block that holds the next frames; only while not empty. */
  get head(): Block {
    return this.#head!
  }

  /**
   * Writes a frame, with `alias` or whatever alias those before it bear; returns its length without padding.
   */
  write(
    head: MessageHead,
    payload: Uint8Array | string,
    alias: number,
    period: Period,
    pool: BlockPool,
  ): number {
    const block = this.#tail
    if (block === undefined) return this.#writeAnew(head, payload, alias, period, pool)
    head.topic = block.alias
    const length = writeMessage(block.memory, block.end, block.limit, head, payload)
    if (length === 0) return this.#writeAnew(head, payload, alias, period, pool)
    this.append(length, period)
    return length
  }

  /** The last block, with room for a frame of this many bytes, for `append`. */
  reserve(bytes: number, alias: number, pool: BlockPool): Block {
    if (this.#tail !== undefined && this.#tail.limit - this.#tail.end >= bytes) return this.#tail
    const isLarge = bytes > SHARED_BLOCK_FRAME_BYTES_MAX
    const wishedBytes = isLarge ? 0 : Math.min(2 * this.bytes, BLOCK_BYTES_MAX)
    const block = pool.take(Math.max(bytes, wishedBytes), alias)
    if (this.#tail === undefined) this.#head = block
    else this.#tail.next = block
    this.#tail = block
    return block
  }

  /** A frame of this length was written where the last block ended. */
  append(length: number, period: Period): void {
    const bytes = paddedLength(length)
    if (this.#lastMark?.period !== period) this.#mark(period)
    this.#tail!.end += bytes
    this.#written += bytes
  }

  /** Takes off the frames of the head block that end at `end`. */
  takeUntil(end: number, pool: BlockPool): void {
    const block = this.#head!
    this.#gone += end - block.start
    block.start = end
    if (end === block.end) {
      this.#head = block.next
      if (this.#head === undefined) this.#tail = undefined
      pool.give(block)
    }
    this.#unmark()
  }

  /** The frames that wait, from the first to the last. */
  *frames(): Iterable<WaitingFrame> {
    let mark = this.#firstMark
    let position = this.#gone
    for (let block = this.#head; block !== undefined; block = block.next) {
      const { bytes } = block.memory
      for (let start = block.start; start < block.end; ) {
        const length = readU32(bytes, start)
        while (mark!.next !== undefined && mark!.next.start <= position) mark = mark!.next
        yield { bytes, start, length, period: mark!.period }
        position += paddedLength(length)
        start += paddedLength(length)
      }
    }
  }

  /** Everything that waits is dropped. */
  clear(pool: BlockPool): void {
    while (this.#head !== undefined) this.takeUntil(this.#head.end, pool)
  }

  /** Writes a frame to a new block, since there is no room for it. */
  #writeAnew(
    head: MessageHead,
    payload: Uint8Array | string,
    alias: number,
    period: Period,
    pool: BlockPool,
  ): number {
    const bytesMax = messageBytesMax(head, payload)
    if (bytesMax > SHARED_BLOCK_FRAME_BYTES_MAX && typeof payload === 'string') {
      return this.#writeAnew(head, Buffer.from(payload), alias, period, pool)
    }
    const block = this.reserve(bytesMax, alias, pool)
    head.topic = block.alias
    const length = writeMessage(block.memory, block.end, block.limit, head, payload)
    this.append(length, period)
    return length
  }

  #mark(period: Period): void {
    const mark: Mark = { period, start: this.#written, next: undefined }
    period.levels += 1
    if (this.#lastMark === undefined) this.#firstMark = mark
    else this.#lastMark.next = mark
    this.#lastMark = mark
  }

  /** Takes off the marks of periods of which nothing waits here any more. */
  #unmark(): void {
    const isEmpty = this.#gone === this.#written
    for (let mark = this.#firstMark; mark !== undefined; mark = mark.next) {
      if (!isEmpty && (mark.next === undefined || mark.next.start > this.#gone)) return
      mark.period.levels -= 1
      this.#firstMark = mark.next
    }
    this.#lastMark = undefined
    this.#written = 0
    this.#gone = 0
  }
}
