/**
 * Bytes that all subscriptions of a client together may have waiting here: what a process can spare without
 * having been asked. Past it, further subscriptions get the smallest window, and none grows.
 */
const INBOX_BYTES_MAX = 64 * 1024 * 1024

/** Divides the inbox between the windows of the subscriptions. */
export class InboxBudget {
  #takenBytes = 0

  /** Takes what is wanted or what is left of it, but no less than `minBytes`. */
  take(wantedBytes: number, minBytes: number): number {
    const leftBytes = Math.max(0, INBOX_BYTES_MAX - this.#takenBytes)
    const takenBytes = Math.max(minBytes, Math.min(wantedBytes, leftBytes))
    this.#takenBytes += takenBytes
    return takenBytes
  }

  /** Takes of what is wanted as much as leaves half of it all to others. */
  takeSpare(wantedBytes: number): number {
    const takenBytes = Math.max(0, Math.min(wantedBytes, INBOX_BYTES_MAX / 2 - this.#takenBytes))
    this.#takenBytes += takenBytes
    return takenBytes
  }

  give(bytes: number): void {
    this.#takenBytes -= bytes
  }
}
