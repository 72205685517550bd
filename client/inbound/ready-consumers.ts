import type { Consumer } from './consumer.js'

/**
 * The consumers whose turn may come, as 32 rounds: one per level, each served in turn.
 *
 *   mask    bit n set: the round of level n is not empty; 0 means that nothing can be handled now
 *   round   c → a → b → (c again behind b, if it has more)
 *
 * A consumer with something to do stands in the round of every level at which it has something. One that gets
 * busy or runs empty stays where it is, and is passed over when its turn comes.
 */
export class ReadyConsumers {
  readonly #rounds: Consumer[][] = []
  #mask = 0

  get isEmpty(): boolean {
    return this.#mask === 0
  }

  /** The most urgent level with somebody in its round; only while not empty. */
  get topLevel(): number {
    return 31 - Math.clz32(this.#mask)
  }

  /** Whether somebody stands in the round of a level above this one. */
  isMoreUrgentThan(level: number): boolean {
    // Shifted twice, since a shift by 32 is none.
    return (this.#mask >>> level) >>> 1 !== 0
  }

  isEmptyAt(level: number): boolean {
    return (this.#mask & (1 << level)) === 0
  }

  /** Puts a consumer into every round where it belongs and does not stand. */
  add(consumer: Consumer): void {
    let missing = consumer.mask & ~consumer.listedMask
    while (missing !== 0) {
      const level = 31 - Math.clz32(missing)
      missing &= ~(1 << level)
      this.#round(level).push(consumer)
      this.#mask |= 1 << level
      consumer.listedMask |= 1 << level
    }
  }

  /** Takes off whose turn it is at this level. */
  shift(level: number): Consumer {
    const round = this.#rounds[level]!
    const consumer = round.shift()!
    if (round.length === 0) this.#mask &= ~(1 << level)
    consumer.listedMask &= ~(1 << level)
    return consumer
  }

  clear(): void {
    for (const round of this.#rounds) {
      for (const consumer of round ?? []) consumer.listedMask = 0
    }
    this.#rounds.length = 0
    this.#mask = 0
  }

  #round(level: number): Consumer[] {
    let round = this.#rounds[level]
    if (round === undefined) {
      round = []
      this.#rounds[level] = round
    }
    return round
  }
}
