import type { FrameFault } from '../../protocol/index.js'

/** A session that holds a frame of which more is to come. */
interface Holder {
  refuse(fault: FrameFault): void
}

/**
 * The memory of frames that have begun and not ended, of all clients together. When it is used up, the client
 * whose frame has waited longest for its next byte is let go: an honest writer's frame is never that one.
 */
export class PartialFrames {
  readonly #bytesMax: () => number
  /** In the order of their last bytes, the longest silent first. */
  readonly #holders = new Map<Holder, number>()
  #bytes = 0

  constructor(bytesMax: () => number) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  track(holder: Holder, bytes: number): void {
    if (bytes === 0 && !this.#holders.has(holder)) return
    this.release(holder)
    if (bytes === 0) return
    this.#holders.set(holder, bytes)
    this.#bytes += bytes
    while (this.#bytes > this.#bytesMax()) {
      const [longestSilent] = this.#holders.keys()
      const held = this.#holders.get(longestSilent!)!
      longestSilent!.refuse({
        code: 'PARTIAL_LIMIT',
        message: `Unfinished frames use up ${this.#bytesMax()} bytes, and this client's has waited longest with ${held}`,
        kind: 0,
        id: 0,
      })
      this.release(longestSilent!)
    }
  }

  release(holder: Holder): void {
    const held = this.#holders.get(holder)
    if (held === undefined) return
    this.#holders.delete(holder)
    this.#bytes -= held
  }
}
