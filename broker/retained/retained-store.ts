import {
  Flag,
  type FrameLayout,
  frameLayout,
  hasExpired,
  inlineLength,
  isByRing,
  Offset,
  writeU32,
} from '../../protocol/index.js'
import type { Route } from '../routing/route.js'
import { KeptMessage } from './kept-message.js'
import { type Position, type Stretch, type StretchLimits, TopicTree } from './topic-tree.js'

/** What each token of a topic counts: its place in the tree, and its share of the route and the name. */
const TOKEN_BYTES = 256

/** Time between two searches for what has expired; until then it takes memory, but is not sent. */
const SWEEP_PAUSE_MS = 1000

const TIMER_MS_MAX = 2 ** 31 - 1

export interface RetainedLimits {
  /** Messages that are kept. */
  readonly retainedMessagesMax: number
  /** Bytes that they count. */
  readonly retainedBytesMax: number
  /** Bytes of the largest payload that can be sent by socket, as what is kept will be. */
  readonly payloadBytesMax: number
}

/** Reads the payload of a frame that lies in a ring. */
export type ReadRing = (bytes: Buffer, start: number, target: Uint8Array) => void

/** What is no route any more once nothing is kept for it. */
export interface RouteKeeper {
  /** Nothing is kept of the topic any more. */
  unkept(route: Route): void
}

/**
 * The messages that are kept for subscribers to come, one for each topic. A kept message is a copy, made as its frame
 * comes in; one that came by ring is read out of it then. It belongs to no client, and is gone with the broker.
 * [RETAIN-1]
 */
export class RetainedStore {
  readonly #limits: RetainedLimits
  readonly #readRing: ReadRing
  readonly #routes: RouteKeeper
  readonly #topics = new TopicTree<Route>()
  readonly #kept = new Set<Route>()
  readonly #expiring = new Set<Route>()
  #bytes = 0
  #turn = 0
  #sweepTimer: NodeJS.Timeout | undefined
  #sweepAtNs = Number.POSITIVE_INFINITY

  constructor(limits: RetainedLimits, readRing: ReadRing, routes: RouteKeeper) {
    this.#limits = limits
    this.#readRing = readRing
    this.#routes = routes
  }

