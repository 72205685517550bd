import { setTimeout as pause } from 'node:timers/promises'
import { Child } from '../child.js'
import { nowNs } from '../clock.js'
import { DIP_SHARE, dips } from '../dips.js'
import { ResidenceWatch } from '../memory.js'
import type { Peer, Server } from '../peers/index.js'
import type { Counted, CountingSubscriberCommands } from '../workers/counting-subscriber.js'
import type { PacedPublisherCommands } from '../workers/paced-publisher.js'
import { type MeasureOptions, type Metric, type Sample, type Scenario, withServer } from './scenario.js'

const PUBLISHER = new URL('../workers/paced-publisher.js', import.meta.url)
const SUBSCRIBER = new URL('../workers/counting-subscriber.js', import.meta.url)

const PUBLISHERS = 10
const SUBSCRIBERS = 4
const TOPICS = Array.from({ length: 10 }, (_, index) => `bench.stopped.${index}`)
const PATTERN = 'bench.stopped.*'

/** 20,000 messages and 20 MB a second: a part of what two processors can deliver to four subscribers. */
const PAYLOAD_BYTES = 1024
const MESSAGES_PER_TICK = 20
const TICK_MS = 10

const INTERVAL_MS = 100

/** Publishers are told to start a little later, so that all of them start then. */
const HEAD_START_MS = 100

/** What comes before is warm-up. */
const SETTLED_MS = 1000
const BEFORE_MS_MIN = 2 * SETTLED_MS

/** When nothing has come for so long, nothing will. */
const QUIET_MS = 1000
const QUIET_TIMEOUT_MS = 60_000

const TIMEOUT_BESIDE_MS = 60_000

/** The processes of one measurement. The first subscriber is the one that is stopped. */
class Parties {
  readonly #server: Server
  readonly #publishers: readonly Child<PacedPublisherCommands>[]
  readonly #subscribers: readonly Child<CountingSubscriberCommands>[]

  constructor(server: Server, options: MeasureOptions) {
    this.#server = server
    this.#publishers = Array.from({ length: PUBLISHERS }, () => new Child(PUBLISHER, options))
    this.#subscribers = Array.from({ length: SUBSCRIBERS }, () => new Child(SUBSCRIBER, options))
  }

  async connect(peer: Peer): Promise<void> {
    const order = { peer: peer.name, address: this.#server.address }
    const topicCount = PUBLISHERS * TOPICS.length
    await Promise.all([
      ...this.#publishers.map((child) => child.call('connect', { ...order, payloadBytesMin: PAYLOAD_BYTES })),
      ...this.#subscribers.map((child) =>
        child.call('connect', { ...order, pattern: PATTERN, payloadBytes: PAYLOAD_BYTES, topicCount }),
      ),
    ])
  }

