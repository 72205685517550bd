/** Where a progress line goes: standard error, or what a test looks at. */
export interface Terminal {
  readonly isTTY?: boolean | undefined
  write(text: string): unknown
}

/** To the start of the line, and clear what stands there. */
const CLEAR_LINE = '\r\x1b[K'

/** What is going on, on one line that is written over and over; nothing where nobody watches. */
export class ProgressLine {
  readonly #terminal: Terminal
  readonly #isShown: boolean

  constructor(terminal: Terminal = process.stderr) {
    this.#terminal = terminal
    this.#isShown = terminal.isTTY === true
  }

  show(text: string): void {
    if (this.#isShown) this.#terminal.write(`${CLEAR_LINE}${text}`)
  }

  /** Leaves an empty line to whoever writes next. */
  clear(): void {
    if (this.#isShown) this.#terminal.write(CLEAR_LINE)
  }
}
