import type { Blocker } from '../../broker/flow/blocker.js'
import type { Publisher } from '../../broker/flow/publisher.js'
import type { TopicPause } from '../../broker/flow/topic-pause.js'
import { type TargetedTopic, TopicPauses } from '../../broker/flow/topic-pauses.js'
import { Kind, Offset, type OverflowPolicy, readU32 } from '../../protocol/index.js'

/** A subscription as flow control sees one: messages of given sizes wait in it. */
export class FakeSubscription implements Blocker {
  policy: OverflowPolicy = 'block'
  state: 'active' | 'ended' = 'active'
  blockingSinceMs: number | undefined
  readonly group: string | undefined
  readonly limits: { bytes: number }
  readonly queue: number[] = []

  constructor(limitBytes: number, group?: string) {
    this.limits = { bytes: limitBytes }
    this.group = group
  }

  get queuedBytes(): number {
    return this.queue.reduce((sum, bytes) => sum + bytes, 0)
  }

  get roomBytes(): number {
    return Math.max(0, this.limits.bytes - this.queuedBytes)
  }

  get isFull(): boolean {
    return this.roomBytes === 0
  }

  get isOverHalf(): boolean {
    return this.queuedBytes > this.limits.bytes / 2
  }
}

/** A client at the other end of its outbox: it heeds what it is told, as SPEC.md asks it to. */
export class FakePublisher {
  readonly id: number
  topicFramesRead = 0
  /** What it was told, as text. */
  readonly told: string[] = []
  /** Aliases that it holds back on, with what it may send. */
  readonly balances = new Map<number, number>()
  readonly faults: string[] = []
  readonly outbox = { isOpen: true, notify: (frame: Buffer) => this.#read(frame) }

  constructor(id: number) {
    this.id = id
  }

  /** What it was told since the last call. */
  news(): string[] {
    return this.told.splice(0)
  }

  maySend(alias: number): boolean {
    return (this.balances.get(alias) ?? Number.POSITIVE_INFINITY) > 0
  }

  send(alias: number, bytes: number): void {
    const balance = this.balances.get(alias)
    if (balance !== undefined) this.balances.set(alias, balance - bytes)
  }

  #read(frame: Buffer): void {
    const alias = readU32(frame, Offset.TOPIC)
    const id = readU32(frame, Offset.ID)
    const isPaused = this.balances.has(alias)
    if (frame[Offset.KIND] === Kind.PAUSE) {
      this.told.push(`pause ${alias}`)
      if (isPaused) this.faults.push(`PAUSE of ${alias}, which is paused`)
      if (id !== this.topicFramesRead) this.faults.push(`PAUSE of binding ${id}`)
      this.balances.set(alias, 0)
      return
    }
    this.told.push(id === 0 ? `resume ${alias}` : `allow ${alias} ${id}`)
    if (!isPaused) this.faults.push(`RESUME of ${alias}, which is not paused`)
    if (id === 0) this.balances.delete(alias)
    else this.balances.set(alias, this.balances.get(alias)! + id)
  }
}

export class FakeTopic implements TargetedTopic {
  readonly name: string
  readonly subscriptions: FakeSubscription[]
  pause: TopicPause | undefined

  constructor(name: string, subscriptions: FakeSubscription[]) {
    this.name = name
    this.subscriptions = subscriptions
  }

  /** Those that have a group are of one. */
  get groups(): { members: FakeSubscription[] }[] {
    const members = this.subscriptions.filter(({ group }) => group !== undefined)
    return members.length === 0 ? [] : [{ members }]
  }
}

/** Pauses over fakes, and a router that brings messages to every subscription of their topic. */
export class FakeBroker {
  readonly slow: FakeSubscription[] = []
  readonly events: string[] = []
  readonly pauses: TopicPauses
  /** Called as a subscription has become slow. */
  onSlow: () => void = () => {}

  constructor(limits: { pauseTimeoutMs?: number; pauseSlackBytes?: number } = {}) {
    this.pauses = new TopicPauses(
      { pauseTimeoutMs: 60_000, pauseSlackBytes: 2 ** 30, ...limits },
      {
        makeSlow: (subscription) => this.#makeSlow(subscription as FakeSubscription),
        paused: ({ topic }) => this.events.push(`paused ${topic.name}`),
        resumed: ({ topic }) => this.events.push(`resumed ${topic.name}`),
        flush: () => {},
      },
    )
  }

  publish(topic: FakeTopic, publisher: Publisher, alias: number, bytes: number): void {
    if (topic.pause !== undefined) this.pauses.received(topic, publisher, alias, bytes)
    const groups = topic.groups.map(({ members }) => members.find(({ isFull }) => !isFull) ?? members[0]!)
    for (const subscription of [
      ...topic.subscriptions.filter(({ group }) => group === undefined),
      ...groups,
    ]) {
      const isFull =
        subscription.queue.length > 0 && subscription.queuedBytes + bytes > subscription.limits.bytes
      subscription.queue.push(bytes)
      if (isFull && subscription.policy === 'block') this.pauses.full(subscription, topic, publisher, alias)
    }
  }

  /** The subscription deals with its oldest messages. */
  take(subscription: FakeSubscription, count: number): void {
    subscription.queue.splice(0, count)
    this.pauses.relieved(subscription)
  }

  /** The subscription takes nothing more. */
  end(subscription: FakeSubscription): void {
    subscription.state = 'ended'
    this.pauses.relieved(subscription)
  }

  #makeSlow(subscription: FakeSubscription): void {
    subscription.policy = 'drop-oldest'
    while (subscription.queuedBytes > subscription.limits.bytes) subscription.queue.shift()
    this.slow.push(subscription)
    this.pauses.relieved(subscription)
    this.onSlow()
  }
}

/** Lets what is to be done on a later turn be done. */
export async function turns(count = 3): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}
