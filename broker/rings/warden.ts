import type { Logger } from '../logger.js'
import type { Segment } from './segment.js'

export interface Ward {
  readonly limits: { readonly leaseTimeoutMs: number; readonly ringIdleMs: number }
  readonly segments: Iterable<Segment>
  readonly segmentCount: number
  abandon(segment: Segment): void
  /** Copies out what only queues refer to. */
  heldUp(segment: Segment): void
  /** Sends what clients are told. */
  flush(): void
}

/** How often the rings are looked after: no deadline of theirs is shorter than some of these. */
const ROUND_MS = 500

/** A ring that has grown no further than this is not worth replacing while it is in use. */
const SMALL_BYTES = 4 * 1024 * 1024

/** A ring is too large when it uses no more than this part of its memory. */
const USED_PART = 4

/**
 * Looks after the rings as time passes, while there are any: those that nobody uses, or that have far more memory
 * than they use, retire and give it back; one that a client holds up for too long is given up.
 */
export class Warden {
  readonly #ward: Ward
  readonly #log: Logger
  #timer: NodeJS.Timeout | undefined
  #roundEndsMs = 0

  constructor(ward: Ward, log: Logger) {
    this.#ward = ward
    this.#log = log
  }

  /** There is a ring to look after. */
  watch(): void {
    this.#timer ??= setInterval(() => this.#look(Date.now()), ROUND_MS).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look(nowMs: number): void {
    if (this.#ward.segmentCount === 0) return this.stop()
    const { ringIdleMs } = this.#ward.limits
    const isRoundOver = nowMs >= this.#roundEndsMs
    if (isRoundOver) this.#roundEndsMs = nowMs + ringIdleMs
    for (const segment of [...this.#ward.segments]) {
      // An owner that began to wait told nobody but the shared memory.
      if (segment.takesCommits && segment.isCrowded) this.#ward.heldUp(segment)
      this.#lookForHolder(segment, nowMs)
      const isIdle = segment.recordCount === 0 && nowMs - segment.lastUsedMs >= ringIdleMs
      if (isIdle || (isRoundOver && this.#isTooLarge(segment))) segment.retire()
    }
    this.#ward.flush()
  }

  #isTooLarge(segment: Segment): boolean {
    const recentBytes = segment.takeRecentHighBytes()
    return segment.highBytes > SMALL_BYTES && recentBytes * USED_PART < segment.highBytes
  }

  /** Each client has its own time, from when it was sent the record: it may have waited long before that. */
  #lookForHolder(segment: Segment, nowMs: number): void {
    const { oldest } = segment
    if (oldest === undefined || oldest.leases === 0 || segment.isAbandoned || !segment.takesCommits) return
    if (!segment.isCrowded && !segment.isWanted) return
    const holders = segment.holdersOf(oldest, nowMs - this.#ward.limits.leaseTimeoutMs)
    if (holders.length === 0) return
    const fields = { segment: segment.id, holders }
    this.#log.warn(fields, 'a ring is given up, since clients do not release what they were sent')
    this.#ward.abandon(segment)
  }
}
