/** Why deliveries were dropped. */
export interface Drops {
  /** Their expiry had passed: on arrival, in the backlog, or at the client. */
  expired: number
  /** They were the oldest of the lowest priority in a full backlog, or less urgent than all of it. */
  oldest: number
  /** They found the backlog full. */
  newest: number
  /** A newer message of their topic came before they had left. */
  replaced: number
  /** Their payload lies in a ring that the client cannot map, and is too large to go by socket. */
  unsendable: number
  /** They arrived, and nobody handled them, as the client reports. */
  discarded: number
  /** They were queued when their subscription ended. */
  ended: number
  /** They were in flight at a hang-up, or are not reported for a subscription that ended long ago. */
  lost: number
}

export type DropReason = keyof Drops

const NONE: Readonly<Drops> = Object.freeze({
  expired: 0,
  oldest: 0,
  newest: 0,
  replaced: 0,
  unsendable: 0,
  discarded: 0,
  ended: 0,
  lost: 0,
})

/**
 * What became of deliveries, of one subscription or of all since the start. Each is counted where it happens, and
 * none is computed from the others: matched = handled + dropped + queued + in flight, at any moment.
 */
export class DeliveryCounts {
  matched = 0
  /** Messages whose handlers have finished, as the client reports them. */
  handled = 0
  /** Made with the first drop: most subscriptions never lose anything. */
  #drops: Drops | undefined
  readonly #totals: DeliveryCounts | undefined

  /** `totals` counts the same, together with that of others. */
  constructor(totals?: DeliveryCounts) {
    this.#totals = totals
  }

  get drops(): Readonly<Drops> {
    return this.#drops ?? NONE
  }

  get dropped(): number {
    const { expired, oldest, newest, replaced, unsendable, discarded, ended, lost } = this.drops
    return expired + oldest + newest + replaced + unsendable + discarded + ended + lost
  }

  /** What an overflow has cost so far; what a newer message of its topic has replaced is not lost. */
  get lostToOverflow(): number {
    return this.drops.oldest + this.drops.newest
  }

  match(messages: number): void {
    this.matched += messages
    if (this.#totals !== undefined) this.#totals.matched += messages
  }

  handle(messages: number): void {
    this.handled += messages
    if (this.#totals !== undefined) this.#totals.handled += messages
  }

  drop(reason: DropReason, messages: number): void {
    this.#drops ??= { ...NONE }
    this.#drops[reason] += messages
    this.#totals?.drop(reason, messages)
  }
}
