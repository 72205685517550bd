import { RingbusError } from '../../protocol/index.js'
import { Deferred } from '../deferred.js'
import { unwatchAbort, watchAbort } from '../requests/abort-watch.js'
import type { LoanMemory } from './loan-memory.js'

/** Somebody waits for memory. */
export interface LoanWaiter {
  readonly byteLength: number
  readonly memory: Deferred<LoanMemory>
}

/**
 * Who waits for memory, in the order in which they asked: a large loan is not overtaken by small ones for ever.
 *
 *   first → waiter → waiter      empty: nobody waits
 */
export class LoanQueue {
  readonly #waiting: LoanWaiter[] = []

  get first(): LoanWaiter | undefined {
    return this.#waiting[0]
  }

  /** Waits for memory. Rejects CANCELLED when the signal aborts; `left` is called then. */
  enter(byteLength: number, signal: AbortSignal | undefined, left: () => void): Promise<LoanMemory> {
    const waiter = { byteLength, memory: new Deferred<LoanMemory>() }
    this.#waiting.push(waiter)
    if (signal === undefined) return waiter.memory.promise
    const aborted = () => {
      const place = this.#waiting.indexOf(waiter)
      if (place === -1) return
      this.#waiting.splice(place, 1)
      waiter.memory.reject(cancelledLoan(signal.reason))
      left()
    }
    watchAbort(signal, aborted)
    return waiter.memory.promise.finally(() => unwatchAbort(signal, aborted))
  }

  /** Takes off who waits first. */
  shift(): void {
    this.#waiting.shift()
  }

  fail(error: RingbusError): void {
    for (const { memory } of this.#waiting.splice(0)) memory.reject(error)
  }
}

export function cancelledLoan(cause: unknown): RingbusError {
  return new RingbusError('CANCELLED', 'Waiting for the memory of a loan was cancelled', { cause })
}
