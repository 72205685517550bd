import { ALIASES_DEFAULT, RingbusError, topicFault } from '../../protocol/index.js'

/**
 * The numbers that stand for topics on their way to the broker. A full table gives the alias of a topic that
 * has not been used for a while to the next one, by second chance:
 *
 *   topic   | a | b | c | d |      A look-up marks its entry. The hand passes marked entries, taking their
 *   recent  | 1 | 0 | 1 | 1 |      marks off, up to the first that has none: that one is bound anew.
 *                 ^ hand
 *
 * It passes those of paused topics as well, for as long as there are others: to bind one anew ends its pause. [TOPIC-6]
 */
export class Aliases {
  readonly #bind: (alias: number, topic: string) => void
  readonly #byTopic = new Map<string, number>()
  readonly #topics: string[] = []
  readonly #recent: boolean[] = []
  /** Which binding each stands for, counted from 1. */
  readonly #bindings: number[] = []
  readonly #held: boolean[] = []
  #heldCount = 0
  #bindingCount = 0
  #capacity = ALIASES_DEFAULT
  #hand = 0
  #lastTopic: string | undefined
  #lastAlias = 0

  /** `bind` tells the broker; it is called before the alias is given out. */
  constructor(bind: (alias: number, topic: string) => void) {
    this.#bind = bind
  }

  /** How many aliases are bound. */
  get count(): number {
    return this.#topics.length
  }

  /** The broker's offer, which holds for bindings to come. */
  set capacity(capacity: number) {
    this.#capacity = capacity
  }

  /** The alias of a topic, bound now if it is not; throws BAD_TOPIC for what is no topic. */
  find(topic: string): number {
    if (topic === this.#lastTopic) return this.#lastAlias
    const alias = this.#byTopic.get(topic) ?? this.#assign(topic)
    this.#recent[alias] = true
    this.#lastTopic = topic
    this.#lastAlias = alias
    return alias
  }

  /** The alias of a topic, if it is bound. */
  peek(topic: string): number | undefined {
    return topic === this.#lastTopic ? this.#lastAlias : this.#byTopic.get(topic)
  }

  /** The topic of an alias; undefined when it was bound later than with the last of this many bindings, mod 2^32. */
  topicOf(alias: number, bindings: number): string | undefined {
    const isLater = alias < this.count && ((this.#bindings[alias]! - bindings) | 0) > 0
    return isLater ? undefined : this.#topics[alias]
  }

  /** An alias is to be left alone, if possible, until `letGo` or until it is bound anew. */
  hold(alias: number): void {
    if (this.#held[alias] === true) return
    this.#held[alias] = true
    this.#heldCount += 1
  }

  letGo(alias: number): void {
    if (this.#held[alias] !== true) return
    this.#held[alias] = false
    this.#heldCount -= 1
  }

  /** Forgets every binding: a new connection knows none. */
  reset(): void {
    this.#byTopic.clear()
    this.#topics.length = 0
    this.#recent.length = 0
    this.#bindings.length = 0
    this.#held.length = 0
    this.#heldCount = 0
    this.#bindingCount = 0
    this.#hand = 0
    this.#lastTopic = undefined
  }

  #assign(topic: string): number {
    checkTopic(topic)
    const alias = this.#topics.length < this.#capacity ? this.#topics.length : this.#evict()
    this.#topics[alias] = topic
    this.#byTopic.set(topic, alias)
    this.#bindingCount += 1
    this.#bindings[alias] = this.#bindingCount
    this.letGo(alias)
    this.#bind(alias, topic)
    return alias
  }

  #evict(): number {
    const passesHeld = this.#heldCount < this.#topics.length
    while (this.#recent[this.#hand] || (passesHeld && this.#held[this.#hand] === true)) {
      this.#recent[this.#hand] = false
      this.#advance()
    }
    const alias = this.#hand
    this.#advance()
    this.#byTopic.delete(this.#topics[alias]!)
    return alias
  }

  #advance(): void {
    this.#hand = (this.#hand + 1) % this.#topics.length
  }
}

/** Throws BAD_TOPIC for what is no topic. */
export function checkTopic(topic: unknown): void {
  const fault = typeof topic === 'string' ? topicFault(topic) : `it is of type ${typeof topic}`
  if (fault === undefined) return
  throw new RingbusError('BAD_TOPIC', `${JSON.stringify(topic)} is no topic: ${fault}`, {
    details: { topic },
  })
}
