import { setTimeout as delay } from 'node:timers/promises'
import type { RingbusClient } from '../../client/index.js'

/** What became of deliveries, each count kept where it happens. */
interface Counts {
  readonly matched: number
  readonly handled: number
  readonly droppedBy: Readonly<Record<string, number>>
  readonly queued: number
  readonly inFlight: number
}

/** A row of $SYS.subscriptions. */
export interface SubscriptionRow extends Counts {
  readonly client: number
  readonly name: string
  readonly subscription: number
  readonly pattern: string
  readonly overflow: string
  readonly state: 'active' | 'draining' | 'ended'
  readonly dropped: number
  readonly queuedBytes: number
  readonly slowSinceMs: number | null
  readonly blockingSinceMs: number | null
}

/** Part of the answer of $SYS.stats. */
export interface Stats {
  readonly deliveries: Counts
  readonly queuedBytes: number
  readonly pausedTopics: number
  readonly messagesRouted: number
  readonly memory: { readonly rss: number }
}

/** A row of $SYS.topics. */
export interface TopicRow {
  readonly topic: string
  readonly pausedSinceMs: number | null
  readonly pausedPublishers: number
}

export async function subscriptionRows(bus: RingbusClient): Promise<SubscriptionRow[]> {
  return (await bus.request<{ rows: SubscriptionRow[] }>('$SYS.subscriptions', null, { timeout: 0 })).data
    .rows
}

/** The rows of one client, in the order of its subscriptions. */
export async function rowsOf(bus: RingbusClient, name: string): Promise<SubscriptionRow[]> {
  const rows = (await subscriptionRows(bus)).filter((row) => row.name === name)
  return rows.sort((a, b) => a.subscription - b.subscription)
}

export async function statsOf(bus: RingbusClient): Promise<Stats> {
  return (await bus.request<Stats>('$SYS.stats', null, { timeout: 0 })).data
}

export async function topicRow(bus: RingbusClient, topic: string): Promise<TopicRow | undefined> {
  const { rows } = (await bus.request<{ rows: TopicRow[] }>('$SYS.topics', null, { timeout: 0 })).data
  return rows.find((row) => row.topic === topic)
}

/** Resolves when the publishers of a topic are paused. */
export async function paused(bus: RingbusClient, topic: string): Promise<TopicRow> {
  for (;;) {
    const row = await topicRow(bus, topic)
    if (row !== undefined && row.pausedSinceMs !== null) return row
    await delay(2)
  }
}

export function droppedOf({ droppedBy }: Counts): number {
  return Object.values(droppedBy).reduce((sum, count) => sum + count, 0)
}

/** What does not add up; undefined: everything does. */
export function imbalanceOf(counts: Counts): string | undefined {
  const { matched, handled, queued, inFlight } = counts
  const rest = matched - handled - droppedOf(counts) - queued - inFlight
  return rest === 0 ? undefined : `${rest} of ${JSON.stringify(counts)}`
}

const LOOK_INTERVAL_MS = 5

/** Looks again and again whether the broker's counts add up, and how much memory it has. */
export class Audit {
  /** The first of what did not add up. */
  readonly faults: string[] = []
  looks = 0
  rssMax = 0
  /** The most that was queued for one subscription of each policy. */
  readonly queuedBytesMax: Record<string, number> = {}
  readonly #bus: RingbusClient
  #isOver = false
  #running: Promise<void> | undefined

  constructor(bus: RingbusClient) {
    this.#bus = bus
  }

  begin(): void {
    this.#running = this.#run()
    // `end` tells.
    this.#running.catch(() => undefined)
  }

  async end(): Promise<void> {
    this.#isOver = true
    await this.#running
    await this.#look()
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      await this.#look()
      await delay(LOOK_INTERVAL_MS)
    }
  }

  async #look(): Promise<void> {
    const [rows, stats] = await Promise.all([subscriptionRows(this.#bus), statsOf(this.#bus)])
    this.looks += 1
    this.rssMax = Math.max(this.rssMax, stats.memory.rss)
    for (const { overflow, queuedBytes } of rows) {
      this.queuedBytesMax[overflow] = Math.max(this.queuedBytesMax[overflow] ?? 0, queuedBytes)
    }
    const faults = [...rows.map(faultOf), imbalanceOf(stats.deliveries)]
    for (const fault of faults) if (fault !== undefined && this.faults.length < 10) this.faults.push(fault)
  }
}

function faultOf(row: SubscriptionRow): string | undefined {
  if (row.dropped !== droppedOf(row)) return `dropped is not the sum: ${JSON.stringify(row)}`
  return imbalanceOf(row)
}
