import { isReserved } from '../../protocol/index.js'
import { WireTopic } from '../egress/wire-topic.js'
import type { TopicPause } from '../flow/topic-pause.js'
import type { KeptMessage } from '../retained/kept-message.js'
import type { Subscription } from './subscription.js'

/** The subscriptions of one group that match a topic: each message goes to one of them. [SUB-7] */
export interface QueueGroup {
  readonly members: Subscription[]
  /** Whose turn it was last. */
  turn: number
}

/**
 * Where the messages of one topic go: the answer of the trie, kept until subscriptions change. Shared by every
 * connection that has bound an alias to the topic.
 */
export class Route extends WireTopic {
  /** Topics of the broker itself take no messages from clients. [TOPIC-4] */
  readonly reserved: boolean
  /** Aliases bound to this route; the table forgets it with the last one, unless a message is kept. */
  bindings = 0
  /** The message that greets those who subscribe to the topic. [RETAIN-1] */
  kept: KeptMessage | undefined
  /** The state of the routing table that `direct` and `groups` answer for; −1: of none, or not quite. */
  version = -1
  /** The state that they answered for before what has been noted since; −1: of none. */
  answeredVersion = -1
  /** What the answer of the trie has cost: nodes visited, and subscriptions found. */
  walkSteps = 0
  #noted: Map<Subscription, boolean> | undefined
  direct: readonly Subscription[] = []
  groups: readonly QueueGroup[] = []
  /** Set while its publishers are paused. [FLOW-2] */
  pause: TopicPause | undefined

  constructor(name: string) {
    super(name)
    this.reserved = isReserved(name)
  }

  /** Takes the answer of the trie. */
  resolve(subscriptions: readonly Subscription[], version: number, walkSteps: number): void {
    this.reset()
    this.#add(subscriptions)
    this.version = version
    this.answeredVersion = version
    this.walkSteps = walkSteps
  }

  /** A subscription to this very topic has come or gone: the next message will find out what that means. */
  note(subscription: Subscription, isAdded: boolean): void {
    if (this.answeredVersion < 0) return
    this.version = -1
    this.#noted ??= new Map()
    this.#noted.set(subscription, isAdded)
    if (this.#noted.size > this.walkSteps) this.reset()
  }

  /** Brings the answer up to date with what has been noted, and with other changes: true for what matches now. */
  catchUp(changes: Map<Subscription, boolean>, version: number): void {
    for (const [subscription, isAdded] of this.#noted ?? []) changes.set(subscription, isAdded)
    if (changes.size > 0) this.#change(changes)
    this.#noted = undefined
    this.version = version
    this.answeredVersion = version
  }

  /** Forgets the answer of the trie. */
  reset(): void {
    this.version = -1
    this.answeredVersion = -1
    this.#noted = undefined
    this.direct = []
    this.groups = []
  }

  #change(changes: ReadonlyMap<Subscription, boolean>): void {
    const isElsewhere = (subscription: Subscription) => !changes.has(subscription)
    this.direct = this.direct.filter(isElsewhere)
    this.groups = this.groups
      .map(({ members, turn }) => ({ members: members.filter(isElsewhere), turn }))
      .filter(({ members }) => members.length > 0)
    this.#add([...changes].filter(([, isAdded]) => isAdded).map(([subscription]) => subscription))
  }

  #add(subscriptions: readonly Subscription[]): void {
    const direct: Subscription[] = []
    const grouped = new Map<string, Subscription[]>()
    for (const { members } of this.groups) grouped.set(members[0]!.group!, members)
    for (const subscription of subscriptions) {
      const { group } = subscription
      if (group === undefined) direct.push(subscription)
      else if (grouped.has(group)) grouped.get(group)!.push(subscription)
      else grouped.set(group, [subscription])
    }
    this.direct = this.direct.length === 0 ? direct : [...this.direct, ...direct]
    // Many topics with a message each would otherwise all begin with the same member.
    this.groups = [...grouped.values()].map((members) => ({
      members,
      turn: Math.floor(Math.random() * members.length),
    }))
  }
}
