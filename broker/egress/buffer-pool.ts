/**
 * Buffers of one size that are used again and again. To make each anew would cost more than to fill it, in page
 * faults and in collections, which the memory of buffers brings about.
 */
export class BufferPool {
  readonly bytes: number
  readonly #keptMax: number
  readonly #kept: Buffer[] = []

  /** More than `keptMax` unused ones are left to the collector. */
  constructor(bytes: number, keptMax: number) {
    this.bytes = bytes
    this.#keptMax = keptMax
  }

  take(): Buffer {
    return this.#kept.pop() ?? Buffer.allocUnsafeSlow(this.bytes)
  }

  /** Gives a buffer back to which nothing refers any longer; one of another size is let go. */
  give(buffer: Buffer): void {
    if (buffer.length === this.bytes && this.#kept.length < this.#keptMax) this.#kept.push(buffer)
  }
}
