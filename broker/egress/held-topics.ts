import type { TopicIds } from './topic-ids.js'

/** A topic id that queued frames carry: it must not be bound to another topic meanwhile. */
interface HeldTopic {
  readonly id: number
  frames: number
}

/** The topics of the frames in one backlog, pinned as long as a frame carries them. */
export class HeldTopics {
  readonly #topics: TopicIds
  readonly #held = new Map<number, HeldTopic>()
  /** The one that was looked up last: most streams stay at one. */
  #last: HeldTopic | undefined

  constructor(topics: TopicIds) {
    this.#topics = topics
  }

  has(id: number): boolean {
    return this.#find(id) !== undefined
  }

  /** So many frames more carry the id; true: the first ones. */
  hold(id: number, frames: number): boolean {
    const held = this.#find(id)
    if (held !== undefined) {
      held.frames += frames
      return false
    }
    this.#last = { id, frames }
    this.#held.set(id, this.#last)
    this.#topics.pin(id)
    return true
  }

  /** So many frames less carry it; true: they were the last. */
  release(id: number, frames: number): boolean {
    const held = this.#find(id)!
    held.frames -= frames
    if (held.frames > 0) return false
    this.#held.delete(id)
    this.#last = undefined
    this.#topics.unpin(id)
    return true
  }

  clear(): void {
    for (const id of this.#held.keys()) this.#topics.unpin(id)
    this.#held.clear()
    this.#last = undefined
  }

  #find(id: number): HeldTopic | undefined {
    if (this.#last?.id === id) return this.#last
    const held = this.#held.get(id)
    if (held !== undefined) this.#last = held
    return held
  }
}
