import { setTimeout as sleep } from 'node:timers/promises'
import { exitCodeOfSignal } from './exit-codes.js'
import type { Output } from './output.js'

/** After a signal, the time for a reader to take what was written: one that reads needs far less. */
const UNREAD_GRACE_MS = 1_000

/**
 * SIGINT and SIGTERM of a command that has something to put in order first. The first one aborts `signal`, and
 * the command ends by itself; a second one aborts `forced` and ends the process at once.
 */
export class Interruption {
  readonly #graceful = new AbortController()
  readonly #forced = new AbortController()
  #received: NodeJS.Signals | undefined

  constructor() {
    process.on('SIGINT', (name) => this.#receive(name)).on('SIGTERM', (name) => this.#receive(name))
  }

  get signal(): AbortSignal {
    return this.#graceful.signal
  }

  /** Its listeners run to their end, synchronously, before the process does. */
  get forced(): AbortSignal {
    return this.#forced.signal
  }

  /** What to exit with if a signal came, else undefined. */
  get exitCode(): number | undefined {
    return this.#received === undefined ? undefined : exitCodeOfSignal(this.#received)
  }

  /** Resolves when the first signal comes. */
  get interrupted(): Promise<void> {
    return new Promise((resolve) => {
      if (this.signal.aborted) resolve()
      else this.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  /**
   * Ends a command that is done or interrupted: what it wrote leaves first. After a signal it does not wait for
   * ever for a reader that does not read.
   */
  async conclude(output: Output): Promise<void> {
    const written = output.finish()
    await Promise.race([written, this.interrupted])
    if (this.exitCode === undefined) return
    process.exitCode = this.exitCode
    const isStuck = await Promise.race([
      written.then(() => false),
      sleep(UNREAD_GRACE_MS, true, { ref: false }),
    ])
    if (isStuck) process.exit()
  }

  #receive(name: NodeJS.Signals): void {
    if (this.#received === undefined) {
      this.#received = name
      this.#graceful.abort()
    } else {
      this.#forced.abort()
      process.exit(exitCodeOfSignal(name))
    }
  }
}
