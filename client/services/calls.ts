import { IdTable, type RingbusError } from '../../protocol/index.js'
import type { Call } from './call.js'

/** Every request that has arrived at any service and is not answered, by the broker's number for it. */
export class Calls {
  readonly #calls = new IdTable<Call>()

  add(linkId: number, call: Call): void {
    this.#calls.set(linkId, call)
  }

  find(linkId: number): Call | undefined {
    return this.#calls.get(linkId)
  }

  /** Takes a call out of the books, unless its number belongs to one of a later connection by now. */
  remove(linkId: number, call: Call): void {
    if (this.#calls.get(linkId) === call) this.#calls.delete(linkId)
  }

  /** None of them can be answered any more. */
  abandonAll(error: RingbusError): void {
    const calls = this.#calls.values()
    this.#calls.clear()
    for (const call of calls) call.connectionLost(error)
  }
}
