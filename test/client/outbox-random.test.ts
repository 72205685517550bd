import test, { type ExecutionContext } from 'ava'
import { Barriers } from '../../client/outbound/barriers.js'
import { permits } from '../../protocol/index.js'
import { frameBytes, numbered, OutboxStage, type SentMessage, StagedOutlet } from './outbox-stage.js'

/** A generator of numbers in [0, 1): the same sequence for the same seed. (Mulberry32.) */
function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Published {
  readonly topic: string
  readonly priority: number
  /** Whether it entered a queue. */
  readonly isQueued: boolean
}

/** What a client is told and does at random, and what its broker sees of it. */
class Story {
  readonly #t: ExecutionContext
  readonly #random: () => number
  readonly #stage = new OutboxStage({ sendTimes: true })
  readonly #topics: string[]
  readonly #aliasesMax: number
  readonly #published: Published[] = []
  /** Numbers of messages that wait in queues, by topic. */
  readonly #waiting = new Map<string, Map<number, number>>()
  /** The last message of each topic and priority that has come. */
  readonly #last = new Map<string, number>()
  readonly #arrived = new Set<number>()
  /** The allowance of each paused alias. */
  readonly #paused = new Map<number, number>()
  readonly #outlets: StagedOutlet[] = []
  readonly #flushes: Promise<void>[] = []
  #log = ''

