import { PRIORITY_LEVELS } from '../../protocol/index.js'
import type { HeldRequest, Link, WaitingLine } from './service.js'

/**
 * The requests that wait for a service: 32 first-in first-out levels, each a map in order of insertion, so that
 * a request that is cancelled leaves at once, wherever it stands.
 */
export class HeldRequests implements WaitingLine {
  readonly #levels: (Map<Link, HeldRequest> | undefined)[] = new Array(PRIORITY_LEVELS).fill(undefined)
  #mask = 0
  #count = 0
  #bytes = 0

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  push(request: HeldRequest): void {
    const level = request.link.priority
    let waiting = this.#levels[level]
    if (waiting === undefined) {
      waiting = new Map()
      this.#levels[level] = waiting
    }
    waiting.set(request.link, request)
    request.link.line = this
    this.#mask |= 1 << level
    this.#count += 1
    this.#bytes += request.bytes
  }

  /** The most urgent request, the oldest among equals. */
  shift(): HeldRequest | undefined {
    if (this.#mask === 0) return undefined
    const [request] = this.#levels[31 - Math.clz32(this.#mask)]!.values()
    this.remove(request!.link)
    return request
  }

  /** Takes a request out of the line; undefined when it is not in it. */
  remove(link: Link): HeldRequest | undefined {
    const waiting = this.#levels[link.priority]
    const request = waiting?.get(link)
    if (waiting === undefined || request === undefined) return undefined
    waiting.delete(link)
    link.line = undefined
    if (waiting.size === 0) this.#mask &= ~(1 << link.priority)
    this.#count -= 1
    this.#bytes -= request.bytes
    return request
  }
}
