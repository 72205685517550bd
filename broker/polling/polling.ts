import { availableParallelism } from 'node:os'
import { threadId } from 'node:worker_threads'
import { BROKER_POLICY, fixedPolicy, Poller, type PollPolicy } from '../../polling/index.js'
import type { Limits } from '../config.js'
import { type PollingClient, PollPlaces } from './places.js'

type PollingLimits = Pick<Limits, 'busyPollUs'>

/** The broker's own polling, and that of its clients: together no more than there are processors. */
export class Polling {
  readonly places: PollPlaces
  readonly #limits: PollingLimits
  readonly #processors: number
  readonly #poller: Poller
  #hasStopped = false

  constructor(limits: PollingLimits, processors = availableParallelism(), poller = new Poller()) {
    this.#poller = poller
    this.#limits = limits
    this.#processors = processors
    // One is the broker's, also where it does not poll: whoever polls waits for it to run.
    this.places = new PollPlaces(processors - 1, loopName(process.pid, threadId))
    this.reconfigured()
  }

  /** A chunk has been dealt with. */
  arrived(): void {
    this.#poller.arrived()
  }

  enter(client: PollingClient | undefined): void {
    if (client !== undefined) this.places.enter(client)
  }

  leave(client: PollingClient | undefined): void {
    if (client !== undefined) this.places.leave(client)
  }

  /** The limits have changed. On a single processor whoever polls keeps from running what is waited for. */
  reconfigured(): void {
    const mayPoll = this.#processors > 1 && !this.#hasStopped
    this.#poller.policy = mayPoll ? policyOf(this.#limits.busyPollUs) : undefined
  }

  /** At once, and for good. */
  stop(): void {
    this.#hasStopped = true
    this.#poller.policy = undefined
  }

  describe(): Record<string, unknown> {
    return {
      busyPollUs: this.#limits.busyPollUs,
      polls: this.#poller.isPolling,
      turns: this.#poller.turns,
      processors: this.#processors,
      places: this.places.count,
      placesTaken: this.places.taken,
      placesWanted: this.places.waiting,
    }
  }
}

/** How an event loop is called: threads of a process have one each. [WIRE-2.9] */
export function loopName(pid: number, thread: number): string {
  return `${pid}:${thread}`
}

function policyOf(busyPollUs: Limits['busyPollUs']): PollPolicy | undefined {
  if (busyPollUs === 'auto') return BROKER_POLICY
  return busyPollUs === 0 ? undefined : fixedPolicy(busyPollUs)
}
