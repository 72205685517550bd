/** Who may stand in the rounds. */
export interface RoundMember {
  /** Bit n set: there is something to do at level n. */
  readonly mask: number
  /** The levels in whose rounds it stands; the rounds alone change it. */
  listedMask: number
}

/**
 * Those whose turn may come, as 32 rounds: one for each priority, each served in turn.
 *
 *   mask    bit n set: the round of level n is not empty; 0 means that there is nothing to do
 *   round   c → a → b → (c again behind b, if it has more)
 *
 * A member stands in the round of every level at which it has something to do. One that has no more to do, or cannot do
 * it now, may stay where it is: whoever takes it off passes it over.
 */
export class PriorityRounds<Member extends RoundMember> {
  readonly #rounds: (Round<Member> | undefined)[] = []
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

  /** Puts a member into every round where it belongs and does not stand. */
  add(member: Member): void {
    let missing = member.mask & ~member.listedMask
    while (missing !== 0) {
      const level = 31 - Math.clz32(missing)
      missing &= ~(1 << level)
      this.#round(level).push(member)
      this.#mask |= 1 << level
      member.listedMask |= 1 << level
    }
  }

  /** Takes off whose turn it is at this level, where somebody stands. */
  shift(level: number): Member {
    const round = this.#rounds[level]!
    const member = round.shift()
    if (round.isEmpty) this.#mask &= ~(1 << level)
    member.listedMask &= ~(1 << level)
    return member
  }

  clear(): void {
    for (const round of this.#rounds) {
      for (const member of round?.members() ?? []) member.listedMask = 0
    }
    this.#rounds.length = 0
    this.#mask = 0
  }

  #round(level: number): Round<Member> {
    let round = this.#rounds[level]
    if (round === undefined) {
      round = new Round()
      this.#rounds[level] = round
    }
    return round
  }
}

/** From so many places taken at the front on, they are given up once they are half of all. */
const TAKEN_MIN = 32

/** First in, first out. The places at the front are given up in batches, since a round may have 100,000 members. */
class Round<Member> {
  #members: (Member | undefined)[] = []
  #first = 0

  get isEmpty(): boolean {
    return this.#first === this.#members.length
  }

  push(member: Member): void {
    this.#members.push(member)
  }

  /** Only while not empty. */
  shift(): Member {
    const member = this.#members[this.#first]!
    this.#members[this.#first] = undefined
    this.#first += 1
    if (this.isEmpty) this.#giveUp(this.#first)
    else if (this.#first >= TAKEN_MIN && this.#first * 2 >= this.#members.length) this.#giveUp(this.#first)
    return member
  }

  members(): Member[] {
    return this.#members.slice(this.#first) as Member[]
  }

  #giveUp(places: number): void {
    if (places === this.#members.length) this.#members.length = 0
    else this.#members.splice(0, places)
    this.#first = 0
  }
}
