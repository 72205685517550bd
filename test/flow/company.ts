import type { ExecutionContext } from 'ava'
import type { BrokerSettings } from '../../broker/index.js'
import type { RingbusClient } from '../../client/index.js'
import type { Child } from '../broker/processes.js'
import { clientOf, socketIn } from '../client/fixtures.js'
import type { BrokerPart } from './broker-child.js'
import { startBrokerChild, startProgram, WATCHDOG_MS } from './programs.js'
import type { PublisherPart } from './publisher-child.js'
import type { SeriesCounts } from './series.js'
import type { SubscriberPart, SubscriberReport } from './subscriber-child.js'

/** A broker, subscribers and publishers, each a process of its own, and a client here that watches. */
export class Company {
  readonly path: string
  readonly observer: RingbusClient
  readonly subscribers = new Map<string, Child>()
  readonly publishers: Child[] = []
  /** How many messages there are of each series, once `finish` has resolved. */
  published: SeriesCounts = {}
  broker: Child
  readonly #t: ExecutionContext

  private constructor(t: ExecutionContext, path: string, broker: Child, observer: RingbusClient) {
    this.#t = t
    this.path = path
    this.broker = broker
    this.observer = observer
  }

  static async open(
    t: ExecutionContext,
    settings: BrokerSettings = {},
    timers: BrokerPart['timers'] = 'as set',
  ): Promise<Company> {
    t.timeout(WATCHDOG_MS, 'the watchdog')
    const path = socketIn(t)
    const broker = await startBrokerChild(t, { ...settings, path }, timers)
    return new Company(t, path, broker, await clientOf(t, path, { name: 'observer' }))
  }

  /** Starts subscribers, by name. */
  async subscribe(parts: Record<string, Omit<SubscriberPart, 'path' | 'name'>>): Promise<void> {
    const { path } = this
    const children = Object.entries(parts).map(([name, part]) => {
      const child = startProgram<SubscriberPart>(this.#t, './subscriber-child.js', { ...part, path, name })
      this.subscribers.set(name, child)
      return child
    })
    for (const child of children) this.#t.is(await child.message(), 'ready')
  }

  subscriber(name: string): Child {
    return this.subscribers.get(name)!
  }

  /** Starts publishers, numbered from 0, all of which begin when they are all there. */
  async publish(count: number, part: Omit<PublisherPart, 'path' | 'publisher'>): Promise<void> {
    const { path } = this
    for (let publisher = 0; publisher < count; publisher++) {
      this.publishers.push(
        startProgram<PublisherPart>(this.#t, './publisher-child.js', { ...part, path, publisher }),
      )
    }
    for (const child of this.publishers) this.#t.is(await child.message(), 'ready')
    for (const child of this.publishers) child.process.send('go')
  }

  /** How many messages each publisher has published so far. */
  async progress(): Promise<number[]> {
    for (const child of this.publishers) child.process.send('progress')
    return Promise.all(this.publishers.map((child) => child.message<number>()))
  }

  /** Tells publishers without a count to end. */
  stopPublishing(): void {
    for (const child of this.publishers) child.process.send('stop')
  }

  /** Resolves when every publisher has published all of it, and the broker has routed it. */
  async finish(): Promise<void> {
    for (const child of this.publishers) Object.assign(this.published, await child.message<SeriesCounts>())
  }

  /** The messages that were published on topics that start with `prefix`. */
  publishedOn(prefix: string): SeriesCounts {
    const entries = Object.entries(this.published).filter(([name]) => name.split(' ')[1]!.startsWith(prefix))
    return Object.fromEntries(entries)
  }

  /** What the subscriptions of one process have seen, of what was published on topics that start with `prefix`. */
  async report(name: string, prefix = ''): Promise<SubscriberReport[]> {
    const child = this.subscriber(name)
    child.process.send(this.publishedOn(prefix))
    return child.message<SubscriberReport[]>()
  }
}

export function sumOf(counts: SeriesCounts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}
