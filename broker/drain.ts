import type { Hub } from './hub.js'

/** What a stopping broker has left to do. */
export interface Leftover {
  /** Deliveries that have not left. */
  readonly queued: number
  readonly queuedBytes: number
  /** Deliveries of which no client has said what became of them. */
  readonly inFlight: number
  /** Requests that have not ended, those included that no responder has been given. */
  readonly requests: number
  /** Clients that have not taken what was sent to them. */
  readonly unread: number
}

/** What is left to be done for clients that are still there; nobody waits for one that has gone. */
export function leftoverOf(hub: Hub): Leftover {
  const { queued, queuedBytes, inFlight } = hub.overflow.gauges
  let [requests, unread] = [0, 0]
  for (const peer of hub.peers.values()) {
    requests += peer.requests.size
    if (peer.outbox.congested || peer.outbox.unreadBytes > 0) unread += 1
  }
  return { queued, queuedBytes, inFlight, requests, unread }
}

/**
 * Waits until a stopping broker has nothing left to do, or its time is over. Whatever ends one thing also flushes the
 * outboxes, so that is when it looks.
 */
export class Drain {
  /** Resolves with what is left: nothing, unless the time was too short. */
  readonly ended: Promise<Leftover>
  readonly #hub: Hub
  readonly #deadline: NodeJS.Timeout
  #soon: NodeJS.Immediate | undefined
  #resolve: (leftover: Leftover) => void = () => {}

  constructor(hub: Hub, timeoutMs: number) {
    this.#hub = hub
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.#deadline = setTimeout(() => this.giveUp(), timeoutMs)
    hub.onFlushed = () => {
      this.#soon ??= setImmediate(() => this.#look())
    }
    this.#look()
  }

  /** Waits no longer. */
  giveUp(): void {
    this.#hub.onFlushed = undefined
    clearTimeout(this.#deadline)
    clearImmediate(this.#soon)
    this.#resolve(leftoverOf(this.#hub))
  }

  #look(): void {
    this.#soon = undefined
    const { queued, inFlight, requests, unread } = leftoverOf(this.#hub)
    if (queued + inFlight + requests + unread === 0) this.giveUp()
  }
}
