import type { RingbusClient } from '../client/index.js'
import { LATENCY_BULK, LATENCY_URGENT, PROGRESS, type Progress } from './topics.js'

/** How often a hasher tells what it has got: often enough for a bar that moves, seldom enough to cost nothing. */
const TELL_EVERY_MS = 100

/** Counts what one hasher gets and publishes it several times a second. */
export class Meter {
  readonly #bus: RingbusClient
  readonly #timer: NodeJS.Timeout
  /** Latencies not yet told, in milliseconds; emptied at each telling. */
  #urgentMs: number[] = []
  #bulkMs: number[] = []
  #parts = 0
  #bytes = 0

  constructor(bus: RingbusClient) {
    this.#bus = bus
    this.#timer = setInterval(() => this.#tell(), TELL_EVERY_MS)
  }

  part(bytes: number, latencyMs: number): void {
    this.#parts += 1
    this.#bytes += bytes
    this.#bulkMs.push(latencyMs)
  }

  alarm(latencyMs: number): void {
    this.#urgentMs.push(latencyMs)
  }

  /** Tells the rest, and waits until the broker has passed it on. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#tell()
    await this.#bus.flush()
  }

  #tell(): void {
    if (this.#parts > 0) {
      const progress: Progress = { pid: process.pid, parts: this.#parts, bytes: this.#bytes }
      this.#bus.publish(PROGRESS, progress)
      this.#bus.publish(LATENCY_BULK, Float64Array.from(this.#bulkMs))
    }
    if (this.#urgentMs.length > 0) this.#bus.publish(LATENCY_URGENT, Float64Array.from(this.#urgentMs))
    this.#parts = 0
    this.#bytes = 0
    this.#bulkMs = []
    this.#urgentMs = []
  }
}
