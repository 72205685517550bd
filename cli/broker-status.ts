import type { OverflowPolicy } from '../client/index.js'
import type { Bus } from './bus.js'

/** Payloads and deliveries by ring since the broker started, and the segments that there are now. */
export interface RingStats {
  readonly offered: boolean
  readonly committed: number
  readonly delivered: number
  readonly inlined: number
  readonly copiedOut: number
  readonly abandoned: number
  readonly declined: number
  readonly segments: number
  readonly segmentBytes: number
  readonly reservedBytes: number
  readonly copiedBytes: number
}

/** Who keeps processors busy so that messages find them awake: the broker, and event loops of clients. */
export interface PollingStats {
  readonly busyPollUs: 'auto' | number
  /** Whether the broker polls after traffic at the moment. */
  readonly polls: boolean
  /** Turns of its event loop that polling has added. */
  readonly turns: number
  readonly processors: number
  /** For clients with low latency: how many there are, are taken, and are waited for. */
  readonly places: number
  readonly placesTaken: number
  readonly placesWanted: number
}

/** Messages that were matched and not handled, by what became of them. */
export interface DropCounts {
  /** Their time was over. */
  readonly expired: number
  /** There was no room: the oldest went, the newest, or those that a newer one of their topic replaced. */
  readonly oldest: number
  readonly newest: number
  readonly replaced: number
  /** The client cannot be sent them. */
  readonly unsendable: number
  /** They reached the client, and nobody there handled them. */
  readonly discarded: number
  /** They were queued, or on their way, when the subscription or its client ended. */
  readonly ended: number
  readonly lost: number
}

/** Where the messages are that matched: matched = handled + the sum of droppedBy + queued + inFlight. */
export interface DeliveryCounts {
  readonly matched: number
  readonly handled: number
  readonly droppedBy: DropCounts
  readonly queued: number
  readonly inFlight: number
}

/** What the broker answers on `$SYS.stats`. */
/** Pairs of rings that carry streams in place of sockets. */
export interface PairStats {
  readonly count: number
  /** Those that have taken over. */
  readonly used: number
  /** Memory of all. */
  readonly bytes: number
}

export interface BrokerStats {
  readonly version: string
  readonly pid: number
  readonly uptimeMs: number
  readonly clients: number
  readonly subscriptions: number
  readonly services: number
  readonly topics: number
  readonly messagesRouted: number
  readonly messagesUnmatched: number
  /** Of all subscriptions that there were since the start. */
  readonly deliveries: DeliveryCounts
  readonly queuedBytes: number
  readonly pausedTopics: number
  readonly retained: { readonly messages: number; readonly bytes: number }
  readonly requestsRouted: number
  readonly requestsInFlight: number
  readonly clientsRefused: number
  readonly rings: RingStats
  readonly pairs: PairStats
  readonly polling: PollingStats
  readonly memory: { readonly rss: number; readonly heapUsed: number; readonly external: number }
  readonly processor: { readonly userMicros: number; readonly systemMicros: number }
}

interface OwnedRow {
  readonly client: number
  readonly name: string
  readonly pid: number
  readonly uid: number | null
}

export interface ClientRow extends OwnedRow {
  readonly connectedAtMs: number
  readonly subscriptions: number
  readonly services: number
  readonly requestsInFlight: number
  readonly messagesReceived: number
  readonly messagesSent: number
  readonly unreadBytes: number
  readonly congested: boolean
  /** Topics on which it may not publish for now. */
  readonly pausedTopics: number
  readonly latency: 'normal' | 'low'
  /** Whether it may poll. */
  readonly polls: boolean
  /** Whether its stream goes through shared memory. */
  readonly pair: boolean
  /** Null: it has never had to do with rings. */
  readonly rings: {
    readonly owned: number
    readonly attached: number
    readonly leases: number
    readonly leasedBytes: number
    readonly heldBytes: number
  } | null
}

/** A segment of shared memory: the ring of one client, which others read. */
export interface RingRow {
  readonly segment: number
  /** Its owner; null when that is gone. */
  readonly client: number | null
  readonly uid: number
  readonly state: string
  readonly abandoned: boolean
  readonly bytes: number
  readonly records: number
  readonly occupiedBytes: number
  readonly readers: number
}

/** A subscription, with the same sum as all of them have. Times are since 1970. */
export interface SubscriptionRow extends OwnedRow, DeliveryCounts {
  readonly subscription: number
  readonly pattern: string
  readonly group: string | null
  readonly state: 'active' | 'draining' | 'ended'
  readonly overflow: OverflowPolicy
  readonly backlogBytesMax: number
  readonly backlogMessagesMax: number
  readonly dropped: number
  readonly queuedBytes: number
  readonly creditBytes: number
  /** Null: it is not slow, or does not hold publishers up. */
  readonly slowSinceMs: number | null
  readonly blockingSinceMs: number | null
}

export interface ServiceRow extends OwnedRow {
  readonly service: number
  readonly pattern: string
  readonly concurrency: number
  readonly inFlight: number
  readonly held: number
  readonly handled: number
}

export interface TopicRow {
  readonly topic: string
  readonly publishers: number
  readonly subscribers: number
  /** Null: its publishers are not paused. */
  readonly pausedSinceMs: number | null
  readonly pausedPublishers: number
  /** Null: no message is kept. */
  readonly retainedBytes: number | null
  /** From the call of `publish` to that of the handler, of a sample of the messages; null: there is none. */
  readonly latency: {
    readonly samples: number
    readonly p50Micros: number
    readonly p99Micros: number
    readonly maxMicros: number
  } | null
}

/** All that the broker says about itself. */
export interface BrokerStatus {
  /** When it was asked, since 1970: for how long something has lasted follows from it. */
  readonly takenAtMs: number
  readonly stats: BrokerStats
  readonly clients: readonly ClientRow[]
  readonly subscriptions: readonly SubscriptionRow[]
  readonly services: readonly ServiceRow[]
  readonly topics: readonly TopicRow[]
  readonly rings: readonly RingRow[]
}

/** Asks for everything at once, so that the parts belong to about the same moment. */
export async function readStatus(bus: Bus): Promise<BrokerStatus> {
  const takenAtMs = Date.now()
  const [stats, clients, subscriptions, services, topics, rings] = await Promise.all([
    bus.request('$SYS.stats', {}),
    allRows<ClientRow>(bus, '$SYS.clients'),
    readSubscriptions(bus),
    allRows<ServiceRow>(bus, '$SYS.services'),
    allRows<TopicRow>(bus, '$SYS.topics'),
    allRows<RingRow>(bus, '$SYS.rings'),
  ])
  return { takenAtMs, stats: stats.data as BrokerStats, clients, subscriptions, services, topics, rings }
}

export async function readPolling(bus: Bus): Promise<PollingStats> {
  return ((await bus.request('$SYS.stats')).data as BrokerStats).polling
}

export function readSubscriptions(bus: Bus): Promise<SubscriptionRow[]> {
  return allRows<SubscriptionRow>(bus, '$SYS.subscriptions')
}

/** One answer carries a bounded number of rows; this asks until there are no more. */
async function allRows<Row>(bus: Bus, topic: string): Promise<Row[]> {
  const rows: Row[] = []
  for (;;) {
    const answer = await bus.request(topic, { offset: rows.length })
    const page = answer.data as { total: number; rows: Row[] }
    rows.push(...page.rows)
    if (page.rows.length === 0 || rows.length >= page.total) return rows
  }
}
