import { isByRing } from '../../protocol/index.js'
import type { Backlog } from './backlog.js'
import type { UsedBlocks } from './blocks.js'
import type { Lane } from './lane.js'
import type { RingGate } from './ring-gate.js'

/** Takes frames out of the backlogs of one client without sending them. Whoever asks counts them. */
export class Eviction {
  readonly #gate: RingGate
  readonly #blocks: UsedBlocks
  readonly #unblock: (lane: Lane) => void

  /** `unblock` is called for a lane whose next frame may be another one than that which had to wait. */
  constructor(gate: RingGate, blocks: UsedBlocks, unblock: (lane: Lane) => void) {
    this.#gate = gate
    this.#blocks = blocks
    this.#unblock = unblock
  }

  /** Drops the oldest frame of the least urgent level of a lane that has one. */
  oldest(lane: Lane): void {
    const backlog = lane.backlog!
    const level = backlog.lowestLevel
    if (backlog.ringBytes > 0) {
      const { head, headStart } = backlog.front(level)
      this.unqueued(backlog, head, headStart)
    }
    backlog.discard(level, this.#blocks)
    if (lane.blockedMask & (1 << level)) this.#unblock(lane)
  }

  /** Drops the frames whose expiry has passed; returns how many those were. */
  expired(lane: Lane, nowNs: number): number {
    const { backlog } = lane
    if (backlog === undefined || backlog.earliestExpiryNs > nowNs) return 0
    const before = backlog.messages
    backlog.sweep(nowNs, (bytes, start) => this.unqueued(backlog, bytes, start), this.#blocks)
    const expired = before - backlog.messages
    if (expired > 0 && lane.blockedMask !== 0) this.#unblock(lane)
    return expired
  }

  /** Drops everything; returns how many frames that were. */
  all(lane: Lane): number {
    const { backlog } = lane
    if (backlog === undefined) return 0
    if (backlog.ringBytes > 0) backlog.visitAll((bytes, start) => this.unqueued(backlog, bytes, start))
    return backlog.clear()
  }

  /** A frame leaves a backlog, or is replaced in it: its payload may lie in a ring. */
  unqueued(backlog: Backlog, bytes: Buffer, start: number): void {
    if (isByRing(bytes, start)) backlog.subtractRingBytes(this.#gate.unqueued(bytes, start))
  }
}
