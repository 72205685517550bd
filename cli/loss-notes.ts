import type { SlowInfo } from '../client/index.js'
import type { Notes } from './notes.js'

/** A further note on a pattern when it has lost this many times as much as its last one said. */
const NOTE_FACTOR = 10

/**
 * Says on standard error that messages were lost: with the first, and each time that the loss has grown tenfold. A
 * terminal that shows a pager is not to be flooded, as it would be by a line for each second.
 */
export class LossNotes {
  readonly #notes: Notes
  readonly #noted = new Map<string, number>()

  constructor(notes: Notes) {
    this.#notes = notes
  }

  /** Takes what the broker says about one subscription. */
  take({ pattern, dropped, queued }: SlowInfo): void {
    const last = this.#noted.get(pattern) ?? 0
    // The count begins anew with each connection.
    const isNew = dropped < last
    if (dropped === 0 || (!isNew && dropped < last * NOTE_FACTOR)) return
    this.#noted.set(pattern, dropped)
    this.#notes.warn(
      `${pattern}: ${dropped} of its messages were lost so far, since they come faster than they are read; ${queued} wait`,
    )
  }
}
