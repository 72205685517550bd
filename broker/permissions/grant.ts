import { isReserved, tokensCover } from '../../protocol/index.js'
import type { Action, PermissionRule } from './rule.js'

type Tokens = readonly string[]
type Allowed = Readonly<Record<Action, readonly Tokens[]>>

/** What one client may do. It never changes while the client is connected. */
export class Grant {
  /** Without any rule: every topic and pattern that the protocol itself allows. */
  static readonly everything = new Grant('no rule', undefined)
  static readonly nothing = Grant.of('no rule', {})

  /** What allows this and nothing else, as a refusal names it. */
  readonly rule: string
  /** Undefined: there is nothing that it does not allow. */
  readonly #allowed: Allowed | undefined

  private constructor(rule: string, allowed: Allowed | undefined) {
    this.rule = rule
    this.#allowed = allowed
  }

  static of(rule: string, { publish, subscribe, serve, request }: PermissionRule): Grant {
    return new Grant(rule, {
      publish: tokensOf(publish),
      subscribe: tokensOf(subscribe),
      serve: tokensOf(serve),
      request: tokensOf(request),
    })
  }

  /**
   * Whether one allowed pattern covers the whole of this topic or pattern. Topics that start with `$` need a
   * pattern that says so, as in matching. [TOPIC-5]
   */
  allows(action: Action, pattern: string): boolean {
    return this.#allowed === undefined || isCovered(this.#allowed[action], pattern.split('.'))
  }

  /**
   * Whether all that the owner of another grant may send to anybody could be read with this one as well: what it
   * publishes, by subscribing; what it requests, by serving. Replies are for their requesters alone, so whoever may
   * serve has something to hide.
   */
  readsAllOf(owner: Grant): boolean {
    if (this.#allowed === undefined) return true
    if (owner.#allowed === undefined) return false
    const { subscribe, serve } = this.#allowed
    const { publish, request, serve: answered } = owner.#allowed
    return (
      answered.length === 0 &&
      publish.every((pattern) => isCovered(subscribe, pattern)) &&
      // The broker alone answers on its own topics. [SYS-1]
      request.every((pattern) => isReserved(pattern[0]!) || isCovered(serve, pattern))
    )
  }
}

function tokensOf(patterns: readonly string[] = []): Tokens[] {
  return patterns.map((pattern) => pattern.split('.'))
}

function isCovered(allowed: readonly Tokens[], tokens: Tokens): boolean {
  return allowed.some((wide) => tokensCover(wide, tokens))
}
