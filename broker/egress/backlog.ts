import { expiryOf, type FrameRun } from '../../protocol/index.js'
import type { UsedBlocks } from './blocks.js'
import type { Gauges } from './gauges.js'
import { HeldTopics } from './held-topics.js'
import type { TopicIds } from './topic-ids.js'

/**
 * What a topic costs while frames of it are queued: its route, its id and its name. A flood of topics weighs on
 * the subscription that queues it, not on the broker.
 */
export const QUEUED_TOPIC_BYTES = 512

/** Frames that a search for expired ones may look at for each that has come since the last search. */
const FRAMES_SEARCHED_PER_PUSH = 16

/** The frames of one level that leave next, one behind another in one buffer. */
export interface Front {
  readonly head: Buffer
  /** Where the next frame starts. */
  readonly headStart: number
  /** Where the last of them ends. */
  readonly headEnd: number
}

/** Told of a frame that leaves without being sent. */
export type Visit = (bytes: Buffer, start: number) => void

/**
 * The frames that wait for one lane, by level, with a bitmask of the levels that hold something. The owner checks
 * the limits; the backlog counts.
 *
 *   mask     0b…1001        bit n set: level n holds at least one frame; 0 means empty
 */
export abstract class Backlog {
  mask = 0
  messages = 0
  /** Memory of the queued frames, and what their topics cost. */
  heapBytes = 0
  /** Bytes of their payloads in rings. */
  ringBytes = 0
  /** No queued frame expires before. It may be earlier than any does. */
  earliestExpiryNs = Number.POSITIVE_INFINITY
  readonly #topics: HeldTopics
  readonly #gauges: Gauges
  #pushedSinceSweep = 0

  constructor(topics: TopicIds, gauges: Gauges) {
    this.#topics = new HeldTopics(topics)
    this.#gauges = gauges
  }

  get bytes(): number {
    return this.heapBytes + this.ringBytes
  }

  /** The least urgent level that holds a frame; only while not empty. */
  get lowestLevel(): number {
    return 31 - Math.clz32(this.mask & -this.mask)
  }

  /** Whether a search for expired frames may find some, and is not too soon after the last one. */
  get isSweepDue(): boolean {
    return (
      this.earliestExpiryNs !== Number.POSITIVE_INFINITY &&
      this.#pushedSinceSweep * FRAMES_SEARCHED_PER_PUSH >= this.messages
    )
  }

  /** Bytes of memory that frames would take here. */
  costOf(run: FrameRun): number {
    return run.byteLength + (this.#topics.has(run.topicId) ? 0 : QUEUED_TOPIC_BYTES)
  }

  /** Those of these frames that would wait, if they came: all, or the last, which replaces the others. */
  keptOf(run: FrameRun): FrameRun {
    return run
  }

  /** The frame that one with this topic takes the place of. */
  predecessor(_topicId: number): Buffer | undefined {
    return undefined
  }

  /** Appends frames. True: they lie where they were read, until `settle`, which the caller must see to. */
  abstract push(run: FrameRun): boolean

  /** Copies what lies where it was read. */
  abstract settle(): void

  /** The next frames of a level whose bit is set. */
  abstract front(level: number): Front

  /** Takes off the frames of a level that end at `start` of its front, and were sent. `release` came for all. */
  abstract taken(level: number, start: number, messages: number, blocks: UsedBlocks): void

  /** Takes off the next frame of a level, which is not sent. */
  abstract discard(level: number, blocks: UsedBlocks): void

  /** Takes off every frame whose expiry has passed, and looks when the next one will. */
  abstract sweep(nowNs: number, expired: Visit, blocks: UsedBlocks): void

  /** Calls back for every frame. */
  abstract visitAll(visit: Visit): void

  protected abstract forget(): void

  /** Counts the payload of a queued frame that lies in a ring. */
  addRingBytes(bytes: number): void {
    this.ringBytes += bytes
    this.#gauges.ringBytes += bytes
  }

  /** A queued frame's payload in a ring is of no concern any longer. */
  subtractRingBytes(bytes: number): void {
    this.addRingBytes(-bytes)
  }

  /** Notes that frames with this topic leave. */
  release(topicId: number, frames: number): void {
    if (this.#topics.release(topicId, frames)) this.#addHeapBytes(-QUEUED_TOPIC_BYTES)
  }

  /** Drops everything; returns how many frames that were. */
  clear(): number {
    const dropped = this.messages
    this.forget()
    this.#topics.clear()
    this.#addHeapBytes(-this.heapBytes)
    this.subtractRingBytes(this.ringBytes)
    this.#gauges.queued -= dropped
    this.messages = 0
    this.mask = 0
    this.earliestExpiryNs = Number.POSITIVE_INFINITY
    return dropped
  }

  /** Counts frames that have come. */
  protected added(run: FrameRun): void {
    const { messages } = run
    this.mask |= 1 << run.level
    this.messages += messages
    this.#gauges.queued += messages
    this.#pushedSinceSweep += messages
    this.#addHeapBytes(run.byteLength + (this.#topics.hold(run.topicId, messages) ? QUEUED_TOPIC_BYTES : 0))
    const expiryNs = expiryOf(run.bytes, run.start)
    if (expiryNs < this.earliestExpiryNs) this.earliestExpiryNs = expiryNs
  }

  /** Counts frames that have left, all but their topics. */
  protected removed(messages: number, givenBytes: number): void {
    this.messages -= messages
    this.#gauges.queued -= messages
    this.#addHeapBytes(-givenBytes)
    if (this.messages === 0) this.earliestExpiryNs = Number.POSITIVE_INFINITY
  }

  protected swept(earliestExpiryNs: number): void {
    this.earliestExpiryNs = earliestExpiryNs
    this.#pushedSinceSweep = 0
  }

  #addHeapBytes(bytes: number): void {
    this.heapBytes += bytes
    this.#gauges.heapBytes += bytes
  }
}
