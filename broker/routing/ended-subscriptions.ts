import type { Subscription } from './subscription.js'

/**
 * Subscriptions of one client that have ended while messages were in flight: the client may still report those.
 * [CREDIT-3]
 */
export class EndedSubscriptions {
  /** By id, the one that ended first comes first. Made with the first one. */
  #byId: Map<number, Subscription> | undefined

  /** Keeps one that has ended. Of more than `keptMax` the one that ended first is reported as lost. */
  add(subscription: Subscription, keptMax: number): void {
    if (subscription.inFlight === 0) return
    this.#byId ??= new Map()
    this.#byId.set(subscription.id, subscription)
    if (this.#byId.size > keptMax) this.lose(this.#byId.keys().next().value!)
  }

  get(id: number): Subscription | undefined {
    return this.#byId?.get(id)
  }

  values(): Iterable<Subscription> {
    return this.#byId?.values() ?? []
  }

  /** Forgets one of which everything is reported. */
  forget(id: number): void {
    this.#byId?.delete(id)
  }

  /** The id is used anew: what was in flight under it cannot be reported any more. */
  lose(id: number): void {
    const subscription = this.#byId?.get(id)
    if (subscription === undefined) return
    subscription.lose()
    this.#byId!.delete(id)
  }

  /** The client has hung up. */
  loseAll(): void {
    for (const subscription of this.values()) subscription.lose()
    this.#byId = undefined
  }
}
