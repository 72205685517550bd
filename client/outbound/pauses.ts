import type { RingbusError } from '../../protocol/index.js'
import { Deferred } from '../deferred.js'

/** Topics whose publishers were asked to pause, with those who wait for the end of it. */
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

  /** Ends all of them; returns the topics. */
  end(): string[] {
    const paused = [...this.#paused]
    this.#paused.clear()
    for (const [, waiting] of paused) waiting?.resolve()
    return paused.map(([topic]) => topic)
  }

  fail(error: RingbusError): void {
    for (const waiting of this.#paused.values()) waiting?.reject(error)
    this.#paused.clear()
  }
}
