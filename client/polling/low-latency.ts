import { threadId } from 'node:worker_threads'
import { CLIENT_POLICY, Poller } from '../../polling/index.js'

/** One for all clients of this thread, whose event loop it keeps turning. */
export const POLLER = new Poller()

/** Clients of this thread that may poll. */
let holders = 0

/** The number by which the broker knows this event loop from others of the process. [WIRE-2.9] */
export const LOOP_NUMBER = threadId

/** The polling of one client, while the broker permits it. */
export class LowLatency {
  #isPermitted = false

  /** POLL; and nobody permits anything without a connection. [WIRE-2.9] */
  set isPermitted(isPermitted: boolean) {
    if (isPermitted === this.#isPermitted) return
    this.#isPermitted = isPermitted
    const before = holders
    holders += isPermitted ? 1 : -1
    if (before === 0) POLLER.policy = CLIENT_POLICY
    else if (holders === 0) POLLER.policy = undefined
  }

  /** A read has been dealt with. */
  arrived(): void {
    if (this.#isPermitted) POLLER.arrived()
  }

  /** Something was written, to which there may be an answer. */
  sent(): void {
    if (this.#isPermitted) POLLER.sent()
  }
}