  constructor(t: ExecutionContext, seed: number) {
    this.#t = t
    this.#random = randomOf(seed)
    this.#topics = Array.from({ length: 2 + this.#below(12) }, (_, number) => `t.${number}`)
    this.#aliasesMax = 1 + this.#below(8)
    this.#log = `seed ${seed}`
    this.#connect()
  }

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      this.#step()
      if (this.#random() < 0.3) await Promise.resolve()
      this.#checkBytes()
    }
    await this.#end()
  }

  #step(): void {
    const dice = this.#random()
    if (dice < 0.6) this.#publish()
    else if (dice < 0.68) this.#stage.congest()
    else if (dice < 0.78) this.#drain(this.#below(100_000))
    else if (dice < 0.86) this.#pause()
    else if (dice < 0.94) this.#resume()
    else if (dice < 0.97) this.#flush()
    else if (dice < 0.98) this.#reconnect()
  }

  #publish(): void {
    const topic = this.#topics[this.#below(this.#topics.length)]!
    const priority = this.#below(3) * 15
    const number = this.#published.length
    const bytes = this.#random() < 0.05 ? this.#below(80_000) : this.#below(300)
    const data = numbered(number, bytes)
    const before = this.#stage.waitingBytes(topic)
    this.#published.push({ topic, priority, isQueued: false })
    this.#stage.publisher.publish(topic, this.#random() < 0.5 ? data : data.toString('latin1'), { priority })
    const isQueued = this.#stage.waitingBytes(topic) > before
    this.#published[number] = { topic, priority, isQueued }
    if (isQueued) this.#waitingOf(topic).set(number, this.#stage.waitingBytes(topic) - before)
    // The time of sending takes eight bytes more.
    if (isQueued)
      this.#t.true([0, 8].includes(this.#waitingOf(topic).get(number)! - frameBytes(data)), this.#log)
  }

  #drain(roomBytes: number): void {
    this.#stage.drain(roomBytes)
  }

  #pause(): void {
    const { outlet, outbox } = this.#stage
    // What the writer has goes its way: a pause is for what is not written yet.
    if (!outbox.isConnected || outbox.orderedBytes > outlet.queuedBytes || outlet.topics.length === 0) return
    const alias = this.#below(outlet.topics.length)
    const isStale = this.#random() < 0.2 && outlet.boundAt[alias]! > 1
    outbox.pause(alias, isStale ? outlet.boundAt[alias]! - 1 : outlet.bindings)
    if (!isStale && !this.#paused.has(alias)) this.#paused.set(alias, 0)
  }

  #resume(): void {
    const alias = this.#below(this.#aliasesMax)
    const allowance = this.#random() < 0.5 ? 0 : 1 + this.#below(2000)
    this.#stage.outbox.resume(alias, allowance)
    if (!this.#paused.has(alias)) return
    if (allowance === 0) this.#paused.delete(alias)
    else this.#paused.set(alias, this.#paused.get(alias)! + allowance)
  }

  #flush(): void {
    const queued = this.#published.flatMap(({ isQueued }, number) => (isQueued ? [number] : []))
    const barriers = new Barriers(this.#stage.outbox)
    let id = 0
    // A broker that has routed everything as soon as it is asked.
    const pass = () => {
      const passed = barriers.pass()
      id += 1
      barriers.passed(id)
      return passed
    }
    const flushed = this.#stage.publisher.flush({ pass } as Barriers).then(
      () => {
        const missing = queued.filter((number) => !this.#arrived.has(number))
        this.#t.deepEqual(missing, [], this.#log)
      },
      (error) => {
        this.#t.is(error.code, 'DISCONNECTED', this.#log)
      },
    )
    this.#flushes.push(flushed)
  }

  #reconnect(): void {
    this.#stage.disconnect()
    this.#paused.clear()
    for (let count = this.#below(10); count > 0; count--) this.#publish()
    this.#connect()
  }

  #connect(): void {
    const outlet = new StagedOutlet(this.#random() < 0.5)
    outlet.arrived = (message) => this.#arrive(message)
    outlet.bound = (alias) => this.#paused.delete(alias)
    this.#outlets.push(outlet)
    this.#stage.connect(outlet, this.#aliasesMax)
  }

  #arrive(message: SentMessage): void {
    const number = Number(message.text)
    const { topic, priority } = this.#published[number]!
    this.#t.is(message.topic, topic, this.#log)
    this.#t.is(message.priority, priority, this.#log)
    const line = `${topic} ${priority}`
    this.#t.true(number > (this.#last.get(line) ?? -1), `${this.#log}: ${number} came late`)
    this.#last.set(line, number)
    this.#arrived.add(number)
    this.#waiting.get(topic)?.delete(number)
    const allowance = this.#paused.get(message.alias)
    if (allowance === undefined) return
    this.#t.true(permits(allowance, priority), `${this.#log}: ${number} came in spite of a pause`)
    this.#paused.set(message.alias, allowance - message.length)
  }

  #checkBytes(): void {
    let costBytes = 0
    for (const topic of this.#topics) {
      let expected = 0
      for (const bytes of this.#waiting.get(topic)?.values() ?? []) expected += bytes
      this.#t.is(this.#stage.waitingBytes(topic), expected, this.#log)
      if (this.#stage.outbox.queues.find(topic) !== undefined) costBytes += expected + 512
    }
    this.#t.is(this.#stage.outbox.queues.costBytes, costBytes, this.#log)
  }

  /** Nothing holds anything up any more: all that was queued must be there. */
  async #end(): Promise<void> {
    for (const alias of [...this.#paused.keys()]) this.#stage.outbox.resume(alias, 0)
    this.#paused.clear()
    this.#drain(Number.POSITIVE_INFINITY)
    await new Promise((resolve) => setImmediate(resolve))
    const missing = this.#published.flatMap(({ isQueued }, number) =>
      isQueued && !this.#arrived.has(number) ? [number] : [],
    )
    this.#t.deepEqual(missing, [], this.#log)
    this.#t.is(this.#stage.outbox.queues.costBytes, 0, this.#log)
    this.#t.true(this.#stage.outbox.isDirect, this.#log)
    this.#t.true(
      this.#outlets.every(({ isUntouched }) => isUntouched),
      `${this.#log}: memory was written that somebody else had`,
    )
    await Promise.all(this.#flushes)
  }

  #waitingOf(topic: string): Map<number, number> {
    let waiting = this.#waiting.get(topic)
    if (waiting === undefined) {
      waiting = new Map()
      this.#waiting.set(topic, waiting)
    }
    return waiting
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound)
  }
}

test('[ORDER-2] [WIRE-2.8] order, allowances and counts hold through congestion, pauses, evictions and reconnects', async (t) => {
  const first = Number(process.env.SEED ?? 1)
  for (let seed = first; seed < first + 150; seed++) await new Story(t, seed).run(400)
})
