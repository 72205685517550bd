import type { Holder } from './holder.js'
import type { PausedAlias } from './paused-alias.js'

/** A topic, as far as its publishers may be paused. */
export interface PausableTopic {
  readonly name: string
  pause: TopicPause | undefined
}

/** What its holders leave to the publishers of one topic, in bytes. */
interface Room {
  /** What may still be promised. */
  free: number
  /** What one alias should be able to send. */
  share: number
}

/**
 * One topic whose publishers are paused, and the account of it:
 *
 *   aliases ──┐                     ┌── holder: a subscription, and its other topics
 *   aliases ──┼──── TopicPause ─────┼── holder
 *   aliases ──┘   promised bytes    └── holder, of a queue group: one member with room is enough
 *
 * What an alias was promised takes room of every holder; `#promise` is the one place that says so.
 */
export class TopicPause {
  readonly topic: PausableTopic
  readonly sinceMs = Date.now()
  /** In the order in which they get allowances. */
  readonly aliases = new Set<PausedAlias<TopicPause>>()
  readonly holders = new Set<Holder<TopicPause>>()
  /** Aliases that may send nothing now. */
  hungryCount = 0
  /** Parts of the deadline that have passed since anybody was allowed anything. */
  quartersPassed = 0
  /** The pass in which it was looked at last. */
  lastPass = 0
  #promisedBytes = 0

  constructor(topic: PausableTopic) {
    this.topic = topic
  }

  /** Whether any publisher is told to hold back: while the broker stops, topics are watched before one is. */
  get isPaused(): boolean {
    return this.aliases.size > 0
  }

  get publisherCount(): number {
    return new Set([...this.aliases].map(({ publisher }) => publisher)).size
  }

  /** The least that is worth an allowance here. */
  get minimumBytes(): number {
    let minimum = Number.POSITIVE_INFINITY
    for (const holder of this.holders) minimum = Math.min(minimum, holder.minimumBytes)
    return minimum
  }

  hold(holder: Holder<TopicPause>): void {
    if (this.holders.has(holder)) return
    this.holders.add(holder)
    holder.topics.add(this)
    holder.aliasCount += this.aliases.size
    holder.promisedBytes += this.#promisedBytes
  }

  letGo(holder: Holder<TopicPause>): void {
    if (!this.holders.delete(holder)) return
    holder.topics.delete(this)
    holder.aliasCount -= this.aliases.size
    holder.promisedBytes -= this.#promisedBytes
  }

  add(alias: PausedAlias<TopicPause>): void {
    this.aliases.add(alias)
    for (const holder of this.holders) holder.aliasCount += 1
    this.#promise(alias.promisedBytes)
    if (alias.isHungry) this.hungryCount += 1
  }

  remove(alias: PausedAlias<TopicPause>): void {
    this.aliases.delete(alias)
    for (const holder of this.holders) holder.aliasCount -= 1
    this.#promise(-alias.promisedBytes)
    if (alias.isHungry) this.hungryCount -= 1
  }

  received(alias: PausedAlias<TopicPause>, bytes: number): void {
    const { promisedBytes, isHungry } = alias
    alias.received(bytes)
    if (promisedBytes === 0) return
    this.#promise(alias.promisedBytes - promisedBytes)
    if (alias.isHungry && !isHungry) this.hungryCount += 1
  }

  /** Holders that are released, and those that need not be waited for since another of their group does their work. */
  dispensable(): Holder<TopicPause>[] {
    const released = [...this.holders].filter(({ state }) => state === 'released')
    if (released.length === 0) return released
    const freeGroups = new Set(
      released.filter(({ hasRoom }) => hasRoom).map(({ subscription }) => subscription.group),
    )
    freeGroups.delete(undefined)
    if (freeGroups.size === 0) return released
    return [...this.holders].filter(
      ({ state, subscription }) => state === 'released' || freeGroups.has(subscription.group),
    )
  }

  /**
   * Shares what room there is among the aliases, in turn: each may then send as much as its share. An addition of less
   * than `minimumBytes` is not made. Returns whether anybody got anything.
   *
   * `promisesHold` is whether what others were promised counts; `promisesMax` is what a holder may have promised.
   */
  grant(minimumBytes: number, promisesMax: number, promisesHold: boolean): boolean {
    const room = this.#room(promisesMax, promisesHold)
    const granted: PausedAlias<TopicPause>[] = []
    for (const alias of this.aliases) {
      if (room.free < minimumBytes) break
      const gained = Math.min(room.share - alias.promisedBytes, room.free)
      if (gained < minimumBytes) continue
      room.free -= gained
      this.#allow(alias, gained)
      granted.push(alias)
    }
    // They go to the end of the line.
    for (const alias of granted) {
      this.aliases.delete(alias)
      this.aliases.add(alias)
    }
    return granted.length > 0
  }

  /** Lets an alias send so much more than it could; what it has sent too much is forgiven. */
  #allow(alias: PausedAlias<TopicPause>, gained: number): void {
    const { promisedBytes, isHungry, balanceBytes } = alias
    alias.allow(promisedBytes + gained - balanceBytes)
    this.#promise(alias.promisedBytes - promisedBytes)
    if (isHungry && !alias.isHungry) this.hungryCount -= 1
    alias.tell()
  }

  #room(promisesMax: number, promisesHold: boolean): Room {
    const least: Room = { free: Number.POSITIVE_INFINITY, share: Number.POSITIVE_INFINITY }
    let groups: Map<string, Room> | undefined
    for (const holder of this.holders) {
      const room = roomOf(holder, promisesMax, promisesHold)
      const { group } = holder.subscription
      if (group === undefined) {
        limit(least, room)
        continue
      }
      groups ??= new Map()
      // Whichever member has most takes the next message.
      const best = groups.get(group)
      if (best === undefined || best.free < room.free) groups.set(group, room)
    }
    if (groups !== undefined) for (const room of groups.values()) limit(least, room)
    return least
  }

  #promise(bytes: number): void {
    this.#promisedBytes += bytes
    for (const holder of this.holders) holder.promisedBytes += bytes
  }
}

function roomOf(holder: Holder<TopicPause>, promisesMax: number, promisesHold: boolean): Room {
  const { minimumBytes, aliasCount } = holder
  const room = holder.roomBytes(promisesMax)
  // Where not all can have a share that is worth a frame, they take turns.
  const share = Math.max(minimumBytes, room / Math.max(1, aliasCount))
  return { free: promisesHold ? holder.spareBytes(promisesMax) : room, share }
}

function limit(least: Room, room: Room): void {
  least.free = Math.min(least.free, room.free)
  least.share = Math.min(least.share, room.share)
}
