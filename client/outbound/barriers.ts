import { Kind, type RingbusError } from '../../protocol/index.js'
import { Deferred } from '../deferred.js'
import type { Outbox } from './outbox.js'

/** Ids of FLUSH are u32, and come round long after their barrier has passed. */
const ID_MAX = 0xffff_ffff

/** Marks in the stream, which the broker reports once everything before them is routed. [FLUSH-1] */
export class Barriers {
  readonly #outbox: Outbox
  readonly #waiting = new Map<number, Deferred<void>>()
  #lastId = 0

  constructor(outbox: Outbox) {
    this.#outbox = outbox
  }

  /** Resolves once the broker has routed what was sent before; rejects DISCONNECTED if the connection ends first. */
  pass(): Promise<void> {
    const waiting = new Deferred<void>()
    this.#lastId = this.#lastId === ID_MAX ? 1 : this.#lastId + 1
    this.#waiting.set(this.#lastId, waiting)
    this.#outbox.control(Kind.FLUSH, 0, this.#lastId)
    return waiting.promise
  }

  passed(id: number): void {
    this.#waiting.get(id)?.resolve()
    this.#waiting.delete(id)
  }

  fail(error: RingbusError): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of waiting) reject(error)
  }
}
