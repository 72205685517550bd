import { TOPIC_BYTES_MAX, TOPIC_TOKENS_MAX } from './constants.js'

/** Matches exactly one token of a topic. */
export const WILDCARD_ONE = '*'
/** Matches one or more tokens; stands last. */
export const WILDCARD_REST = '>'

/** Topics under this mark belong to the broker: clients may read them, never publish there. [TOPIC-4] */
export const RESERVED_MARK = '$'

// White space and control characters break shells and logs, and NATS refuses them too. [TOPIC-2]
const FORBIDDEN = /[\s\p{Cc}\ufffd\ud800-\udfff]/u

/** Says what is wrong with a concrete topic, or returns undefined when nothing is. [TOPIC-1] */
export function topicFault(topic: string): string | undefined {
  const fault = grammarFault(topic)
  if (fault !== undefined) return fault
  if (topic.includes(WILDCARD_ONE) || topic.includes(WILDCARD_REST)) {
    return 'wildcards stand only in subscriptions'
  }
  return undefined
}

/** Says what is wrong with a pattern of a subscription, or returns undefined when nothing is. [TOPIC-3] */
export function patternFault(pattern: string): string | undefined {
  const fault = grammarFault(pattern)
  if (fault !== undefined) return fault
  if (!pattern.includes(WILDCARD_ONE) && !pattern.includes(WILDCARD_REST)) return undefined
  const tokens = pattern.split('.')
  for (const [index, token] of tokens.entries()) {
    if (token.length > 1 && (token.includes(WILDCARD_ONE) || token.includes(WILDCARD_REST))) {
      return `a wildcard is a token of its own, unlike in "${token}"`
    }
    if (token === WILDCARD_REST && index !== tokens.length - 1) return '">" may only be the last token'
  }
  return undefined
}

function grammarFault(text: string): string | undefined {
  if (text.length === 0) return 'it is empty'
  if (text.length > TOPIC_BYTES_MAX || Buffer.byteLength(text) > TOPIC_BYTES_MAX) {
    return `it has more than ${TOPIC_BYTES_MAX} bytes`
  }
  if (FORBIDDEN.test(text)) return 'it holds white space, a control character or broken UTF-8'
  let tokens = 1
  let tokenStart = 0
  for (let dot = text.indexOf('.'); dot !== -1; dot = text.indexOf('.', dot + 1)) {
    if (dot === tokenStart) return 'it has an empty token'
    tokenStart = dot + 1
    tokens += 1
  }
  if (tokenStart === text.length) return 'it has an empty token'
  if (tokens > TOPIC_TOKENS_MAX) return `it has more than ${TOPIC_TOKENS_MAX} tokens`
  return undefined
}

export function isReserved(topic: string): boolean {
  return topic.startsWith(RESERVED_MARK)
}

/**
 * Whether a valid pattern covers a valid topic: the definition that routing must agree with. A wildcard in
 * first place does not reach the broker's own topics. [TOPIC-5]
 */
export function patternMatches(pattern: string, topic: string): boolean {
  const wanted = pattern.split('.')
  const given = topic.split('.')
  if (isReserved(topic) && (wanted[0] === WILDCARD_ONE || wanted[0] === WILDCARD_REST)) return false
  for (const [index, token] of wanted.entries()) {
    if (token === WILDCARD_REST) return given.length > index
    if (index >= given.length) return false
    if (token !== WILDCARD_ONE && token !== given[index]) return false
  }
  return wanted.length === given.length
}

/**
 * Whether everything that a valid pattern (or topic) `narrow` matches is matched by the valid pattern `wide`, too:
 * what a client may read with one pattern, it may read with the other. How many tokens a topic can have at most is
 * no part of it, so `>` is not covered by any number of `*`.
 */
export function patternCovers(wide: string, narrow: string): boolean {
  return tokensCover(wide.split('.'), narrow.split('.'))
}

/** The same for patterns that are cut into their tokens, for whoever asks often. */
export function tokensCover(wide: readonly string[], narrow: readonly string[]): boolean {
  const [widest] = wide
  if ((widest === WILDCARD_ONE || widest === WILDCARD_REST) && isReserved(narrow[0]!)) return false
  for (const [index, token] of wide.entries()) {
    if (token === WILDCARD_REST) return narrow.length > index
    const other = narrow[index]
    if (other === undefined || other === WILDCARD_REST) return false
    if (token !== WILDCARD_ONE && token !== other) return false
  }
  return wide.length === narrow.length
}