  get messages(): number {
    return this.#kept.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Counts what was kept, so that it can be told what was there before something else. */
  get turn(): number {
    return this.#turn
  }

  /** The topics of which a message is kept that has not expired. */
  *routes(): Iterable<Route> {
    const nowNs = Number(process.hrtime.bigint())
    for (const route of this.#kept) if (!route.kept!.hasExpiredBy(nowNs)) yield route
  }

  /**
   * Keeps the message of a frame with RETAIN, or nothing if its payload is empty. Returns why it cannot be kept, in
   * which case nothing is, or undefined.
   */
  keep(route: Route, bytes: Buffer, start: number, length: number): string | undefined {
    const layout = frameLayout(bytes, start)
    const frameLength = inlineLength(bytes, start, length)
    const payloadBytes = start + frameLength - layout.payloadStart
    if (payloadBytes === 0 || hasExpired(bytes, start)) {
      this.drop(route)
      return undefined
    }
    const refusal = this.#refusal(route, frameLength, payloadBytes)
    if (refusal === undefined) this.#put(route, bytes, start, frameLength, layout)
    else this.drop(route)
    return refusal
  }

  /** Keeps nothing of a topic any more. */
  drop(route: Route): void {
    const { kept } = route
    if (kept === undefined) return
    this.#bytes -= kept.bytes
    route.kept = undefined
    this.#kept.delete(route)
    this.#expiring.delete(route)
    this.#topics.remove(route.name)
    this.#routes.unkept(route)
  }

  /** The topics with a kept message that a pattern matches, from a position on. Those that expired are among them. */
  walk(pattern: string, from: Position, limits: StretchLimits<Route>): Stretch<Route> {
    return this.#topics.walk(pattern, from, limits)
  }

  /** Whether a walk that stands at this position has yet to come to the topic, of which a message is kept. */
  isAhead(route: Route, position: Position): boolean {
    return this.#topics.isAhead(route.name, position)
  }

  /** Whoever was to be greeted with what is kept has got it by now. */
  settle(kept: KeptMessage): void {
    this.#turn += 1
    kept.turn = this.#turn
  }

  stop(): void {
    clearTimeout(this.#sweepTimer)
  }

  #refusal(route: Route, frameLength: number, payloadBytes: number): string | undefined {
    const { retainedMessagesMax, retainedBytesMax, payloadBytesMax } = this.#limits
    const { kept, name } = route
    if (payloadBytes > payloadBytesMax) {
      return `A payload of ${payloadBytes} bytes is too large to be kept: the limit is ${payloadBytesMax}`
    }
    const bytes = this.#bytes - (kept?.bytes ?? 0) + KeptMessage.frameBytes(frameLength) + topicBytes(name)
    if (bytes > retainedBytesMax) {
      return `The messages that are kept would have ${bytes} bytes: the limit is ${retainedBytesMax}`
    }
    if (kept === undefined && this.#kept.size >= retainedMessagesMax) {
      return `${this.#kept.size} messages are kept, as many as there may be`
    }
    return undefined
  }

  #put(route: Route, bytes: Buffer, start: number, frameLength: number, layout: FrameLayout): void {
    const kept = route.kept ?? this.#add(route)
    this.#bytes -= kept.bytes
    this.#write(kept.room(frameLength), bytes, start, frameLength, layout.payloadStart)
    this.#bytes += kept.bytes
    kept.keptAtMs = Date.now()
    kept.expiryNs = layout.expiryNs
    this.settle(kept)
    if (kept.expiryNs === 0) this.#expiring.delete(route)
    else this.#expireLater(route, kept.expiryNs)
  }

  #add(route: Route): KeptMessage {
    const kept = new KeptMessage(topicBytes(route.name))
    this.#bytes += kept.bytes
    route.kept = kept
    this.#kept.add(route)
    this.#topics.add(route.name, route)
    return kept
  }

  /** Writes the frame with its payload in it, and with RETAIN. */
  #write(target: Buffer, bytes: Buffer, start: number, frameLength: number, payloadStart: number): void {
    if (isByRing(bytes, start)) {
      bytes.copy(target, 0, start, payloadStart)
      this.#readRing(bytes, start, target.subarray(payloadStart - start, frameLength))
      writeU32(target, Offset.LENGTH, frameLength)
      target[Offset.FLAGS]! &= ~Flag.RING
    } else {
      bytes.copy(target, 0, start, start + frameLength)
    }
    target.fill(0, frameLength)
  }

  #expireLater(route: Route, expiryNs: number): void {
    this.#expiring.add(route)
    if (expiryNs < this.#sweepAtNs) this.#sweepAt(expiryNs)
  }

  /** One timer, for what expires first, but not more often than it pays. */
  #sweepAt(expiryNs: number): void {
    const nowNs = Number(process.hrtime.bigint())
    const delayMs = Math.min(Math.max(Math.ceil((expiryNs - nowNs) / 1e6), SWEEP_PAUSE_MS), TIMER_MS_MAX)
    const atNs = nowNs + delayMs * 1e6
    if (atNs >= this.#sweepAtNs) return
    clearTimeout(this.#sweepTimer)
    this.#sweepAtNs = atNs
    this.#sweepTimer = setTimeout(() => this.#sweep(), delayMs).unref()
  }

  #sweep(): void {
    this.#sweepAtNs = Number.POSITIVE_INFINITY
    const nowNs = Number(process.hrtime.bigint())
    let nextNs = Number.POSITIVE_INFINITY
    for (const route of this.#expiring) {
      const kept = route.kept!
      if (kept.hasExpiredBy(nowNs)) this.drop(route)
      else nextNs = Math.min(nextNs, kept.expiryNs)
    }
    if (nextNs !== Number.POSITIVE_INFINITY) this.#sweepAt(nextNs)
  }
}

function topicBytes(topic: string): number {
  return topic.split('.').length * TOKEN_BYTES
}
