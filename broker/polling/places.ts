/** A client that would poll, and is told whether it may. */
export interface PollingClient {
  /** The process, and the event loop within it: one loop polls for all of its clients. */
  readonly loop: string
  readonly mayPoll: boolean
  /** It may from now on. Called once. */
  permit(): void
}

/**
 * Who of those that would poll may do so. A place is an event loop's, since that is what keeps a processor busy; loops
 * that came first have the places, and as one ends the next gets its place.
 */
export class PollPlaces {
  readonly #count: number
  /** The loop that has a place anyway: the broker's own. */
  readonly #ownLoop: string
  /** In the order of their arrival; those that have places come first. */
  readonly #loops = new Map<string, Set<PollingClient>>()

  constructor(count: number, ownLoop: string) {
    this.#count = count
    this.#ownLoop = ownLoop
  }

  get count(): number {
    return this.#count
  }

  /** Loops that have a place. */
  get taken(): number {
    return Math.min(this.#loops.size, this.#count)
  }

  /** Loops that would have one. */
  get waiting(): number {
    return this.#loops.size - this.taken
  }

  enter(client: PollingClient): void {
    if (client.loop === this.#ownLoop) {
      if (this.#count > 0) client.permit()
      return
    }
    const clients = this.#loops.get(client.loop)
    if (clients === undefined) this.#loops.set(client.loop, new Set([client]))
    else clients.add(client)
    this.#permitHolders()
  }

  leave(client: PollingClient): void {
    const clients = this.#loops.get(client.loop)
    if (clients === undefined) return
    clients.delete(client)
    if (clients.size > 0) return
    this.#loops.delete(client.loop)
    this.#permitHolders()
  }

  #permitHolders(): void {
    let place = 0
    for (const clients of this.#loops.values()) {
      if (place === this.#count) return
      for (const client of clients) if (!client.mayPoll) client.permit()
      place += 1
    }
  }
}
