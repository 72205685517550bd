import { exitCodeOfSignal } from './exit-codes.js'

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
