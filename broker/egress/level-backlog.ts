import { expiryOf, type FrameRun, Offset, paddedLength, readU32 } from '../../protocol/index.js'
import { Backlog, type Front, type Visit } from './backlog.js'
import type { UsedBlocks } from './blocks.js'
import { FrameQueue } from './frame-queue.js'

/** Frames that lie one behind another in the chunk being read, not copied yet. Empty: `start` is `end`. */
interface Pending {
  bytes: Buffer
  level: number
  start: number
  end: number
}

const NOTHING = Buffer.alloc(0)

/**
 * A backlog of 32 first-in first-out levels, made when first needed:
 *
 *   level    31 … 3 … 0     each a FrameQueue
 *   pending  the latest frames, as long as they are neighbours of one level: copied at once, by `settle`
 */
export class LevelBacklog extends Backlog {
  readonly #levels: (FrameQueue | undefined)[] = []
  readonly #pending: Pending = { bytes: NOTHING, level: 0, start: 0, end: 0 }

  push(run: FrameRun): boolean {
    const { bytes, start, end, level } = run
    const pending = this.#pending
    this.added(run)
    if (pending.end === start && pending.bytes === bytes && pending.level === level) {
      pending.end = end
      return false
    }
    const wasSettled = pending.start === pending.end
    this.settle()
    pending.bytes = bytes
    pending.level = level
    pending.start = start
    pending.end = end
    return wasSettled
  }

  settle(): void {
    const { bytes, level, start, end } = this.#pending
    if (start === end) return
    let queue = this.#levels[level]
    if (queue === undefined) {
      queue = new FrameQueue()
      this.#levels[level] = queue
    }
    queue.push(bytes, start, end)
    this.#forgetPending()
  }

  front(level: number): Front {
    return this.#queue(level)
  }

  taken(level: number, start: number, messages: number, blocks: UsedBlocks): void {
    const queue = this.#levels[level]!
    this.removed(messages, start - queue.headStart)
    const usedUp = queue.takeUntil(start)
    if (usedUp !== undefined) blocks.add(usedUp, true)
    this.#unmarkIfEmpty(level, queue)
  }

  discard(level: number, blocks: UsedBlocks): void {
    const queue = this.#queue(level)
    const { head, headStart, isHeadSent } = queue
    const bytes = paddedLength(readU32(head, headStart + Offset.LENGTH))
    this.release(readU32(head, headStart + Offset.TOPIC), 1)
    this.removed(1, bytes)
    const usedUp = queue.discardUntil(headStart + bytes)
    if (usedUp !== undefined) blocks.add(usedUp, isHeadSent)
    this.#unmarkIfEmpty(level, queue)
  }

  sweep(nowNs: number, expired: Visit, blocks: UsedBlocks): void {
    this.settle()
    let earliestNs = Number.POSITIVE_INFINITY
    const stays: FrameFilter = (bytes, start) => {
      const expiryNs = expiryOf(bytes, start)
      if (expiryNs < earliestNs && expiryNs > nowNs) earliestNs = expiryNs
      return expiryNs > nowNs
    }
    for (let left = this.mask; left !== 0; left &= left - 1) {
      const level = 31 - Math.clz32(left & -left)
      // Most often what has expired came first, and nothing needs to be moved.
      while (this.mask & (1 << level) && !stays(this.#levels[level]!.head, this.#levels[level]!.headStart)) {
        const { head, headStart } = this.#levels[level]!
        expired(head, headStart)
        this.discard(level, blocks)
      }
      if (this.mask & (1 << level)) this.#sweepLevel(level, stays, expired, blocks)
    }
    this.swept(earliestNs)
  }

  visitAll(visit: Visit): void {
    this.settle()
    for (const queue of this.#levels) queue?.forEach(visit)
  }

  protected forget(): void {
    this.#forgetPending()
    this.#levels.length = 0
  }

  /** Closes the gaps that expired frames leave, so that no block is kept for a few frames in it. */
  #sweepLevel(level: number, stays: FrameFilter, expired: Visit, blocks: UsedBlocks): void {
    const queue = this.#levels[level]!
    const left = queue.filtered((bytes, start) => {
      if (stays(bytes, start)) return true
      expired(bytes, start)
      this.release(readU32(bytes, start + Offset.TOPIC), 1)
      this.removed(1, paddedLength(readU32(bytes, start + Offset.LENGTH)))
      return false
    })
    if (left === queue) return
    this.#levels[level] = left
    queue.giveBlocks(blocks)
  }

  /** The queue of a level whose bit is set: its first frames may be among those that are not copied yet. */
  #queue(level: number): FrameQueue {
    const queue = this.#levels[level]
    if (queue !== undefined && !queue.isEmpty) return queue
    this.settle()
    return this.#levels[level]!
  }

  #unmarkIfEmpty(level: number, queue: FrameQueue): void {
    if (!queue.isEmpty) return
    const { level: pendingLevel, start, end } = this.#pending
    if (start === end || pendingLevel !== level) this.mask &= ~(1 << level)
  }

  #forgetPending(): void {
    this.#pending.bytes = NOTHING
    this.#pending.start = 0
    this.#pending.end = 0
  }
}

type FrameFilter = (bytes: Buffer, start: number) => boolean
