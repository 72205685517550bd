import { expiryOf, type FrameRun } from '../../protocol/index.js'
import { Backlog, type Front, type Visit } from './backlog.js'

/** A buffer this much larger than twice its frame is not used again for it. */
const SPARE_BYTES_MAX = 1024

/** The one frame of a topic, between its neighbours of the same level. */
class Entry implements Front {
  readonly topicId: number
  level: number
  head: Buffer
  readonly headStart = 0
  headEnd: number
  previous: Entry | undefined
  next: Entry | undefined

  constructor(frame: FrameRun) {
    this.topicId = frame.topicId
    this.level = frame.level
    this.headEnd = frame.byteLength
    this.head = copyOf(frame)
  }

  /** Takes another frame, into the same buffer where it fits well. Nobody else refers to that before it is sent. */
  replace(frame: FrameRun): void {
    this.headEnd = frame.byteLength
    const { length } = this.head
    if (length < this.headEnd || length > this.headEnd * 2 + SPARE_BYTES_MAX) {
      this.head = copyOf(frame)
    } else {
      frame.bytes.copy(this.head, 0, frame.start, frame.end)
    }
  }
}

/** The entries of one level, oldest first. */
interface Line {
  first: Entry | undefined
  last: Entry | undefined
}

/**
 * A backlog that keeps of each topic only the newest frame. That takes the place in line of the one before it,
 * unless their priorities differ.
 *
 *   entries  topic id → entry
 *   line     31 … 3 … 0     entry ⇄ entry ⇄ …, each with a buffer of its own
 */
export class LatestBacklog extends Backlog {
  readonly #entries = new Map<number, Entry>()
  readonly #lines: (Line | undefined)[] = []

  override keptOf(run: FrameRun): FrameRun {
    return run.messages === 1 ? run : run.last
  }

  override predecessor(topicId: number): Buffer | undefined {
    return this.#entries.get(topicId)?.head
  }

  push(frame: FrameRun): boolean {
    const { topicId, level } = frame
    const entry = this.#entries.get(topicId)
    this.added(frame)
    if (entry === undefined) {
      const added = new Entry(frame)
      this.#entries.set(topicId, added)
      this.#append(added)
      return false
    }
    this.release(topicId, 1)
    this.removed(1, entry.headEnd)
    entry.replace(frame)
    if (entry.level === level) return false
    this.#unlink(entry)
    entry.level = level
    this.#append(entry)
    return false
  }

  /** Everything is copied as it comes: it may be replaced at any time. */
  settle(): void {}

  front(level: number): Front {
    return this.#lines[level]!.first!
  }

  taken(level: number, _start: number, messages: number): void {
    // The frame that comes first may have to wait.
    if (messages > 0) this.#remove(this.#lines[level]!.first!)
  }

  discard(level: number): void {
    const entry = this.#lines[level]!.first!
    this.release(entry.topicId, 1)
    this.#remove(entry)
  }

  sweep(nowNs: number, expired: Visit): void {
    let earliestNs = Number.POSITIVE_INFINITY
    for (const entry of this.#entries.values()) {
      const expiryNs = expiryOf(entry.head, 0)
      if (expiryNs > nowNs) {
        earliestNs = Math.min(earliestNs, expiryNs)
        continue
      }
      expired(entry.head, 0)
      this.release(entry.topicId, 1)
      this.#remove(entry)
    }
    this.swept(earliestNs)
  }

  visitAll(visit: Visit): void {
    for (const { head } of this.#entries.values()) visit(head, 0)
  }

  protected forget(): void {
    this.#entries.clear()
    this.#lines.length = 0
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.topicId)
    this.#unlink(entry)
    this.removed(1, entry.headEnd)
  }

  #append(entry: Entry): void {
    let line = this.#lines[entry.level]
    if (line === undefined) {
      line = { first: undefined, last: undefined }
      this.#lines[entry.level] = line
    }
    entry.previous = line.last
    entry.next = undefined
    if (line.last === undefined) line.first = entry
    else line.last.next = entry
    line.last = entry
  }

  #unlink(entry: Entry): void {
    const line = this.#lines[entry.level]!
    if (entry.previous === undefined) line.first = entry.next
    else entry.previous.next = entry.next
    if (entry.next === undefined) line.last = entry.previous
    else entry.next.previous = entry.previous
    if (line.first === undefined) this.mask &= ~(1 << entry.level)
  }
}

function copyOf({ bytes, start, end, byteLength }: FrameRun): Buffer {
  const copy = Buffer.allocUnsafeSlow(byteLength)
  bytes.copy(copy, 0, start, end)
  return copy
}
