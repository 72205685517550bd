import test from 'ava'
import fc from 'fast-check'
import { isReserved, patternCovers, patternFault, patternMatches, topicFault } from '../../protocol/index.js'

const SEED = 20_260_102
const RUNS = 2000

const tokens = (count: number) => Array.from({ length: count }, () => 't').join('.')

const GOOD_TOPICS = [
  'a',
  'orders.eu.created',
  '$SYS.stats',
  'größe.ß',
  '日本.東京',
  '😀.b',
  'a-b_c/d:e',
  tokens(16),
]
const LONGEST = 'x'.repeat(255)
const LONGEST_IN_BYTES = 'ß'.repeat(127)

for (const topic of [...GOOD_TOPICS, LONGEST, LONGEST_IN_BYTES]) {
  test(`[TOPIC-1] a topic: ${topic.slice(0, 20)} (${topic.length})`, (t) => {
    t.is(topicFault(topic), undefined)
    t.is(patternFault(topic), undefined)
    t.true(patternMatches(topic, topic))
  })
}

function printable(name: string): string {
  return name.slice(0, 20).replace(/[^!-~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16)}`)
}

const BAD_NAMES: [rule: string, name: string, fault: RegExp][] = [
  ['TOPIC-1', '', /empty/],
  ['TOPIC-1', '.', /empty token/],
  ['TOPIC-1', '.a', /empty token/],
  ['TOPIC-1', 'a.', /empty token/],
  ['TOPIC-1', 'a..b', /empty token/],
  ['TOPIC-1', tokens(17), /more than 16 tokens/],
  ['TOPIC-1', `${LONGEST}x`, /more than 255 bytes/],
  ['TOPIC-1', `${LONGEST_IN_BYTES}ßß`, /more than 255 bytes/],
  ['TOPIC-2', 'a b', /white space/],
  ['TOPIC-2', 'a\tb', /white space/],
  ['TOPIC-2', 'a\n', /white space/],
  ['TOPIC-2', 'a\u00a0b', /white space/],
  ['TOPIC-2', 'a\u2028b', /white space/],
  ['TOPIC-2', 'a\u0000b', /control/],
  ['TOPIC-2', 'a\u0085b', /control/],
  ['TOPIC-2', 'a\u007fb', /control/],
  ['TOPIC-2', 'a\ufffd', /broken UTF-8/],
  ['TOPIC-2', 'a\ud800', /broken UTF-8/],
  ['TOPIC-2', 'a\udc00b', /broken UTF-8/],
]

for (const [rule, name, fault] of BAD_NAMES) {
  test(`[${rule}] neither topic nor pattern: ${printable(name)} (${name.length})`, (t) => {
    t.regex(topicFault(name) ?? '', fault)
    t.regex(patternFault(name) ?? '', fault)
  })
}

for (const pattern of ['*', '>', 'a.*', '*.b', 'a.*.c', 'a.>', '*.>', '*.*.*', '$SYS.>', '$SYS.*']) {
  test(`[TOPIC-3] a pattern, but [TOPIC-2] no topic: ${pattern}`, (t) => {
    t.is(patternFault(pattern), undefined)
    t.regex(topicFault(pattern) ?? '', /wildcards/)
  })
}

for (const pattern of ['a*', '*a', 'a.b*', '**', '>>', 'a>', '*>', '>.a', 'a.>.b', '>.*', '>.>']) {
  test(`[TOPIC-3] no pattern: ${pattern}`, (t) => {
    t.regex(patternFault(pattern) ?? '', /wildcard|last token/)
    t.not(topicFault(pattern), undefined)
  })
}

test('[TOPIC-4] a $ makes a topic reserved in first place alone', (t) => {
  t.true(isReserved('$SYS.stats'))
  t.true(isReserved('$'))
  t.false(isReserved('a.$SYS'))
  t.false(isReserved('a$'))
})

const MATCHES: [pattern: string, topic: string, expected: boolean][] = [
  ['*', 'a', true],
  ['*', 'a.b', false],
  ['a.*', 'a', false],
  ['a.*', 'a.b', true],
  ['a.*', 'a.b.c', false],
  ['a.*.c', 'a.b.c', true],
  ['>', 'a', true],
  ['>', 'a.b.c', true],
  ['a.>', 'a', false],
  ['a.>', 'a.b', true],
  ['a.>', 'a.b.c', true],
  ['a.b', 'a.B', false],
  ['a.b', 'a.b.c', false],
  ['>', '$SYS.stats', false],
  ['*.stats', '$SYS.stats', false],
  ['*.>', '$SYS.stats', false],
  ['$SYS.>', '$SYS.stats', true],
  ['$SYS.*', '$SYS.stats', true],
  ['a.*', 'a.$b', true],
  ['a.b', 'axb', false],
]

for (const [pattern, topic, expected] of MATCHES) {
  test(`[TOPIC-5] ${pattern} ${expected ? 'matches' : 'does not match'} ${topic}`, (t) => {
    t.is(patternMatches(pattern, topic), expected)
  })
}

/** The grammar again, as a regular expression per pattern: slow, short and written independently. */
function oracle(pattern: string, topic: string): boolean {
  const source = pattern
    .replace(/[$+?()[\]{}|\\^]/g, '\\$&')
    .replace(/\./g, '\\.')
    .replace(/\*/g, '[^.]+')
    .replace(/>$/, '.+')
  const reaches = !(topic.startsWith('$') && /^[*>]/.test(pattern))
  return reaches && new RegExp(`^${source}$`, 'u').test(topic)
}

const word = fc.constantFrom('a', 'b', 'ab', 'ä', '$', '$a', '+', '(')
const topicOf = fc.array(word, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('.'))
const patternOf = fc
  .tuple(fc.array(fc.oneof(word, fc.constant('*')), { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([parts, rest]) => [...parts, ...(rest ? ['>'] : [])].join('.'))

test('[TOPIC-5] matching agrees with a regular expression', (t) => {
  fc.assert(
    fc.property(patternOf, topicOf, (pattern, topic) => {
      t.is(patternFault(pattern), undefined)
      t.is(topicFault(topic), undefined)
      t.is(patternMatches(pattern, topic), oracle(pattern, topic), `${pattern} on ${topic}`)
    }),
    { seed: SEED, numRuns: RUNS },
  )
})

test('[TOPIC-5] a pattern made from a topic by widening it matches that topic', (t) => {
  fc.assert(
    fc.property(topicOf, fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), (topic, widened) => {
      const parts = topic.split('.').map((part, index) => (widened[index] && index > 0 ? '*' : part))
      t.true(patternMatches(parts.join('.'), topic))
    }),
    { seed: SEED, numRuns: RUNS },
  )
})

test('[TOPIC-1] [TOPIC-2] any text is a topic exactly if the grammar, read plainly, says so', (t) => {
  const text = fc.array(fc.constantFrom('a', '.', ' ', '*', '>', 'ß', '\u0000', '\ufffd', 'xyz'), {
    maxLength: 24,
  })
  fc.assert(
    fc.property(text, (pieces) => {
      const topic = pieces.join('')
      const parts = topic.split('.')
      const plain = parts.length <= 16 && parts.every((part) => /^[axyzß]+$/.test(part))
      t.is(topicFault(topic) === undefined, plain, JSON.stringify(topic))
    }),
    { seed: SEED, numRuns: RUNS },
  )
})

const COVERS: [wide: string, narrow: string, expected: boolean][] = [
  ['a.*', 'a.b', true],
  ['a.*', 'a.*', true],
  ['a.*', 'a.>', false],
  ['a.>', 'a.*.c', true],
  ['a.>', 'a.>', true],
  ['a.>', 'a.*.>', true],
  ['a.*.>', 'a.>', false],
  ['a.>', 'a', false],
  ['>', 'a.>', true],
  ['>', '*', true],
  ['*', '>', false],
  ['>', '$SYS.>', false],
  ['*.>', '$SYS.stats', false],
  ['$SYS.>', '$SYS.*', true],
  ['$SYS.>', '>', false],
  ['*.b', 'a.*', false],
]

for (const [wide, narrow, expected] of COVERS) {
  test(`[TOPIC-5] ${wide} ${expected ? 'covers' : 'does not cover'} ${narrow}`, (t) => {
    t.is(patternCovers(wide, narrow), expected)
  })
}

/** Every row of one to `tokensMax` of these tokens. */
function rows(alphabet: readonly string[], tokensMax: number): string[] {
  let longest = [...alphabet]
  const all = [...longest]
  for (let length = 2; length <= tokensMax; length++) {
    longest = longest.flatMap((row) => alphabet.map((token) => `${row}.${token}`))
    all.push(...longest)
  }
  return all
}

function bits(values: readonly boolean[]): bigint {
  return BigInt(`0b${values.map(Number).join('')}`)
}

test('[TOPIC-5] one pattern covers another exactly if it matches every topic that the other matches', (t) => {
  const begun = rows(['a', 'b', '$', '*'], 3)
  const patterns = [...begun, '>', ...begun.map((pattern) => `${pattern}.>`)]
  // `c` stands for the tokens that no pattern names, and a fifth token for all that follow.
  const topics = rows(['a', 'b', 'c', '$'], 5)
  const matched = patterns.map((pattern) => bits(topics.map((topic) => patternMatches(pattern, topic))))
  const wrong: string[] = []
  let covered = 0
  for (const [wideIndex, wide] of patterns.entries()) {
    for (const [narrowIndex, narrow] of patterns.entries()) {
      const expected = (matched[narrowIndex]! & ~matched[wideIndex]!) === 0n
      if (patternCovers(wide, narrow) !== expected) wrong.push(`${wide} and ${narrow}: expected ${expected}`)
      if (expected) covered += 1
    }
  }
  t.deepEqual(wrong.slice(0, 10), [])
  t.true(covered > patterns.length && covered < patterns.length ** 2)
})
