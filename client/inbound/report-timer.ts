/** How long what is finished may go unreported, while less than half a window is. [CREDIT-6] [FLOW-4] */
const REPORT_MS = 100

/** Somebody who has something to tell the broker that can wait for a while. */
export interface Reporter {
  report(): void
}

/**
 * Reports that can wait, gathered: whoever has one is called within 100 ms, together with the others. At rest there
 * is no timer.
 *
 *   resting ──add──> armed ──(100 ms: everybody reports)──> resting
 */
export class ReportTimer {
  #waiting: Reporter[] = []
  #timer: NodeJS.Timeout | undefined

  /** Calls `report` once, in a while. Who has been added before must not be added again until then. */
  add(reporter: Reporter): void {
    if (this.#waiting.push(reporter) > 1) return
    if (this.#timer === undefined) this.#timer = setTimeout(this.#fire, REPORT_MS).unref()
    else this.#timer.refresh()
  }

  readonly #fire = (): void => {
    const waiting = this.#waiting
    this.#waiting = []
    for (const reporter of waiting) reporter.report()
  }
}
