import type { Memory } from './memory.js'

/** Frames of one priority that lie one behind another. */
export interface Run {
  memory: Memory
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
  next: Run | undefined
}

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
}
