import type { RingbusError } from '../../protocol/index.js'
import { Deferred } from '../deferred.js'

/** What was queued between two flushes. */
export interface Period {
  /** In how many levels of queues some of it waits. */
  levels: number
  /** Whoever waits until it, and all before it, have left. */
  left: Deferred<void> | undefined
  next: Period | undefined
}

/**
 * The points in the stream of queued messages at which somebody flushed. Since the more urgent messages leave first, it
 * is counted for each period between two points where some of it still waits:
 *
 *   first → … → closed → current      first: the first of which something waits, or the current one
 *                 ^ left: a flush     current: what is queued now belongs to it
 */
export class FlushPoints {
  #first: Period = { levels: 0, left: undefined, next: undefined }
  #closed: Period | undefined
  #current: Period = this.#first

  /** The period of what is queued now. */
  get current(): Period {
    return this.#current
  }

  /** Resolves when everything that was queued up to now has left. */
  whenLeft(): Promise<void> {
    this.settle()
    if (this.#current.levels > 0) this.#close()
    else if (this.#first === this.#current) return Promise.resolve()
    const closed = this.#closed!
    closed.left ??= new Deferred()
    return closed.left.promise
  }

  /** Some of what waited has left. */
  settle(): void {
    while (this.#first.levels === 0 && this.#first !== this.#current) {
      this.#first.left?.resolve()
      this.#first = this.#first.next!
    }
  }

  /** Whoever waits now does so in vain. */
  fail(error: RingbusError): void {
    for (let period: Period | undefined = this.#first; period !== undefined; period = period.next) {
      period.left?.reject(error)
      period.left = undefined
    }
  }

  #close(): void {
    this.#closed = this.#current
    this.#current = { levels: 0, left: undefined, next: undefined }
    this.#closed.next = this.#current
  }
}
