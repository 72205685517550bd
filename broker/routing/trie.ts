import { isReserved, WILDCARD_ONE, WILDCARD_REST } from '../../protocol/index.js'

/**
 * One token deep in the tree of patterns. Most nodes have a single value or a single child, so nothing is made
 * before it is needed.
 *
 *   orders ── eu ── created      values: subscriptions to orders.eu.created
 *     │       └── >              values: subscriptions to orders.eu.>
 *     └────── *  ── created      values: subscriptions to orders.*.created
 */
class TrieNode<Value> {
  children: Map<string, TrieNode<Value>> | undefined
  #first: Value | undefined
  /** All but the first. */
  #others: Set<Value> | undefined

  get isEmpty(): boolean {
    return this.children === undefined && this.#first === undefined
  }

  add(value: Value): void {
    if (this.#first === undefined) {
      this.#first = value
    } else if (this.#first !== value) {
      this.#others ??= new Set()
      this.#others.add(value)
    }
  }

  delete(value: Value): void {
    if (this.#first !== value) {
      this.#others?.delete(value)
    } else {
      this.#first = this.#others?.values().next().value
      if (this.#first !== undefined) this.#others!.delete(this.#first)
    }
    if (this.#others?.size === 0) this.#others = undefined
  }

  collect(found: Value[]): void {
    if (this.#first === undefined) return
    found.push(this.#first)
    if (this.#others !== undefined) for (const value of this.#others) found.push(value)
  }
}

/** Finds the values whose patterns match a topic, in time that depends on the topic's depth alone. */
export class Trie<Value> {
  readonly #root = new TrieNode<Value>()
  /** Nodes that the last match has visited. */
  visited = 0

  add(pattern: string, value: Value): void {
    let node = this.#root
    for (const token of pattern.split('.')) {
      node.children ??= new Map()
      let child = node.children.get(token)
      if (child === undefined) {
        child = new TrieNode()
        node.children.set(token, child)
      }
      node = child
    }
    node.add(value)
  }

  /** Removes a value that was added under the same pattern, and the branches that it alone kept. */
  remove(pattern: string, value: Value): void {
    const tokens = pattern.split('.')
    const path = [this.#root]
    for (const token of tokens) {
      const child = path.at(-1)!.children?.get(token)
      if (child === undefined) return
      path.push(child)
    }
    path.at(-1)!.delete(value)
    for (let depth = tokens.length; depth > 0 && path[depth]!.isEmpty; depth--) {
      const parent = path[depth - 1]!
      parent.children!.delete(tokens[depth - 1]!)
      if (parent.children!.size === 0) parent.children = undefined
    }
  }

  /** Every value whose pattern covers the topic, each as often as it was added. [TOPIC-5] */
  match(topic: string): Value[] {
    const found: Value[] = []
    this.visited = 0
    this.#walk(this.#root, topic.split('.'), 0, isReserved(topic), found)
    return found
  }

  #walk(node: TrieNode<Value>, tokens: string[], depth: number, reserved: boolean, found: Value[]): void {
    const { children } = node
    this.visited += 1
    if (depth === tokens.length) {
      node.collect(found)
      return
    }
    if (children === undefined) return
    const exact = children.get(tokens[depth]!)
    if (exact !== undefined) this.#walk(exact, tokens, depth + 1, reserved, found)
    if (reserved && depth === 0) return
    const one = children.get(WILDCARD_ONE)
    if (one !== undefined) this.#walk(one, tokens, depth + 1, reserved, found)
    children.get(WILDCARD_REST)?.collect(found)
  }
}
