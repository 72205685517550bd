import { ALIASES_DEFAULT, RingbusError, topicFault } from '../../protocol/index.js'

/**
 * The numbers that stand for topics on their way to the broker. A full table gives the alias of a topic that
 * has not been used for a while to the next one, by second chance:
 *
 *   topic   | a | b | c | d |      A look-up marks its entry. The hand passes marked entries, taking their
 *   recent  | 1 | 0 | 1 | 1 |      marks off, up to the first that has none: that one is bound anew.
 *                 ^ hand
 *
 * [TOPIC-6]
 */
export class Aliases {
  readonly #bind: (alias: number, topic: string) => void
  readonly #byTopic = new Map<string, number>()
  readonly #topics: string[] = []
  readonly #recent: boolean[] = []
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

  /** Forgets every binding: a new connection knows none. */
  reset(): void {
    this.#byTopic.clear()
    this.#topics.length = 0
    this.#recent.length = 0
    this.#hand = 0
    this.#lastTopic = undefined
  }

  #assign(topic: string): number {
    checkTopic(topic)
    const alias = this.#topics.length < this.#capacity ? this.#topics.length : this.#evict()
    this.#topics[alias] = topic
    this.#byTopic.set(topic, alias)
    this.#bind(alias, topic)
    return alias
  }

  #evict(): number {
    while (this.#recent[this.#hand]) {
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
