import type { RingbusError } from '../../protocol/index.js'
import { Deferred } from '../deferred.js'

/** Topics whose publishers were told to wait, by `false`, with those who wait for the end of it. */
export class Pauses {
  readonly #paused = new Map<string, Deferred<void> | undefined>()

  get isEmpty(): boolean {
    return this.#paused.size === 0
  }

  add(topic: string): void {
    if (!this.#paused.has(topic)) this.#paused.set(topic, undefined)
  }

  has(topic: string): boolean {
    return this.#paused.has(topic)
  }

  /** Resolves when the pause of `topic` is over: at once if there is none. */
  async over(topic: string): Promise<void> {
    if (!this.#paused.has(topic)) return
    let waiting = this.#paused.get(topic)
    if (waiting === undefined) {
      waiting = new Deferred()
      this.#paused.set(topic, waiting)
    }
    await waiting.promise
  }

  /** Ends that of a topic; false when there was none. */
  end(topic: string): boolean {
    const waiting = this.#paused.get(topic)
    const wasPaused = this.#paused.delete(topic)
    waiting?.resolve()
    return wasPaused
  }

  /** Ends all of them; returns the topics. */
  endAll(): string[] {
    const topics = [...this.#paused.keys()]
    for (const topic of topics) this.end(topic)
    return topics
  }

  fail(error: RingbusError): void {
    for (const waiting of this.#paused.values()) waiting?.reject(error)
    this.#paused.clear()
  }
}
