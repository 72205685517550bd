/** Frames of one topic and one priority that lie one behind another in one buffer. */
export interface Run {
  bytes: Buffer
  /** Where the next frame starts; moves towards `end` as frames are taken. */
  start: number
  end: number
  readonly topicId: number
  readonly topic: string
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
