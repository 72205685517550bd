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
  values: Set<Value> | undefined

  get isEmpty(): boolean {
    return this.children === undefined && this.values === undefined
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
    node.values ??= new Set()
    node.values.add(value)
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
    const leaf = path.at(-1)!
    leaf.values?.delete(value)
    if (leaf.values?.size === 0) leaf.values = undefined
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
      if (node.values !== undefined) for (const value of node.values) found.push(value)
      return
    }
    if (children === undefined) return
    const exact = children.get(tokens[depth]!)
    if (exact !== undefined) this.#walk(exact, tokens, depth + 1, reserved, found)
    if (reserved && depth === 0) return
    const one = children.get(WILDCARD_ONE)
    if (one !== undefined) this.#walk(one, tokens, depth + 1, reserved, found)
    const rest = children.get(WILDCARD_REST)?.values
    if (rest !== undefined) for (const value of rest) found.push(value)
  }
}
