import {
  Flag,
  FrameRun,
  hasExpired,
  Offset,
  WILDCARD_ONE,
  WILDCARD_REST,
  writeU32,
} from '../../protocol/index.js'
import type { TopicIds } from '../egress/topic-ids.js'
import { NO_ID } from '../egress/wire-topic.js'
import type { Publisher } from '../flow/publisher.js'
import { PatternChanges } from './pattern-changes.js'
import { type QueueGroup, Route } from './route.js'
import type { Subscription } from './subscription.js'
import { Trie } from './trie.js'

/** What becomes of messages that cannot leave at once. */
export interface OverflowTaker {
  take(
    subscription: Subscription,
    route: Route,
    run: FrameRun,
    publisher: Publisher | undefined,
    alias: number,
  ): void
  /** Lets messages wait whatever the limits say. */
  keep(subscription: Subscription, run: FrameRun): void
}

/** Who keeps account of what paused publishers send all the same. */
export interface PauseAccount {
  received(route: Route, publisher: Publisher, alias: number, bytes: number): void
}

/** Brings each message to the subscriptions that it matches. */
export class Router {
  readonly #topics: TopicIds
  readonly #overflow: OverflowTaker
  readonly #pauses: PauseAccount
  readonly #subscriptions = new Trie<Subscription>()
  readonly #routes = new Map<string, Route>()
  /** What may concern more than one topic; routes of another version look again. */
  readonly #changes = new PatternChanges()
  #count = 0
  messagesRouted = 0
  messagesUnmatched = 0

  constructor(topics: TopicIds, overflow: OverflowTaker, pauses: PauseAccount) {
    this.#topics = topics
    this.#overflow = overflow
    this.#pauses = pauses
  }

  get subscriptionCount(): number {
    return this.#count
  }

  get topicCount(): number {
    return this.#routes.size
  }

  /** The topics that clients have bound, or of which a message is kept. */
  get routes(): Iterable<Route> {
    return this.#routes.values()
  }

  /** Of these, the topics that clients have bound. */
  *bound(): Iterable<Route> {
    for (const route of this.#routes.values()) if (route.bindings > 0) yield route
  }

  /** The route of a topic, if there is one. */
  find(topic: string): Route | undefined {
    return this.#routes.get(topic)
  }

  /** Where messages of a topic go now. */
  targetsOf(route: Route): Pick<Route, 'direct' | 'groups'> {
    return this.#resolved(route)
  }

  /** The route of a topic, shared by everyone who binds it; `release` gives it back. */
  acquire(topic: string): Route {
    let route = this.#routes.get(topic)
    if (route === undefined) {
      route = new Route(topic)
      this.#routes.set(topic, route)
    }
    route.bindings += 1
    return route
  }

  release(route: Route): void {
    route.bindings -= 1
    this.#forgetUnused(route)
  }

  /** No message of the topic is kept any more. */
  unkept(route: Route): void {
    this.#forgetUnused(route)
  }

  subscribe(subscription: Subscription): void {
    this.#subscriptions.add(subscription.pattern, subscription)
    this.#count += 1
    this.#changed(subscription, true)
  }

  /** Nothing more is matched; what is queued stays with the caller. */
  unsubscribe(subscription: Subscription): void {
    this.#subscriptions.remove(subscription.pattern, subscription)
    this.#count -= 1
    this.#changed(subscription, false)
  }

  /** Whether anybody would get a message of this topic: events nobody watches are never built. */
  hasSubscribers(topic: string): boolean {
    return this.subscriberCount(topic) > 0
  }

  /** How many would get a message of this topic now: a group counts as one. */
  subscriberCount(topic: string): number {
    const { direct, groups } = this.#resolved(this.#routes.get(topic) ?? new Route(topic))
    return direct.length + groups.length
  }

  /**
   * Routes messages of one topic, whose alias stands in them: its id takes that place, so that the same bytes serve every
   * target. [SUB-5] `publisher` is undefined for what the broker says itself.
   */
  publish(route: Route, run: FrameRun, publisher: Publisher | undefined): void {
    const { direct, groups } = this.#resolved(route)
    const alias = run.topicId
    this.messagesRouted += run.messages
    if (route.pause !== undefined && publisher !== undefined) {
      this.#pauses.received(route, publisher, alias, run.lengthBytes + run.ringBytes)
    }
    if (direct.length === 0 && groups.length === 0) {
      this.messagesUnmatched += run.messages
      return
    }
    if ((run.flags & Flag.EXPIRY) !== 0 && hasExpired(run.bytes, run.start)) return expire(route)
    this.#stamp(route, run)
    for (let index = 0; index < direct.length; index++) {
      this.#deliver(direct[index]!, route, run, publisher, alias)
    }
    for (let index = 0; index < groups.length; index++) {
      this.#deliverToGroup(groups[index]!, route, run, publisher, alias)
    }
  }

  /**
   * Delivers one frame to one subscription, which is greeted with it: whatever its limits, it waits if it cannot be
   * sent. [RETAIN-2]
   */
  greet(subscription: Subscription, route: Route, bytes: Buffer, start: number, length: number): void {
    const frame = FrameRun.of(bytes, start, length)
    this.#stamp(route, frame)
    subscription.counts.match(1)
    const left = subscription.owner.outbox.send(subscription, route, frame)
    if (left !== undefined) this.#overflow.keep(subscription, left)
  }

  /** Writes the id of a topic into a frame that is about to be sent. */
  stampTopic(route: Route, bytes: Buffer, start: number): void {
    writeU32(bytes, start + Offset.TOPIC, this.#idOf(route))
  }

  #stamp(route: Route, run: FrameRun): void {
    run.stampTopic(this.#idOf(route))
  }

  /** The id of a topic that is about to be used. */
  #idOf(route: Route): number {
    if (route.id === NO_ID) this.#topics.assign(route)
    route.used = true
    return route.id
  }

  /** Each message goes to the member whose turn it then is. */
  #deliverToGroup(
    group: QueueGroup,
    route: Route,
    run: FrameRun,
    publisher: Publisher | undefined,
    alias: number,
  ): void {
    if (group.members.length === 1) return this.#deliver(group.members[0]!, route, run, publisher, alias)
    for (const frame of run) this.#deliver(leastOutstanding(group), route, frame, publisher, alias)
  }

