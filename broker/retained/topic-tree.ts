import { isReserved, WILDCARD_ONE, WILDCARD_REST } from '../../protocol/index.js'

/**
 * Where a walk stands, by the numbers of the nodes on the way there from below the root. Nodes that lie on the way, and
 * all that were numbered before those, are done; what lies below the last one is not.
 */
export type Position = readonly number[]

/** A walk that has not begun. */
export const START: Position = []

/** What one stretch of a walk found. */
export interface Stretch<Value> {
  readonly found: readonly Value[]
  /** Where the walk goes on; undefined: it has come to its end. */
  readonly position: Position | undefined
  /** Nodes that it looked at: what it cost. */
  readonly looks: number
}

/** How far a stretch goes at most: each of them is asked after each value found. */
export interface StretchLimits<Value> {
  readonly looksMax: number
  /** Whether the stretch ends with this value. */
  readonly endsWith: (value: Value) => boolean
}

class TopicNode<Value> {
  /** Siblings stand in their map in the order of these numbers, for no number is given twice. */
  readonly number: number
  children: Map<string, TopicNode<Value>> | undefined
  value: Value | undefined

  constructor(number: number) {
    this.number = number
  }

  get isEmpty(): boolean {
    return this.children === undefined && this.value === undefined
  }
}

/**
 * Values by topic, one for each, found by pattern: the opposite of the trie of subscriptions.
 *
 *   prices ─┬─ eur ── spot     value of prices.eur.spot
 *           └─ usd             value of prices.usd
 *
 * A walk over what a pattern matches goes in stretches, between which the tree may change. It keeps no part of the
 * tree, only the numbers of the nodes on its way: what has been removed is not found, what was added again is found
 * behind its siblings, and nothing is found twice.
 */
export class TopicTree<Value> {
  readonly #root = new TopicNode<Value>(0)
  #lastNumber = 0

  /** Puts a value at a topic that has none. */
  add(topic: string, value: Value): void {
    let node = this.#root
    for (const token of topic.split('.')) {
      node.children ??= new Map()
      let child = node.children.get(token)
      if (child === undefined) {
        this.#lastNumber += 1
        child = new TopicNode(this.#lastNumber)
        node.children.set(token, child)
      }
      node = child
    }
    node.value = value
  }

  /** Removes the value of a topic that has one, and the branches that it alone kept. */
  remove(topic: string): void {
    const tokens = topic.split('.')
    const path = this.#pathTo(tokens)
    path.at(-1)!.value = undefined
    for (let depth = tokens.length; depth > 0 && path[depth]!.isEmpty; depth--) {
      const parent = path[depth - 1]!
      parent.children!.delete(tokens[depth - 1]!)
      if (parent.children!.size === 0) parent.children = undefined
    }
  }

  /** The values of topics that a valid pattern matches, from a position on, as far as the limits allow. [TOPIC-5] */
  walk(pattern: string, from: Position, limits: StretchLimits<Value>): Stretch<Value> {
    const walk = new Walk(pattern.split('.'), limits)
    walk.below(this.#root, from)
    return walk
  }

  /** Whether a walk that stands at this position has yet to come to a topic that has a value. */
  isAhead(topic: string, position: Position): boolean {
    const path = this.#pathTo(topic.split('.'))
    for (let depth = 0; depth < position.length; depth++) {
      const number = path[depth + 1]?.number ?? 0
      if (number !== position[depth]) return number > position[depth]!
    }
    return path.length > position.length + 1
  }

  #pathTo(tokens: readonly string[]): TopicNode<Value>[] {
    const path = [this.#root]
    for (const token of tokens) path.push(path.at(-1)!.children!.get(token)!)
    return path
  }
}

/** One stretch: from the root down the way to where the last one ended, and on from there. */
class Walk<Value> implements Stretch<Value> {
  readonly found: Value[] = []
  looks = 0
  position: Position | undefined
  readonly #pattern: readonly string[]
  readonly #limits: StretchLimits<Value>
  readonly #way: number[] = []

  constructor(pattern: readonly string[], limits: StretchLimits<Value>) {
    this.#pattern = pattern
    this.#limits = limits
  }

  /** Goes through what is below a node. `from` is the way that was gone before, undefined where it was none of it. */
  below(node: TopicNode<Value>, from: Position | undefined): void {
    const depth = this.#way.length
    const wanted = this.#pattern[depth] ?? this.#rest()
    if (node.children === undefined || wanted === undefined) return
    if (wanted !== WILDCARD_ONE && wanted !== WILDCARD_REST) {
      const child = node.children.get(wanted)
      if (child !== undefined) this.#into(child, from)
      return
    }
    for (const [token, child] of node.children) {
      if (depth === 0 && isReserved(token)) continue
      this.#into(child, from)
      if (this.position !== undefined) return
    }
  }

  /** `>` goes on below all that it has matched. */
  #rest(): string | undefined {
    return this.#pattern.at(-1) === WILDCARD_REST ? WILDCARD_REST : undefined
  }

  #into(node: TopicNode<Value>, from: Position | undefined): void {
    const last = from?.[this.#way.length]
    if (last !== undefined && node.number < last) return
    const wasHere = last === node.number
    this.#way.push(node.number)
    if (!wasHere) this.#look(node)
    if (this.position === undefined) this.below(node, wasHere ? from : undefined)
    this.#way.pop()
  }

  #look(node: TopicNode<Value>): void {
    const { looksMax, endsWith } = this.#limits
    this.looks += 1
    let isOver = this.looks >= looksMax
    if (node.value !== undefined && this.#isWhole) {
      this.found.push(node.value)
      isOver ||= endsWith(node.value)
    }
    if (isOver) this.position = [...this.#way]
  }

  /** Whether the tokens so far are all that the pattern asks for. */
  get #isWhole(): boolean {
    return this.#way.length >= this.#pattern.length
  }
}
