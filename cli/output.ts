/** Bytes gathered before those who write have to wait: the capacity of a pipe. */
const BATCH_BYTES = 64 * 1024

/**
 * Standard output. What is written in one turn of the loop leaves in one write, and a slow reader makes writers
 * wait. When the reader goes, as `head` does, `readerGone` resolves, and what is written from then on is lost.
 */
export class Output {
  /** Resolves when nobody reads any more; rejects when writing failed otherwise, on a full disk for one. */
  readonly readerGone: Promise<void>
  #broken: (error: NodeJS.ErrnoException) => void = () => {}
  #isBroken = false
  #chunks: Buffer[] = []
  #bytes = 0
  #flushing: Promise<void> | undefined

  constructor() {
    this.readerGone = new Promise((resolve, reject) => {
      this.#broken = (error) => {
        this.#isBroken = true
        if (error.code === 'EPIPE') resolve()
        else reject(error)
      }
    })
    // Whoever finishes looks at it; until then a failure is no unhandled rejection.
    this.readerGone.catch(() => {})
    process.stdout.on('error', (error) => this.#broken(error))
  }

  /** Takes the text at once; the promise, if there is one, says when there is room for more. */
  write(text: string | Buffer): Promise<void> | undefined {
    if (this.#isBroken) return undefined
    const bytes = typeof text === 'string' ? Buffer.from(text) : text
    this.#chunks.push(bytes)
    this.#bytes += bytes.length
    this.#flushing ??= this.#flush()
    return this.#bytes >= BATCH_BYTES ? this.#flushing : undefined
  }

  /** Resolves once everything written has left, or its reader has; rejects when writing failed otherwise. */
  async finish(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing
    if (this.#isBroken) await this.readerGone
  }

  async #flush(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    const batch = Buffer.concat(this.#chunks)
    this.#chunks = []
    this.#bytes = 0
    await new Promise<void>((resolve) => {
      process.stdout.write(batch, (error) => {
        if (error) this.#broken(error)
        resolve()
      })
    })
    this.#flushing = this.#chunks.length > 0 ? this.#flush() : undefined
  }
}