  async run(phases: Phases): Promise<Sample> {
    const watch = new ResidenceWatch([this.#server.pid])
    try {
      return await this.#run(phases, watch)
    } finally {
      watch.end()
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#publishers, ...this.#subscribers].map((child) => child.kill()))
  }

  async #run({ stopMs, beforeMs, afterMs }: Phases, watch: ResidenceWatch): Promise<Sample> {
    const startNs = nowNs() + HEAD_START_MS * 1e6
    const totalMs = beforeMs + stopMs + afterMs
    const atMs = (ms: number) => pause(ms - (nowNs() - startNs) / 1e6)
    for (const child of this.#subscribers) await child.call('count', { startNs, intervalMs: INTERVAL_MS })
    const publishing = this.#publish(startNs, totalMs)
    await atMs(beforeMs)
    process.kill(this.#subscribers[0]!.pid, 'SIGSTOP')
    await atMs(beforeMs + stopMs)
    process.kill(this.#subscribers[0]!.pid, 'SIGCONT')
    const sent = await publishing
    const counted = await this.#settle()
    await this.#checkAccounts(sent, counted)
    const faults = counted.reduce((sum, each) => sum + each.faults, 0)
    if (faults > 0) throw new Error(`${faults} messages were out of order, twice there or damaged`)
    const others = this.#ratesOfOthers(counted, totalMs)
    const stop = beforeMs / INTERVAL_MS
    const { median, lowest, below, untilStable } = dips(
      others.slice(SETTLED_MS / INTERVAL_MS, stop),
      others.slice(stop),
    )
    const [lostByStopped, ...lostByOthers] = counted.map(({ received }) => sent - received)
    return [
      (median * 1000) / INTERVAL_MS,
      lowest,
      below * INTERVAL_MS,
      untilStable * INTERVAL_MS,
      watch.residences[0]!.peak,
      sent,
      lostByStopped!,
      lostByOthers.reduce((sum, lost) => sum + lost),
    ]
  }

  async #publish(startNs: number, totalMs: number): Promise<number> {
    const results = await Promise.all(
      this.#publishers.map((child, index) =>
        child.call(
          'publish',
          {
            topics: TOPICS,
            firstIndex: index * TOPICS.length,
            payloadBytes: PAYLOAD_BYTES,
            messagesPerTick: MESSAGES_PER_TICK,
            tickMs: TICK_MS,
            startNs,
            endNs: startNs + totalMs * 1e6,
          },
          totalMs + TIMEOUT_BESIDE_MS,
        ),
      ),
    )
    return results.reduce((sum, { sent }) => sum + sent, 0)
  }

  /** Waits until no more comes. */
  async #settle(): Promise<Counted[]> {
    const ask = () => Promise.all(this.#subscribers.map((child) => child.call('counted', null)))
    const total = (counted: readonly Counted[]) => counted.reduce((sum, { received }) => sum + received, 0)
    const startMs = performance.now()
    let counted = await ask()
    while (performance.now() - startMs < QUIET_TIMEOUT_MS) {
      await pause(QUIET_MS)
      const later = await ask()
      if (total(later) === total(counted)) return later
      counted = later
    }
    throw new Error(`Messages still come ${QUIET_TIMEOUT_MS} ms after the last was published`)
  }

  /** Where a server keeps account of every subscriber, it must agree with what the subscriber itself has counted. */
  async #checkAccounts(sent: number, counted: readonly Counted[]): Promise<void> {
    for (const [index, { received }] of counted.entries()) {
      const account = await this.#server.accountOf?.(this.#subscribers[index]!.pid)
      if (account === undefined) return
      const { matched, handled, dropped, queued, inFlight } = account
      if (matched === sent && handled === received && dropped === sent - received && queued + inFlight === 0)
        continue
      const said = JSON.stringify({ matched, handled, dropped, queued, inFlight })
      throw new Error(
        `Of ${sent} messages subscriber ${index} has handled ${received}, but the server says ${said}`,
      )
    }
  }

  /** Messages in each interval that the subscribers which were not stopped have had together. */
  #ratesOfOthers(counted: readonly Counted[], totalMs: number): number[] {
    return Array.from({ length: totalMs / INTERVAL_MS }, (_, interval) =>
      counted.slice(1).reduce((sum, { counts }) => sum + (counts[interval] ?? 0), 0),
    )
  }
}

/** How long the publishers publish before, while and after the subscriber is stopped. */
interface Phases {
  readonly beforeMs: number
  readonly stopMs: number
  readonly afterMs: number
}

function phasesOf({ stopMs }: MeasureOptions): Phases {
  const beforeMs = Math.max(BEFORE_MS_MIN, stopMs / 2)
  return { beforeMs, stopMs, afterMs: stopMs / 2 }
}

const percent = `${DIP_SHARE * 100} %`

const METRICS: readonly Metric[] = [
  { name: 'others before', unit: 'messages/s', better: 'higher' },
  { name: 'lowest / before', unit: 'ratio', better: 'higher' },
  { name: `others below ${percent}`, unit: 'ms', better: 'lower' },
  { name: `until they are back at ${percent}`, unit: 'ms', better: 'lower' },
  { name: 'server, peak', unit: 'MiB', better: 'lower' },
  { name: 'published', unit: 'messages', better: 'higher' },
  { name: 'lost by the stopped', unit: 'messages', better: 'lower' },
  { name: 'lost by the others', unit: 'messages', better: 'lower' },
]

export const stoppedSubscriberScenario: Scenario = {
  name: 'stopped-subscriber',
  title: `1 KiB, ${PUBLISHERS} publishers at a steady rate to ${SUBSCRIBERS} subscribers, one of them stopped for a while`,
  metrics: METRICS,
  peers: ['ringbus', 'nats', 'redis'],
  references: [],
  isLong: true,
  samplesMax: 3,
  measure(peer, options) {
    return withServer(peer, { ...options, holding: 'shipped' }, async (server) => {
      const parties = new Parties(server, options)
      try {
        await parties.connect(peer)
        return await parties.run(phasesOf(options))
      } finally {
        await parties.close()
      }
    })
  },
}
