import {
  isByRing,
  type MessageHead,
  Offset,
  PriorityRounds,
  paddedLength,
  readDescriptor,
  readU32,
  writeU32,
} from '../../protocol/index.js'
import { type Aliases, checkTopic } from './aliases.js'
import { BlockPool, NO_ALIAS } from './blocks.js'
import { FlushPoints } from './flush-points.js'
import type { PayloadSource } from './inline-form.js'
import { TopicQueue } from './topic-queue.js'

/** What the queue of a topic costs beside its frames: the queue, its name, and memory that is set aside for more. */
export const QUEUED_TOPIC_BYTES = 512

/** The way out of the queues. */
export interface Exit {
  /** Sends whole frames. False: their memory is read until `memoryReturned`. */
  send(bytes: Buffer, start: number, end: number): boolean
}

/** The ring that payloads of queued frames lie in. */
export interface QueuedClaims extends PayloadSource {
  /** A frame that commits a claim of this segment has left. */
  frameLeft(segment: number): void
}

/**
 * The messages that wait in this process, by topic: while the outlet has more than the system takes, while there is no
 * connection, and while their topic is paused. What may leave does so by priority, in turn between the topics of a level,
 * a block of one topic at a time.
 *
 *   listed   every queue with something in it, or paused
 *   ready    those whose turn may come: something waits, and they are not paused, or their allowance covers it
 */
export class TopicQueues {
  readonly flushPoints = new FlushPoints()
  readonly #aliases: Aliases
  readonly #exit: Exit
  readonly #claims: QueuedClaims
  readonly #pool = new BlockPool()
  readonly #listed = new Map<string, TopicQueue>()
  readonly #paused = new Map<number, TopicQueue>()
  readonly #ready = new PriorityRounds<TopicQueue>()
  /** Those with less in them than before, or with leave to go on, that somebody waits for. */
  #eased: TopicQueue[] = []
  #lastFound: TopicQueue | undefined
  #costBytes = 0
  #pausedCostBytes = 0
  #handOvers = 0

  constructor(aliases: Aliases, exit: Exit, claims: QueuedClaims) {
    this.#aliases = aliases
    this.#exit = exit
    this.#claims = claims
  }

  /** Whether no message waits. */
  get isEmpty(): boolean {
    return this.#costBytes === this.#listed.size * QUEUED_TOPIC_BYTES
  }

  /** Whether something may leave. */
  get isReady(): boolean {
    return !this.#ready.isEmpty
  }

  /** Whether the broker has paused a topic. */
  get hasPauses(): boolean {
    return this.#paused.size > 0
  }

  /** Bytes that wait, and what the queues themselves cost. */
  get costBytes(): number {
    return this.#costBytes
  }

  /** The same without the topics that are paused: what waits for the outlet alone. */
  get unpausedCostBytes(): number {
    return this.#costBytes - this.#pausedCostBytes
  }

  /** How many times something was handed over. */
  get handOvers(): number {
    return this.#handOvers
  }

