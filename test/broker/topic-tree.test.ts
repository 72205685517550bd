import test from 'ava'
import { type Position, START, TopicTree } from '../../broker/retained/topic-tree.js'
import { patternMatches } from '../../protocol/index.js'

/** A generator of numbers that repeat with the seed. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 8) % below
  }
}

const TOKENS = ['a', 'b', 'c', '$x']
const PATTERNS = ['>', '*', 'a', 'a.>', '*.b', 'a.*.c', '*.>', 'b.b', '*.*.*', '$x.>', '$x', '*.*.>', 'c.*.>']

function topicFrom(random: (below: number) => number): string {
  return Array.from({ length: 1 + random(4) }, () => TOKENS[random(TOKENS.length)]).join('.')
}

/** Everything that a walk finds, in stretches as short as they can be. */
function walked(tree: TopicTree<string>, pattern: string, between: (position: Position) => void): string[] {
  const found: string[] = []
  for (let position: Position | undefined = START; position !== undefined; ) {
    between(position)
    const stretch = tree.walk(pattern, position, { looksMax: 3, endsWith: () => true })
    found.push(...stretch.found)
    position = stretch.position
  }
  return found
}

test('[TOPIC-5] the tree of kept messages finds what a pattern matches, in whatever stretches', (t) => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = numbersFrom(seed)
    const tree = new TopicTree<string>()
    const topics = new Set(Array.from({ length: 60 }, () => topicFrom(random)))
    for (const topic of topics) tree.add(topic, topic)
    for (const topic of [...topics].filter(() => random(3) === 0)) {
      tree.remove(topic)
      topics.delete(topic)
    }
    for (const pattern of PATTERNS) {
      const expected = [...topics].filter((topic) => patternMatches(pattern, topic)).sort()
      t.deepEqual(walked(tree, pattern, () => {}).sort(), expected, `seed ${seed}, ${pattern}`)
      const whole = tree.walk(pattern, START, { looksMax: 1000, endsWith: () => false })
      t.deepEqual([...whole.found].sort(), expected, `seed ${seed}, ${pattern}`)
      t.is(whole.position, undefined)
    }
  }
})

test('what stays in the tree during a walk is found once, and ahead of the walk until it is found', (t) => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = numbersFrom(seed)
    const tree = new TopicTree<string>()
    const topics = new Set<string>()
    const staying = new Set<string>()
    const change = () => {
      const topic = topicFrom(random)
      if (topics.has(topic)) tree.remove(topic)
      else tree.add(topic, topic)
      if (!topics.delete(topic)) topics.add(topic)
      staying.delete(topic)
    }
    for (let count = 0; count < 60; count++) change()
    for (const topic of topics) staying.add(topic)
    const pattern = PATTERNS[random(PATTERNS.length)]!
    const counts = new Map<string, number>()
    for (let position: Position | undefined = START; position !== undefined; ) {
      for (const topic of staying) {
        if (!patternMatches(pattern, topic)) continue
        const isFound = counts.has(topic)
        t.is(tree.isAhead(topic, position), !isFound, `seed ${seed}: ${topic} of ${pattern}`)
      }
      const stretch = tree.walk(pattern, position, {
        looksMax: 1 + random(4),
        endsWith: () => random(2) === 0,
      })
      for (const topic of stretch.found) counts.set(topic, (counts.get(topic) ?? 0) + 1)
      position = stretch.position
      change()
    }
    for (const topic of staying) {
      t.is(
        counts.get(topic) ?? 0,
        patternMatches(pattern, topic) ? 1 : 0,
        `seed ${seed}: ${topic} of ${pattern}`,
      )
    }
  }
})

test('a tree from which everything was removed is empty', (t) => {
  const tree = new TopicTree<string>()
  const topics = ['a', 'a.b', 'a.b.c', 'b.c.d', 'b.c']
  for (const topic of topics) tree.add(topic, topic)
  for (const topic of topics) tree.remove(topic)
  t.is(tree.walk('>', START, { looksMax: 1, endsWith: () => true }).looks, 0)
})
