import test from 'ava'
import type { TopicPause } from '../../broker/flow/topic-pause.js'
import { Kind, Offset, readU32 } from '../../protocol/index.js'
import { FakeBroker, FakeSubscription, FakeTopic, turns } from './fakes.js'

const STEPS = 4000
const ALIASES = 3

/** Small numbers from a seed, the same for the same seed (mulberry32). */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

type Sent =
  | { kind: 'message'; alias: number; bytes: number }
  | { kind: 'topic'; alias: number; topic: FakeTopic }

/** A client whose frames, and whose reading, take time. */
class DistantPublisher {
  readonly id: number
  /** As the broker has it. */
  topicFramesRead = 0
  readonly bound: (FakeTopic | undefined)[] = []
  /** On their way to the broker, and to the client. */
  readonly sent: Sent[] = []
  readonly inbox: Buffer[] = []
  readonly outbox = { isOpen: true, notify: (frame: Buffer) => this.inbox.push(frame) }
  /** The client's own side. */
  readonly balances = new Map<number, number>()
  readonly #bindings = new Map<number, number>()
  #topicFramesSent = 0

  constructor(id: number) {
    this.id = id
  }

  bind(alias: number, topic: FakeTopic): void {
    this.#topicFramesSent += 1
    this.#bindings.set(alias, this.#topicFramesSent)
    this.balances.delete(alias)
    this.sent.push({ kind: 'topic', alias, topic })
  }

  publish(alias: number, bytes: number): boolean {
    const balance = this.balances.get(alias)
    if (balance !== undefined && balance <= 0) return false
    if (balance !== undefined) this.balances.set(alias, balance - bytes)
    this.sent.push({ kind: 'message', alias, bytes })
    return true
  }

