import { type Run, RunQueue } from './run-queue.js'

/**
 * Who handles frames: a subscription or a service, with what waits for it. 32 first-in first-out levels, made
 * when first needed, and a bitmask of those that hold something:
 *
 *   mask    0b…1001       bit n set: level n holds at least one frame; 0 means that nothing waits
 *   levels  31 … 3 … 0    each a queue of runs
 */
export abstract class Consumer {
  readonly #levels: (RunQueue | undefined)[] = []
  /** The levels that hold something. */
  mask = 0
  /** The levels at which this consumer stands in the round of the ready ones. */
  listedMask = 0
  /** Frames that may be handed over now; 0 while every handler is busy. */
  freeSlots: number
  /** The kind of the frames that it handles. */
  abstract readonly frameKind: number
  /** Which connection frames come by; those of earlier ones cannot be answered any more. */
  epoch = 0

  constructor(slots: number) {
    this.freeSlots = slots
  }

  /** Whether frames that arrive are still to be handled. */
  abstract get takesFrames(): boolean

  /** Handles the frame of `length` bytes at `start`; takes a slot when that is not done at once. */
  abstract start(run: Run, start: number, length: number): void

  /** The frame of `length` bytes at `start` arrived, and nobody is to handle it any more. */
  discarded(_bytes: Buffer, _start: number, _length: number): void {}

  /** Nothing waits and, unless a slot is taken, nothing is being handled. */
  emptied(): void {}

  /** Appends a run. */
  push(level: number, run: Run): void {
    let queue = this.#levels[level]
    if (queue === undefined) {
      queue = new RunQueue()
      this.#levels[level] = queue
    }
    queue.push(run)
    this.mask |= 1 << level
  }

  /** The next run of a level whose bit is set. */
  head(level: number): Run {
    return this.#levels[level]!.head!
  }

  /** Takes off the run at the head of a level, which has been used up. */
  shift(level: number): void {
    const queue = this.#levels[level]!
    queue.shift()
    if (queue.head === undefined) this.mask &= ~(1 << level)
  }

  /** Drops everything that waits. */
  clear(): void {
    this.#levels.length = 0
    this.mask = 0
  }

  /** Everything that waits, run by run. */
  *runs(): Iterable<Run> {
    for (const level of this.#levels) {
      for (let run = level?.head; run !== undefined; run = run.next) yield run
    }
  }
}
