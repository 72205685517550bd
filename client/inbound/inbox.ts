import { Offset, PriorityRounds, paddedLength, readU32 } from '../../protocol/index.js'
import type { Consumer } from './consumer.js'
import { Memory } from './memory.js'
import { BLOCK_BYTES, keptFrames } from './read-memory.js'
import type { Run } from './run-queue.js'
import { SliceClock } from './slice-clock.js'
import type { TopicNames } from './topic-names.js'

/**
 * What has arrived and is not handled. A whole read is put in first, then handlers are started: the most urgent
 * level first, in turn between the consumers of one level, in order within a consumer. So once a frame is here,
 * no handler of a less urgent one starts before its own, unless its consumer is busy.
 *
 *   idle ──(a read, a freed slot)──> running ──(nothing to start)──> idle, or open while slots are taken
 *   open: the slice goes on when a handler settles within this turn of the event loop; the next turn ends it
 *   running ──(the slice is over)──> spent ──(next turn)──> running
 */
export class Inbox {
  readonly #names: TopicNames
  /** One that gets busy or runs empty stays where it is, and is passed over when its turn comes. */
  readonly #ready = new PriorityRounds<Consumer>()
  readonly #clock = new SliceClock()
  #state: 'idle' | 'running' | 'open' | 'spent' = 'idle'
  /** Slots that handlers have taken, of all consumers. */
  #slotsTaken = 0
  /** The last run of this read, which the next frame may lengthen. */
  #lastRun: Run | undefined
  #lastLevel = 0
  /** What this read has brought. */
  readonly #arrived: Run[] = []
  #resumeQueued = false

  constructor(names: TopicNames) {
    this.#names = names
  }

