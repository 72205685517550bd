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

/** What the broker answers on `$SYS.stats`. */
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
  readonly messagesDropped: number
  readonly requestsRouted: number
  readonly requestsInFlight: number
  readonly clientsRefused: number
  readonly rings: RingStats
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

export interface SubscriptionRow extends OwnedRow {
  readonly subscription: number
  readonly pattern: string
  readonly group: string | null
  readonly matched: number
  readonly handled: number
  readonly dropped: number
  readonly expired: number
  readonly queued: number
  readonly queuedBytes: number
  readonly inFlight: number
  readonly creditBytes: number
}

export interface ServiceRow extends OwnedRow {
  readonly service: number
  readonly pattern: string
  readonly concurrency: number
  readonly inFlight: number
  readonly held: number
  readonly handled: number
}

/** All that the broker says about itself. */
export interface BrokerStatus {
  readonly stats: BrokerStats
  readonly clients: readonly ClientRow[]
  readonly subscriptions: readonly SubscriptionRow[]
  readonly services: readonly ServiceRow[]
  readonly rings: readonly RingRow[]
}

/** Asks for everything at once, so that the parts belong to about the same moment. */
export async function readStatus(bus: Bus): Promise<BrokerStatus> {
  const [stats, clients, subscriptions, services, rings] = await Promise.all([
    bus.request('$SYS.stats', {}),
    allRows<ClientRow>(bus, '$SYS.clients'),
    allRows<SubscriptionRow>(bus, '$SYS.subscriptions'),
    allRows<ServiceRow>(bus, '$SYS.services'),
    allRows<RingRow>(bus, '$SYS.rings'),
  ])
  return { stats: stats.data as BrokerStats, clients, subscriptions, services, rings }
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
