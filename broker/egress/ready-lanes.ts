import type { Lane } from './lane.js'

/**
 * The lanes that may send, as 32 rounds: one per level, each served in turn. A lane stands in the round of every
 * level at which it has something queued, as long as it has credit for that.
 *
 *   mask   bit n set: the round of level n is not empty; 0 means that nothing may be sent
 */
export class ReadyLanes {
  readonly #rounds: Lane[][] = []
  #mask = 0

  get isEmpty(): boolean {
    return this.#mask === 0
  }

  /** The most urgent level with a lane in its round; only while not empty. */
  get topLevel(): number {
    return 31 - Math.clz32(this.#mask)
  }

  /** Puts a lane into every round that it belongs to and is missing from. */
  add(lane: Lane): void {
    let missing = lane.sendableMask & ~lane.listedMask
    while (missing !== 0) {
      const level = 31 - Math.clz32(missing)
      missing &= ~(1 << level)
      this.#round(level).push(lane)
      this.#mask |= 1 << level
      lane.listedMask |= 1 << level
    }
  }

  /** Takes the lane off whose turn it is at this level. */
  shift(level: number): Lane {
    const round = this.#rounds[level]!
    const lane = round.shift()!
    if (round.length === 0) this.#mask &= ~(1 << level)
    lane.listedMask &= ~(1 << level)
    return lane
  }

  #round(level: number): Lane[] {
    let round = this.#rounds[level]
    if (round === undefined) {
      round = []
      this.#rounds[level] = round
    }
    return round
  }
}
