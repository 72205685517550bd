/**
 * What is on its way at this moment, of all lanes that share these gauges. Each goes up and down where frames come and
 * go.
 */
export class Gauges {
  /** Frames that wait in backlogs. */
  queued = 0
  /** Memory that those take: their copies, and what their topics cost. */
  heapBytes = 0
  /** Bytes of their payloads in rings. */
  ringBytes = 0
  /** Frames that were sent, and are not reported as dealt with. */
  inFlight = 0

  get queuedBytes(): number {
    return this.heapBytes + this.ringBytes
  }
}

/** Of requests and replies, which have limits of their own, nobody asks for a sum. */
export const UNWATCHED = new Gauges()
