import { tokensCover } from '../../protocol/index.js'
import type { Subscription } from './subscription.js'

/** Changes that are kept for routes that have not seen them; a route further behind asks the trie. */
const CHANGES_KEPT = 4096

interface PatternChange {
  readonly subscription: Subscription
  readonly tokens: readonly string[]
  readonly isAdded: boolean
}

/**
 * The latest subscriptions with wildcards that have come and gone. A topic whose walk through the trie is long need not
 * walk it again for each of them: a client with thousands of patterns of stars could otherwise hold up everybody by
 * subscribing and publishing in turn.
 *
 *   version  how many changes there were; a route that has seen them all has the same
 */
export class PatternChanges {
  readonly #kept: PatternChange[] = []
  /** Changes before this one are not kept. */
  #first = 0
  #version = 0

  get version(): number {
    return this.#version
  }

  add(subscription: Subscription, isAdded: boolean): void {
    const tokens = subscription.pattern.split('.')
    this.#kept[this.#version % CHANGES_KEPT] = { subscription, tokens, isAdded }
    this.#version += 1
  }

  /** Whether all changes since a version are known, and at most so many. */
  reachBackTo(version: number, changesMax: number): boolean {
    return version >= Math.max(this.#first, this.#version - Math.min(CHANGES_KEPT, changesMax))
  }

  /** The subscriptions that have begun to match a topic since a version (true), and those that match no longer. */
  matched(topic: string, since: number): Map<Subscription, boolean> {
    const matched = new Map<Subscription, boolean>()
    const topicTokens = topic.split('.')
    for (let index = since; index < this.#version; index++) {
      const { subscription, tokens, isAdded } = this.#kept[index % CHANGES_KEPT]!
      if (tokensCover(tokens, topicTokens)) matched.set(subscription, isAdded)
    }
    return matched
  }

  /** Forgets them: subscriptions that have ended are not to be kept. */
  clear(): void {
    this.#kept.length = 0
    this.#first = this.#version
  }
}