  /** The queue of a topic that has something in it, or is paused. */
  find(topic: string): TopicQueue | undefined {
    if (this.#lastFound?.topic === topic) return this.#lastFound
    const queue = this.#listed.get(topic)
    if (queue !== undefined) this.#lastFound = queue
    return queue
  }

  /** The queue of a topic, for `write`. Throws BAD_TOPIC. */
  open(topic: string): TopicQueue {
    const queue = this.find(topic)
    if (queue !== undefined) return queue
    checkTopic(topic)
    return new TopicQueue(topic, this.#aliases.peek(topic) ?? NO_ALIAS)
  }

  /** Writes a frame to the end of a queue; returns its length without padding. `head` gets an alias, which may change. */
  write(opened: TopicQueue, head: MessageHead, payload: Uint8Array | string, ringBytes: number): number {
    const queue = opened.isListed ? opened : this.#list(opened)
    const level = queue.levelFor(head.priority)
    const length = level.write(head, payload, queue.alias, this.flushPoints.current, this.#pool)
    const bytes = paddedLength(length) + ringBytes
    queue.waitingBytes += bytes
    if (ringBytes > 0) queue.ringBytes += ringBytes
    queue.heldMask |= 1 << head.priority
    this.#count(queue, bytes)
    if ((queue.mask & ~queue.listedMask) !== 0) this.#ready.add(queue)
    return length
  }

  /** Hands over what is most urgent, up to a block of it; false when nothing may leave. */
  leave(): boolean {
    while (!this.#ready.isEmpty) {
      const level = this.#ready.topLevel
      const queue = this.#ready.shift(level)
      if ((queue.mask & (1 << level)) === 0) continue
      this.#handOver(queue, level)
      return true
    }
    return false
  }

  /** Those that somebody waits for, and that have eased since the last call. */
  takeEased(): TopicQueue[] {
    const eased = this.#eased
    if (eased.length > 0) this.#eased = []
    return eased
  }

  /** Nobody reads memory any longer that was sent before. */
  memoryReturned(): void {
    this.#pool.returned()
  }

  /** PAUSE; one that was meant for a topic that had the alias before is ignored. [WIRE-2.8] */
  pause(alias: number, bindingsRead: number): void {
    const topic = this.#aliases.topicOf(alias, bindingsRead)
    if (topic === undefined || this.#paused.has(alias)) return
    const queue = this.#list(this.find(topic) ?? new TopicQueue(topic, alias))
    queue.pausedAlias = alias
    this.#paused.set(alias, queue)
    this.#pausedCostBytes += costOf(queue)
    this.#aliases.hold(alias)
  }

  /** RESUME: ends a pause, or permits that many bytes more. [WIRE-2.8] */
  resume(alias: number, allowanceBytes: number): void {
    const queue = this.#paused.get(alias)
    if (queue === undefined) return
    if (allowanceBytes === 0) return this.endPause(alias)
    queue.allowanceBytes += allowanceBytes
    this.#ready.add(queue)
    if (queue.mayLeave) this.#ease(queue)
  }

  /** The pause of an alias is over, if there is one. */
  endPause(alias: number): void {
    const queue = this.#paused.get(alias)
    if (queue === undefined) return
    this.#paused.delete(alias)
    this.#aliases.letGo(alias)
    this.#pausedCostBytes -= costOf(queue)
    queue.pausedAlias = NO_ALIAS
    queue.allowanceBytes = 0
    this.#settle(queue)
  }

  /** Pauses end with the connection, and so do the rings. Returns how many messages are lost with those. */
  connectionLost(): number {
    this.#pool.abandoned()
    for (const alias of [...this.#paused.keys()]) this.endPause(alias)
    let lost = 0
    for (const queue of [...this.#listed.values()]) {
      if (queue.ringBytes === 0) continue
      const before = queue.waitingBytes
      lost += queue.leaveRings(this.#claims, this.#pool)
      this.#count(queue, queue.waitingBytes - before)
      this.#settle(queue)
    }
    this.flushPoints.settle()
    return lost
  }

  /** Drops everything. */
  clear(): void {
    for (const alias of [...this.#paused.keys()]) this.endPause(alias)
    for (const queue of this.#listed.values()) {
      queue.clear(this.#pool)
      queue.isListed = false
    }
    this.#listed.clear()
    this.#ready.clear()
    this.#eased = []
    this.#lastFound = undefined
    this.#costBytes = 0
  }

  #list(queue: TopicQueue): TopicQueue {
    // What encodes a payload may have published on the same topic.
    const listed = this.find(queue.topic)
    if (listed !== undefined) return listed
    queue.isListed = true
    this.#costBytes += QUEUED_TOPIC_BYTES
    this.#listed.set(queue.topic, queue)
    this.#lastFound = queue
    return queue
  }

  #handOver(queue: TopicQueue, level: number): void {
    // This may bind the alias, and so end the pause of the topic that had it.
    const alias = this.#aliases.find(queue.topic)
    queue.alias = alias
    const block = queue.level(level).head
    const { bytes } = block.memory
    const { start } = block
    if (block.alias !== alias) {
      rewriteAlias(bytes, start, block.end, alias)
      block.alias = alias
    }
    const end = queue.spend(level)
    if (!this.#exit.send(bytes, start, end)) block.isLent = true
    this.#handOvers += 1
    const ringBytes = queue.ringBytes === 0 ? 0 : this.#settleClaims(bytes, start, end)
    this.#count(queue, -(end - start) - ringBytes)
    queue.takeUntil(level, end, ringBytes, this.#pool)
    this.flushPoints.settle()
    this.#settle(queue)
  }

  /** The frames have left, and with them what the broker may be told of their claims. Returns the bytes of those. */
  #settleClaims(bytes: Buffer, from: number, end: number): number {
    let ringBytes = 0
    for (let start = from; start < end; start += paddedLength(readU32(bytes, start))) {
      if (!isByRing(bytes, start)) continue
      const { segment, length } = readDescriptor(bytes, start)
      ringBytes += length
      this.#claims.frameLeft(segment)
    }
    return ringBytes
  }

  #count(queue: TopicQueue, bytes: number): void {
    this.#costBytes += bytes
    if (queue.isPaused) this.#pausedCostBytes += bytes
  }

  /** Less waits in a queue than before, or it may go on. */
  #settle(queue: TopicQueue): void {
    this.#ease(queue)
    if (queue.heldMask !== 0) {
      this.#ready.add(queue)
    } else if (!queue.isPaused) {
      queue.isListed = false
      this.#costBytes -= QUEUED_TOPIC_BYTES
      this.#listed.delete(queue.topic)
      if (this.#lastFound === queue) this.#lastFound = undefined
    }
  }

  #ease(queue: TopicQueue): void {
    if (queue.isAwaited && this.#eased.at(-1) !== queue) this.#eased.push(queue)
  }
}

function costOf(queue: TopicQueue): number {
  return queue.waitingBytes + QUEUED_TOPIC_BYTES
}

function rewriteAlias(bytes: Buffer, from: number, end: number, alias: number): void {
  for (let start = from; start < end; start += paddedLength(readU32(bytes, start))) {
    writeU32(bytes, start + Offset.TOPIC, alias)
  }
}
