import { paddedLength } from '../../protocol/index.js'
import type { Route } from '../routing/route.js'
import type { Subscription } from '../routing/subscription.js'
import type { RetainedStore } from './retained-store.js'
import { type Position, START, type Stretch } from './topic-tree.js'

/**
 * What one slice of a greeting looks at in the tree, and bytes that it sends: a few milliseconds of work at most, and
 * what a subscriber that reads nothing has queued. The walk comes to where it stood by passing over what is before, so
 * slices must not be too small.
 */
const SLICE_LOOKS = 8192
const SLICE_BYTES = 256 * 1024

/** Slices of all greetings in one turn of the loop; between turns the broker serves everybody else. */
const SLICES_A_TURN = 2

/** Delivers one frame to one subscription alone. */
export interface Greeter {
  greet(subscription: Subscription, route: Route, bytes: Buffer, start: number, length: number): void
  targetsOf(route: Route): { readonly direct: readonly Subscription[] }
}

/** What all subscriptions may have queued. */
export interface QueueMemory {
  /** Bytes that there is room for. */
  readonly roomBytes: number
}

/** A subscription that has not been sent all that was kept when it began. */
interface Greeting {
  readonly subscription: Subscription
  /** What was kept later, it gets as it is published. */
  readonly began: number
  position: Position
}

/**
 * Sends what is kept to subscriptions that ask for it, as if it were published at the moment when they began. [RETAIN-2]
 * A few messages go at once. Many go in slices, each when the one before has left the subscription's queue, so that
 * neither the loop is held up nor memory filled by whoever reads nothing:
 *
 *   running ──(its slice waits in the queue)──> waiting ──(so many messages have left)──> running
 *   either ──(nothing is left, the subscription ends)──> gone
 *
 * A greeting is a place in the tree of topics and a count, whatever there is to be sent. What is published meanwhile
 * keeps its place behind the kept message of its topic: that one goes ahead, or is replaced, and so need not be sent.
 */
export class Greetings {
  readonly #store: RetainedStore
  readonly #greeter: Greeter
  readonly #memory: QueueMemory
  readonly #flush: () => void
  readonly #underWay = new Map<Subscription, Greeting>()
  #running: Greeting[] = []
  /** Slices of work done in this turn. */
  #spent = 0
  #isScheduled = false

  constructor(store: RetainedStore, greeter: Greeter, memory: QueueMemory, flush: () => void) {
    this.#store = store
    this.#greeter = greeter
    this.#memory = memory
    this.#flush = flush
  }

  /** Greetings that have not ended. */
  get count(): number {
    return this.#underWay.size
  }

  /** A subscription begins; it is in the routing table already. */
  begin(subscription: Subscription): void {
    if (this.#store.messages === 0) return
    const greeting = { subscription, began: this.#store.turn, position: START }
    this.#underWay.set(subscription, greeting)
    this.#run(greeting)
  }

  /** A subscription has ended, or begins to: it is sent no more than it has been. */
  end(subscription: Subscription): void {
    subscription.onRelieved = undefined
    if (this.#underWay.size > 0) this.#underWay.delete(subscription)
  }

  /** No more is sent to anybody. */
  stop(): void {
    for (const subscription of this.#underWay.keys()) this.end(subscription)
  }

  /** A message of a topic is about to be published: the kept one goes first to whoever has yet to be sent it. */
  goAhead(route: Route): void {
    if (this.#underWay.size === 0) return
    for (const subscription of this.#greeter.targetsOf(route).direct) {
      const greeting = this.#underWay.get(subscription)
      if (greeting !== undefined && this.#owes(greeting, route)) this.#send(subscription, [route])
    }
    // No greeting that is under way sends it any more; one that begins later does.
    this.#store.settle(route.kept!)
  }

  #owes(greeting: Greeting, route: Route): boolean {
    return (
      route.kept!.turn <= greeting.began &&
      !route.kept!.hasExpiredBy(nowNs()) &&
      this.#store.isAhead(route, greeting.position)
    )
  }

  /** Sends the next slice, if this turn still has room for it. */
  #run(greeting: Greeting): void {
    if (this.#spent >= SLICES_A_TURN) {
      this.#running.push(greeting)
      return
    }
    const { subscription } = greeting
    const stretch = this.#nextStretch(greeting)
    this.#send(subscription, stretch.found)
    if (stretch.position === undefined) {
      this.#underWay.delete(subscription)
      return
    }
    greeting.position = stretch.position
    if (subscription.queuedMessages > 0) this.#await(greeting)
    else this.#running.push(greeting)
  }

  /** The next slice comes when as many messages have left the queue as were there: others may keep it from emptying. */
  #await(greeting: Greeting): void {
    const { subscription } = greeting
    const wanted = subscription.counts.matched
    subscription.onRelieved = () => {
      if (subscription.counts.matched - subscription.queuedMessages < wanted) return
      subscription.onRelieved = undefined
      this.#running.push(greeting)
      this.#schedule()
    }
  }

  /** What the next slice sends. */
  #nextStretch({ subscription, position, began }: Greeting): Stretch<Route> {
    const now = nowNs()
    const isQueued = !subscription.owner.outbox.passes(subscription, 0)
    const bytesMax = isQueued ? Math.min(SLICE_BYTES, this.#memory.roomBytes) : SLICE_BYTES
    let bytes = 0
    const isOwed = ({ kept }: Route) => kept!.turn <= began && !kept!.hasExpiredBy(now)
    const stretch = this.#store.walk(subscription.pattern, position, {
      looksMax: SLICE_LOOKS,
      endsWith: (route) => {
        if (isOwed(route)) bytes += paddedLength(route.kept!.length)
        return bytes >= bytesMax
      },
    })
    this.#spend(Math.max(stretch.looks / SLICE_LOOKS, bytes / SLICE_BYTES))
    return { ...stretch, found: stretch.found.filter(isOwed) }
  }

  /** Copies the kept frames one behind another, so that they leave as one, and are never written again. */
  #send(subscription: Subscription, routes: readonly Route[]): void {
    const bytes = routes.reduce((sum, { kept }) => sum + paddedLength(kept!.length), 0)
    const copy = Buffer.allocUnsafeSlow(bytes)
    let start = 0
    for (const route of routes) {
      const kept = route.kept!
      const end = kept.copyTo(copy, start)
      this.#greeter.greet(subscription, route, copy, start, kept.length)
      start = end
    }
  }

  #spend(slices: number): void {
    this.#spent += slices
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#nextTurn())
  }

  #nextTurn(): void {
    this.#isScheduled = false
    this.#spent = 0
    const running = this.#running
    this.#running = []
    let next = 0
    for (; next < running.length && this.#spent < SLICES_A_TURN; next++) {
      const greeting = running[next]!
      if (this.#underWay.has(greeting.subscription)) this.#run(greeting)
    }
    // Those that go on queue up behind those that had no turn.
    this.#running = [...running.slice(next), ...this.#running]
    if (this.#running.length > 0) this.#schedule()
    this.#flush()
  }
}

function nowNs(): number {
  return Number(process.hrtime.bigint())
}