  #deliver(
    subscription: Subscription,
    route: Route,
    run: FrameRun,
    publisher: Publisher | undefined,
    alias: number,
  ): void {
    subscription.counts.match(run.messages)
    const left = subscription.owner.outbox.send(subscription, route, run)
    if (left !== undefined) this.#overflow.take(subscription, route, left, publisher, alias)
  }

  #resolved(route: Route): Route {
    const { version } = this.#changes
    if (route.version === version) return route
    // To look through the changes must not take longer than to ask the trie anew.
    if (this.#changes.reachBackTo(route.answeredVersion, route.walkSteps)) {
      route.catchUp(this.#changes.matched(route.name, route.answeredVersion), version)
    } else {
      const found = this.#subscriptions.match(route.name)
      route.resolve(found, version, this.#subscriptions.visited + found.length)
    }
    return route
  }

  #forgetUnused(route: Route): void {
    if (route.bindings > 0 || route.kept !== undefined) return
    this.#routes.delete(route.name)
    // Its id may outlive it for a while, and must not keep subscriptions of clients long gone.
    route.reset()
  }

  /** Lets go of what stale routes still refer to: subscriptions of clients that may be long gone. */
  forgetStale(): void {
    for (const route of this.#routes.values()) if (route.version !== this.#changes.version) route.reset()
    this.#changes.clear()
  }

  /** A pattern without wildcards concerns one topic; any other may concern them all. */
  #changed(subscription: Subscription, isAdded: boolean): void {
    const { pattern } = subscription
    if (pattern.includes(WILDCARD_ONE) || pattern.includes(WILDCARD_REST)) {
      this.#changes.add(subscription, isAdded)
    } else {
      this.#routes.get(pattern)?.note(subscription, isAdded)
    }
  }
}

/** A message that has expired as it arrives is sent to nobody. [WIRE-3.2] */
function expire({ direct, groups }: Route): void {
  for (const { counts } of [...direct, ...groups.map(leastOutstanding)]) {
    counts.match(1)
    counts.drop('expired', 1)
  }
}

/** The member with the least on its hands, of those that have room if any has; among equals each has its turn. */
function leastOutstanding(group: QueueGroup): Subscription {
  const { members } = group
  group.turn = (group.turn + 1) % members.length
  let least = members[group.turn]!
  for (let step = 1; step < members.length && least.outstanding > 0; step++) {
    const member = members[(group.turn + step) % members.length]!
    if (member.outstanding < least.outstanding) least = member
  }
  return least.isFull ? (leastOf(members.filter(({ isFull }) => !isFull)) ?? least) : least
}

function leastOf(members: readonly Subscription[]): Subscription | undefined {
  let least = members[0]
  for (const member of members) if (member.outstanding < least!.outstanding) least = member
  return least
}
