import type { LogLevel } from '../broker/index.js'

export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent']

/** What a command has to say besides its output: lines on standard error, for people. */
export class Notes {
  readonly #rank: number

  /** Quiet by default: only what went wrong belongs between the output of a pipeline. */
  constructor(level: LogLevel = 'warn') {
    this.#rank = LOG_LEVELS.indexOf(level)
  }

  info(text: string): void {
    this.#write('info', text)
  }

  warn(text: string): void {
    this.#write('warn', text)
  }

  #write(level: LogLevel, text: string): void {
    if (LOG_LEVELS.indexOf(level) >= this.#rank) process.stderr.write(`ringbus: ${text}\n`)
  }
}