  /** Takes note of the next frame from the broker; returns what is wrong with it. */
  read(): string | undefined {
    const frame = this.inbox.shift()
    if (frame === undefined) return undefined
    const [kind, alias, id] = [frame[Offset.KIND], readU32(frame, Offset.TOPIC), readU32(frame, Offset.ID)]
    const balance = this.balances.get(alias)
    if (kind === Kind.PAUSE) {
      if (id < this.#bindings.get(alias)!) return undefined
      if (balance !== undefined) return `PAUSE of ${alias}, which is paused`
      this.balances.set(alias, 0)
    } else if (balance !== undefined) {
      if (id === 0) this.balances.delete(alias)
      else this.balances.set(alias, balance + id)
    }
    return undefined
  }
}

/** What the account of a topic must say at any time, as far as it does not. */
function faultsOf(pause: TopicPause): string[] {
  const faults: string[] = []
  const hungry = [...pause.aliases].filter(({ balanceBytes }) => balanceBytes <= 0).length
  if (pause.hungryCount !== hungry) faults.push(`${pause.hungryCount} hungry, not ${hungry}`)
  for (const holder of pause.holders) {
    const aliases = [...holder.topics].flatMap((topic) => [...topic.aliases])
    const promised = aliases.reduce((sum, { balanceBytes }) => sum + Math.max(0, balanceBytes), 0)
    if (!holder.topics.has(pause)) faults.push('a holder does not know its topic')
    if (holder.aliasCount !== aliases.length)
      faults.push(`${holder.aliasCount} aliases, not ${aliases.length}`)
    if (holder.promisedBytes !== promised) faults.push(`${holder.promisedBytes} promised, not ${promised}`)
    const isBlocking = holder.subscription.blockingSinceMs !== undefined
    if (holder.state === 'holding' && !isBlocking) faults.push('a holder blocks without a date')
  }
  return faults
}

test('[FLOW-2] whatever happens, the books are right, and nobody is held up once there is room', async (t) => {
  const seed = Number(process.env['RINGBUS_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  t.log(`RINGBUS_FUZZ_SEED=${seed}`)
  const random = randomNumbers(seed)
  const broker = new FakeBroker()
  const topics = Array.from({ length: 4 }, (_, index) => new FakeTopic(`t${index}`, []))
  let publishers: DistantPublisher[] = []
  let pausesSeen = 0

  const newSubscription = () => {
    const subscription = new FakeSubscription(1000 + random(100_000), random(3) === 0 ? 'g' : undefined)
    const matched = topics.filter(() => random(2) === 0)
    for (const topic of matched) topic.subscriptions.push(subscription)
  }
  const newPublisher = () => {
    const publisher = new DistantPublisher(publishers.length)
    for (let alias = 0; alias < ALIASES; alias++) publisher.bind(alias, topics[random(topics.length)]!)
    publishers.push(publisher)
  }
  const subscriptions = () => [...new Set(topics.flatMap((topic) => topic.subscriptions))]
  const someone = <Item>(items: readonly Item[]) => items[random(items.length)]
  const receive = (publisher: DistantPublisher) => {
    const frame = publisher.sent.shift()
    if (frame === undefined) return
    if (frame.kind === 'topic') {
      publisher.topicFramesRead += 1
      publisher.bound[frame.alias] = frame.topic
      broker.pauses.rebound(publisher, frame.alias)
    } else {
      broker.publish(publisher.bound[frame.alias]!, publisher, frame.alias, frame.bytes)
    }
  }
  const end = (subscription: FakeSubscription) => {
    for (const topic of topics) {
      const index = topic.subscriptions.indexOf(subscription)
      if (index >= 0) topic.subscriptions.splice(index, 1)
    }
    broker.end(subscription)
  }
  const leave = (publisher: DistantPublisher) => {
    publishers = publishers.filter((other) => other !== publisher)
    broker.pauses.left(publisher)
    newPublisher()
  }
  const check = () => {
    for (const { pause } of topics) {
      if (pause === undefined) continue
      pausesSeen += 1
      const faults = faultsOf(pause)
      if (faults.length > 0) t.fail(faults.join(', '))
      if (pause.aliases.size === 0) t.fail('a topic is paused for nobody')
    }
  }

  for (let index = 0; index < 6; index++) newSubscription()
  for (let index = 0; index < 4; index++) newPublisher()
  for (let step = 0; step < STEPS; step++) {
    const publisher = someone(publishers)!
    const subscription = someone(subscriptions())
    const choice = random(100)
    if (choice < 35)
      for (let count = random(8); count >= 0; count--) publisher.publish(random(ALIASES), 1 + random(20_000))
    else if (choice < 60) for (let count = random(8); count >= 0; count--) receive(publisher)
    else if (choice < 75) t.is(publisher.read(), undefined)
    else if (choice < 88 && subscription !== undefined) broker.take(subscription, 1 + random(6))
    else if (choice < 90) publisher.bind(random(ALIASES), topics[random(topics.length)]!)
    else if (choice < 93) publisher.outbox.isOpen = false
    else if (choice < 96) {
      publisher.outbox.isOpen = true
      broker.pauses.tell(publisher)
    } else if (choice < 97) leave(publisher)
    else if (choice < 98 && subscription !== undefined) {
      end(subscription)
      newSubscription()
    } else await turns(1)
    check()
  }
  t.true(pausesSeen > STEPS / 10)

  // Everything on its way arrives: then the client never believes less than the broker.
  for (const publisher of publishers) {
    while (publisher.sent.length > 0) receive(publisher)
    publisher.outbox.isOpen = true
    broker.pauses.tell(publisher)
    while (publisher.inbox.length > 0) t.is(publisher.read(), undefined)
  }
  for (const { pause } of topics) {
    for (const { publisher, alias, balanceBytes } of pause?.aliases ?? []) {
      t.true((publisher as unknown as DistantPublisher).balances.get(alias)! >= balanceBytes)
    }
  }

  // Whoever has more to send comes to send it, however slowly it is taken.
  const wanting = publishers.map((publisher) => ({ publisher, left: 30 }))
  for (let round = 0; round < 20_000 && wanting.some(({ left }) => left > 0); round++) {
    for (const want of wanting) {
      while (want.left > 0 && want.publisher.publish(random(ALIASES), 1 + random(20_000))) want.left -= 1
      while (want.publisher.sent.length > 0) receive(want.publisher)
      while (want.publisher.inbox.length > 0) t.is(want.publisher.read(), undefined)
    }
    for (const subscription of subscriptions()) broker.take(subscription, random(3))
    await turns(1)
    check()
  }
  t.deepEqual(
    wanting.map(({ left }) => left),
    wanting.map(() => 0),
  )

  for (const subscription of subscriptions()) broker.take(subscription, subscription.queue.length)
  await turns()
  t.is(broker.pauses.topicCount, 0)
  for (const publisher of publishers) {
    while (publisher.inbox.length > 0) t.is(publisher.read(), undefined)
    t.is(publisher.balances.size, 0)
    t.is(broker.pauses.pausedCountOf(publisher), 0)
  }
  for (const subscription of subscriptions()) t.is(subscription.blockingSinceMs, undefined)
})