  /**
   * Takes whole frames for a consumer, from `start` to `end` with their padding: one, or several of one priority and,
   * unless they are mixed, of one topic. False when a topic has no name.
   */
  append(consumer: Consumer, bytes: Buffer, start: number, end: number, isMixed = false): boolean {
    let from = start
    do {
      const at = keptFrames.place(bytes, from, end)
      const placedBytes = keptFrames.placedEnd - from
      if (!this.#append(consumer, keptFrames.memory, at, at + placedBytes, isMixed)) return false
      from += placedBytes
    } while (from < end)
    return true
  }

  #append(consumer: Consumer, memory: Memory, start: number, end: number, isMixed: boolean): boolean {
    const { bytes } = memory
    const level = bytes[start + Offset.PRIORITY]!
    const topicId = readU32(bytes, start + Offset.TOPIC)
    const lastTopicId = isMixed ? this.#lastNamed(bytes, start, end) : topicId
    if (lastTopicId === undefined) return false
    const last = this.#lastRun
    if (last !== undefined && last.end === start && last.memory === memory && this.#lastLevel === level) {
      // Whatever else the broker might have said in between would lie in between.
      if ((isMixed || last.topicId !== topicId) && !this.#mix(last, lastTopicId)) return false
      last.end = end
      return true
    }
    if (!consumer.takesFrames) {
      discard(consumer, bytes, start, end)
      return true
    }
    const topic = this.#names.find(topicId)
    if (topic === undefined) return false
    const run: Run = {
      memory,
      start,
      end,
      topicId: lastTopicId,
      topic,
      names: isMixed ? this.#names.capture() : undefined,
      epoch: consumer.epoch,
      next: undefined,
    }
    consumer.push(level, run)
    this.#arrived.push(run)
    if (consumer.freeSlots > 0) this.#ready.add(consumer)
    this.#lastRun = run
    this.#lastLevel = level
    return true
  }

  /** The topic id of the last of these frames; undefined when one of them has no name. */
  #lastNamed(bytes: Buffer, start: number, end: number): number | undefined {
    let topicId: number | undefined
    for (let at = start; at < end; at += paddedLength(readU32(bytes, at))) {
      topicId = readU32(bytes, at + Offset.TOPIC)
      if (this.#names.find(topicId) === undefined) return undefined
    }
    return topicId
  }

  /** The run goes on with another topic; false when that has no name. */
  #mix(run: Run, topicId: number): boolean {
    if (this.#names.find(topicId) === undefined) return false
    run.topicId = topicId
    run.names = this.#names.capture()
    return true
  }

  /** Everything of this read is in. */
  readEnd(): void {
    this.#lastRun = undefined
    this.resume()
    if (this.#arrived.length > 0) this.#settleArrived()
  }

  /** A handler goes on after its call has returned: it has a slot until `give`. */
  take(consumer: Consumer): void {
    consumer.freeSlots -= 1
    this.#slotsTaken += 1
  }

  /** That handler is done; `resume` must follow. */
  give(consumer: Consumer): void {
    this.release()
    this.widen(consumer)
  }

  /** What had a slot is done, and nobody waits to fill the slot again. */
  release(): void {
    this.#slotsTaken -= 1
  }

  /** One more frame may be handed to this consumer; `resume` or `resumeSoon` must follow. */
  widen(consumer: Consumer): void {
    consumer.freeSlots += 1
    if (consumer.mask !== 0) this.#ready.add(consumer)
    else consumer.emptied()
  }

  /** Forgets who is ready: every consumer has been cleared. */
  clear(): void {
    this.#ready.clear()
  }

  /** Goes on from a callback of a promise, where no code of the user is on the stack. */
  resume(): void {
    if (this.#state === 'running' || this.#state === 'spent') return
    if (this.#state === 'idle') this.#clock.begin()
    this.#run(this.#state === 'open')
  }

  /** Goes on in a microtask, for callers that may have code of the user on the stack. */
  resumeSoon(): void {
    if (this.#resumeQueued || this.#ready.isEmpty) return
    this.#resumeQueued = true
    queueMicrotask(this.#resumeTurn)
  }

  readonly #resumeTurn = (): void => {
    this.#resumeQueued = false
    this.resume()
  }

  #run(turnQueued: boolean): void {
    this.#state = 'running'
    let over = false
    while (!over && !this.#ready.isEmpty) over = this.#serveNext()
    if (over) this.#state = 'spent'
    else this.#state = this.#slotsTaken > 0 || turnQueued ? 'open' : 'idle'
    if (this.#state === 'idle' || turnQueued) return
    // A turn that begins in the middle of reading comes round to reading in the turn after next.
    setImmediate(over ? this.#skipTurn : this.#nextTurn)
  }

  readonly #skipTurn = (): void => {
    setImmediate(this.#nextTurn)
  }

  readonly #nextTurn = (): void => {
    const wasSpent = this.#state === 'spent'
    this.#state = 'idle'
    if (wasSpent) this.resume()
  }

  /** Serves whose turn it is; true when the slice is over. */
  #serveNext(): boolean {
    const ready = this.#ready
    const level = ready.topLevel
    const consumer = ready.shift(level)
    if (consumer.freeSlots === 0 || (consumer.mask & (1 << level)) === 0) return false
    // Alone in its round, it is served without leaving it, as long as nobody more urgent turns up.
    const handlersMax = ready.isEmptyAt(level) ? this.#clock.untilLook : 1
    const handlers = this.#serve(consumer, level, handlersMax)
    if (consumer.mask === 0) consumer.emptied()
    else if (consumer.freeSlots > 0) ready.add(consumer)
    return this.#clock.ran(handlers)
  }

  #serve(consumer: Consumer, level: number, handlersMax: number): number {
    let handlers = 0
    do {
      const run = consumer.head(level)
      const start = run.start
      const { bytes } = run.memory
      const length = readU32(bytes, start)
      run.start = start + paddedLength(length)
      if (run.names !== undefined) run.topic = run.names[readU32(bytes, start + Offset.TOPIC)]!
      if (run.start >= run.end) consumer.shift(level)
      consumer.start(run, start, length)
      handlers += 1
    } while (
      handlers < handlersMax &&
      consumer.freeSlots > 0 &&
      (consumer.mask & (1 << level)) !== 0 &&
      !this.#ready.isMoreUrgentThan(level)
    )
    return handlers
  }

  /** A little that still waits moves to memory of its own, so that it does not keep a block with much else alive. */
  #settleArrived(): void {
    let bytes = 0
    for (const run of this.#arrived) bytes += run.end - run.start
    if (bytes > 0 && bytes < BLOCK_BYTES / 2)
      moveRuns(this.#arrived, new Memory(Buffer.allocUnsafeSlow(bytes)))
    this.#arrived.length = 0
  }
}

function moveRuns(runs: readonly Run[], memory: Memory): void {
  let end = 0
  for (const run of runs) {
    const start = end
    end += run.memory.bytes.copy(memory.bytes, start, run.start, run.end)
    run.memory = memory
    run.start = start
    run.end = end
  }
}

function discard(consumer: Consumer, bytes: Buffer, from: number, end: number): void {
  for (let start = from; start < end; ) {
    const length = readU32(bytes, start)
    consumer.discarded(bytes, start, length)
    start += paddedLength(length)
  }
}
