import type { Outlet } from '../outbound/outbox.js'
import type { LowLatency } from './low-latency.js'

/** The way out of a client that polls for what comes back. */
export class PolledOutlet implements Outlet {
  readonly #outlet: Outlet
  readonly #lowLatency: LowLatency

  constructor(outlet: Outlet, lowLatency: LowLatency) {
    this.#outlet = outlet
    this.#lowLatency = lowLatency
  }

  get queuedBytes(): number {
    return this.#outlet.queuedBytes
  }

  write(bytes: Buffer): boolean {
    const isFree = this.#outlet.write(bytes)
    this.#lowLatency.sent()
    return isFree
  }

  borrow(bytes: Buffer): boolean {
    const isFree = this.#outlet.borrow(bytes)
    this.#lowLatency.sent()
    return isFree
  }
}
