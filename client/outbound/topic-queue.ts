import {
  paddedLength,
  permits,
  permittedLevels,
  type RoundMember,
  readU32,
  ringPayloadBytes,
} from '../../protocol/index.js'
import { type BlockPool, NO_ALIAS } from './blocks.js'
import { FrameLevel } from './frame-level.js'
import { copyInline, type PayloadSource } from './inline-form.js'

/**
 * The messages of one topic that wait to leave: 32 first-in first-out levels, made when first needed, with a bitmask of
 * those that hold something.
 *
 *   open ──(PAUSE)──> paused ──(RESUME 0, the alias is bound anew, the connection ends)──> open
 *   paused: what the allowance covers may leave, and a little more of what is urgent
 */
export class TopicQueue implements RoundMember {
  readonly topic: string
  /** The alias for frames to come: that of the topic when it was last looked up. */
  alias: number
  /** The levels that hold something. */
  heldMask = 0
  listedMask = 0
  /** The alias that is paused; NO_ALIAS: none is. */
  pausedAlias = NO_ALIAS
  /** Bytes that a paused topic may still send; urgent messages may overdraw it. [WIRE-2.8] */
  allowanceBytes = 0
  /** Whether it stands in the books. */
  isListed = false
  /** Whether somebody wants to hear when less waits. */
  isAwaited = false
  /** Bytes of what waits: frames with their padding, and payloads in a ring. */
  waitingBytes = 0
  /** Bytes of the payloads in a ring. */
  ringBytes = 0
  readonly #levels: (FrameLevel | undefined)[] = []

  constructor(topic: string, alias: number) {
    this.topic = topic
    this.alias = alias
  }

  get isPaused(): boolean {
    return this.pausedAlias !== NO_ALIAS
  }

  /** The levels of which something may leave. */
  get mask(): number {
    return this.isPaused ? this.heldMask & permittedLevels(this.allowanceBytes) : this.heldMask
  }

  /** Whether what has no priority may leave. */
  get mayLeave(): boolean {
    return this.pausedAlias === NO_ALIAS || this.allowanceBytes > 0
  }

  /** The frames of a level whose bit is set. */
  level(level: number): FrameLevel {
    return this.#levels[level]!
  }

  /** The level of a priority, for a frame. */
  levelFor(priority: number): FrameLevel {
    let level = this.#levels[priority]
    if (level === undefined) {
      level = new FrameLevel()
      this.#levels[priority] = level
    }
    return level
  }

  /** Where, in the head block of a level, the frames end that may leave now; spends the allowance for them. */
  spend(level: number): number {
    const block = this.#levels[level]!.head
    if (!this.isPaused) return block.end
    const { bytes } = block.memory
    let end = block.start
    while (end < block.end && permits(this.allowanceBytes, level)) {
      const length = readU32(bytes, end)
      this.allowanceBytes -= length + ringPayloadBytes(bytes, end)
      end += paddedLength(length)
    }
    return end
  }

  /** Takes off the frames of a level's head block that end at `end`, with this much in a ring. */
  takeUntil(level: number, end: number, ringBytes: number, pool: BlockPool): void {
    const frames = this.#levels[level]!
    this.waitingBytes -= end - frames.head.start + ringBytes
    this.ringBytes -= ringBytes
    frames.takeUntil(end, pool)
    if (frames.bytes === 0) this.heldMask &= ~(1 << level)
  }

  /**
   * The rings are gone: what waits by ring goes on inline, where `source` still has the payload. Returns how many frames
   * are lost.
   */
  leaveRings(source: PayloadSource, pool: BlockPool): number {
    let lost = 0
    this.ringBytes = 0
    this.waitingBytes = 0
    for (const [number, former] of this.#levels.entries()) {
      if (former === undefined) continue
      const level = new FrameLevel()
      for (const frame of former.frames()) {
        if (!copyInline(frame, level, source, pool)) lost += 1
      }
      former.clear(pool)
      this.#levels[number] = level
      this.waitingBytes += level.bytes
      if (level.bytes === 0) this.heldMask &= ~(1 << number)
    }
    return lost
  }

  clear(pool: BlockPool): void {
    for (const level of this.#levels) level?.clear(pool)
    this.#levels.length = 0
    this.heldMask = 0
    this.waitingBytes = 0
    this.ringBytes = 0
  }
}
