import type { SlowInfo } from '../client/index.js'
import type { Notes } from './notes.js'
import { counted } from './quantities.js'

/** A further note on a pattern when it has lost this many times as much as its last one said. */
const NOTE_FACTOR = 10

/** Messages lost by one pattern: by the broker's last word, and by the last note. */
interface Loss {
  known: number
  noted: number
}

/**
 * Says on standard error that messages were lost: with the first, each time that the loss has grown tenfold, and at
 * the end. A terminal that shows a pager is not to be flooded, as it would be by a line for each second.
 */
export class LossNotes {
  readonly #notes: Notes
  readonly #losses = new Map<string, Loss>()

  constructor(notes: Notes) {
    this.#notes = notes
  }

  /** Takes what the broker says about one subscription. */
  take({ pattern, dropped, queued }: SlowInfo): void {
    const noted = this.#losses.get(pattern)?.noted ?? 0
    // The count begins anew with each connection.
    const isNote = dropped < noted || dropped >= Math.max(1, noted * NOTE_FACTOR)
    this.#losses.set(pattern, { known: dropped, noted: isNote ? dropped : noted })
    if (isNote && dropped > 0)
      this.#notes.warn(
        `${pattern}: lost ${counted(dropped, 'message')} so far, for they come faster than they are read; ${queued} wait`,
      )
  }

  /** Says what was lost since the last notes. */
  conclude(): void {
    for (const [pattern, { known, noted }] of this.#losses) {
      if (known > noted) this.#notes.warn(`${pattern}: lost ${counted(known, 'message')}, or more`)
    }
  }
}
