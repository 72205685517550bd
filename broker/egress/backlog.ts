import { Offset, paddedLength, readU32 } from '../../protocol/index.js'
import { FrameQueue } from './frame-queue.js'
import type { TopicIds } from './topic-ids.js'

/**
 * What a topic costs while frames of it are queued: its route, its id and its name. A flood of topics weighs on
 * the subscription that queues it, not on the broker.
 */
const QUEUED_TOPIC_BYTES = 512

/**
 * The frames that wait for one lane: 32 first-in first-out levels, made when first needed, with a bitmask of
 * those that hold something. The owner checks the limits; the backlog counts.
 *
 *   mask  0b…1001        bit n set: level n holds at least one frame; 0 means empty
 *   level 31 … 3 … 0     each a FrameQueue
 */
export class Backlog {
  readonly #topics: TopicIds
  readonly #levels: (FrameQueue | undefined)[] = []
  /** How many queued frames name each topic id: a queued id must not be bound to another topic meanwhile. */
  readonly #frameCounts = new Map<number, number>()
  #mask = 0
  #bytes = 0
  #messages = 0

  constructor(topics: TopicIds) {
    this.#topics = topics
  }

  get mask(): number {
    return this.#mask
  }
  /** Bytes of the queued frames and of what their topics cost. */
  get bytes(): number {
    return this.#bytes
  }
  get messages(): number {
    return this.#messages
  }

  push(level: number, bytes: Buffer, start: number, length: number): void {
    let queue = this.#levels[level]
    if (queue === undefined) {
      queue = new FrameQueue()
      this.#levels[level] = queue
    }
    queue.push(bytes, start, length)
    this.#mask |= 1 << level
    this.#bytes += paddedLength(length)
    this.#messages += 1
    this.#holdTopic(readU32(bytes, start + Offset.TOPIC))
  }

  /** The queue of a level whose bit is set. */
  level(level: number): FrameQueue {
    return this.#levels[level]!
  }

  /** Takes the next frame of a level off; whoever wants its bytes has them from the queue before. */
  shift(level: number): void {
    const queue = this.level(level)
    this.#bytes -= paddedLength(queue.headLength)
    this.#messages -= 1
    this.#releaseTopic(readU32(queue.headBytes, queue.headStart + Offset.TOPIC))
    queue.shift()
    if (queue.isEmpty) this.#mask &= ~(1 << level)
  }

  /** Drops everything; returns how many frames that were. */
  clear(): number {
    const dropped = this.#messages
    for (const [id] of this.#frameCounts) this.#topics.unpin(id)
    this.#frameCounts.clear()
    this.#levels.length = 0
    this.#mask = 0
    this.#bytes = 0
    this.#messages = 0
    return dropped
  }

  #holdTopic(id: number): void {
    const count = this.#frameCounts.get(id) ?? 0
    this.#frameCounts.set(id, count + 1)
    if (count > 0) return
    this.#topics.pin(id)
    this.#bytes += QUEUED_TOPIC_BYTES
  }

  #releaseTopic(id: number): void {
    const count = this.#frameCounts.get(id)! - 1
    if (count > 0) {
      this.#frameCounts.set(id, count)
      return
    }
    this.#frameCounts.delete(id)
    this.#topics.unpin(id)
    this.#bytes -= QUEUED_TOPIC_BYTES
  }
}
