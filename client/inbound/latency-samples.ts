import { encodeBody, Kind, LATENCY_SAMPLES_MAX } from '../../protocol/index.js'
import type { Outbox } from '../outbound/outbox.js'
import type { Reporter, ReportTimer } from './report-timer.js'

/** How long messages that say when they were sent took to get here; the broker is told every so often. [FLOW-4] */
export class LatencySamples implements Reporter {
  readonly #outbox: Outbox
  readonly #timer: ReportTimer
  #samples: [topic: string, latencyNs: number][] = []

  constructor(outbox: Outbox, timer: ReportTimer) {
    this.#outbox = outbox
    this.#timer = timer
  }

  /** A message that was sent at `sentAtNs` is about to be handled. Beyond what one report holds it is not looked at. */
  take(topic: string, sentAtNs: number): void {
    if (this.#samples.length >= LATENCY_SAMPLES_MAX) return
    const latencyNs = Math.max(0, Number(process.hrtime.bigint()) - sentAtNs)
    if (this.#samples.push([topic, latencyNs]) === 1) this.#timer.add(this)
  }

  report(): void {
    const samples = this.#samples
    this.#samples = []
    if (!this.#outbox.isConnected) return
    this.#outbox.control(Kind.LATENCY, 0, 0, encodeBody(Kind.LATENCY, { samples }))
  }
}
