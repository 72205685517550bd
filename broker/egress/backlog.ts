import { isByRing, Offset, paddedLength, readU32 } from '../../protocol/index.js'
import { FrameQueue } from './frame-queue.js'
import type { TopicIds } from './topic-ids.js'

/**
 * What a topic costs while frames of it are queued: its route, its id and its name. A flood of topics weighs on
 * the subscription that queues it, not on the broker.
 */
const QUEUED_TOPIC_BYTES = 512

/** A topic id that queued frames carry: it must not be bound to another topic meanwhile. */
interface HeldTopic {
  readonly id: number
  frames: number
}

/** Frames that lie one behind another in the chunk being read, not copied yet. Empty: `start` is `end`. */
interface Pending {
  bytes: Buffer
  level: number
  start: number
  end: number
}

const NOTHING = Buffer.alloc(0)

/**
 * The frames that wait for one lane: 32 first-in first-out levels, made when first needed, with a bitmask of
 * those that hold something. The owner checks the limits; the backlog counts.
 *
 *   mask     0b…1001        bit n set: level n holds at least one frame; 0 means empty
 *   level    31 … 3 … 0     each a FrameQueue
 *   pending  the latest frames, as long as they are neighbours of one level: copied at once, by `settle`
 */
export class Backlog {
  readonly #topics: TopicIds
  readonly #levels: (FrameQueue | undefined)[] = []
  readonly #heldTopics = new Map<number, HeldTopic>()
  /** The topic that was looked up last: most streams stay at one. */
  #lastHeld: HeldTopic | undefined
  readonly #pending: Pending = { bytes: NOTHING, level: 0, start: 0, end: 0 }
  #mask = 0
  #bytes = 0
  #ringBytes = 0
  #messages = 0

  constructor(topics: TopicIds) {
    this.#topics = topics
  }

  get mask(): number {
    return this.#mask
  }
  /** Bytes of the queued frames, of their payloads in rings, and of what their topics cost. */
  get bytes(): number {
    return this.#bytes + this.#ringBytes
  }
  get messages(): number {
    return this.#messages
  }

  /** Appends a frame. True: it lies where it was read, until `settle`, which the caller must see to. */
  push(level: number, bytes: Buffer, start: number, length: number): boolean {
    const pending = this.#pending
    const end = start + paddedLength(length)
    this.#mask |= 1 << level
    this.#bytes += end - start
    this.#messages += 1
    this.#hold(readU32(bytes, start + Offset.TOPIC))
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

  /** Counts the payload of a queued frame that lies in a ring. */
  addRingBytes(bytes: number): void {
    this.#ringBytes += bytes
  }

  /** A queued frame's payload in a ring is of no concern any longer. */
  subtractRingBytes(bytes: number): void {
    this.#ringBytes -= bytes
  }

  /** Calls back for every queued frame whose payload lies in a ring. */
  forEachByRing(visit: (bytes: Buffer, start: number) => void): void {
    if (this.#ringBytes === 0) return
    this.settle()
    for (const queue of this.#levels) {
      queue?.forEach((bytes, start) => {
        if (isByRing(bytes, start)) visit(bytes, start)
      })
    }
  }

  /** Copies what lies where it was read. */
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

  /** The queue of a level whose bit is set. Everything is settled before anything is taken. */
  level(level: number): FrameQueue {
    return this.#levels[level]!
  }

  /** Notes that a frame with this topic leaves; `taken` must follow. */
  release(topicId: number): void {
    const held = this.#find(topicId)!
    held.frames -= 1
    if (held.frames > 0) return
    this.#heldTopics.delete(topicId)
    this.#lastHeld = undefined
    this.#topics.unpin(topicId)
    this.#bytes -= QUEUED_TOPIC_BYTES
  }

  /** Takes off the frames of a level that end at `start` of its head block; returns the block if it is used up. */
  taken(level: number, start: number, messages: number): Buffer | undefined {
    const queue = this.#levels[level]!
    this.#bytes -= start - queue.headStart
    this.#messages -= messages
    const usedUp = queue.takeUntil(start)
    if (queue.isEmpty) this.#mask &= ~(1 << level)
    return usedUp
  }

  /** Drops everything; returns how many frames that were. */
  clear(): number {
    const dropped = this.#messages
    for (const [id] of this.#heldTopics) this.#topics.unpin(id)
    this.#heldTopics.clear()
    this.#lastHeld = undefined
    this.#forgetPending()
    this.#levels.length = 0
    this.#mask = 0
    this.#bytes = 0
    this.#ringBytes = 0
    this.#messages = 0
    return dropped
  }

  #hold(id: number): void {
    let held = this.#find(id)
    if (held === undefined) {
      held = { id, frames: 0 }
      this.#heldTopics.set(id, held)
      this.#lastHeld = held
      this.#topics.pin(id)
      this.#bytes += QUEUED_TOPIC_BYTES
    }
    held.frames += 1
  }

  #find(id: number): HeldTopic | undefined {
    if (this.#lastHeld?.id === id) return this.#lastHeld
    const held = this.#heldTopics.get(id)
    if (held !== undefined) this.#lastHeld = held
    return held
  }

  #forgetPending(): void {
    this.#pending.bytes = NOTHING
    this.#pending.start = 0
    this.#pending.end = 0
  }
}
