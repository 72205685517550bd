import type {
  BrokerStats,
  BrokerStatus,
  ClientRow,
  DropCounts,
  SubscriptionRow,
  TopicRow,
} from '../../cli/broker-status.js'

/** When the statuses of the tests were taken. */
export const NOW_MS = 1_800_000_000_000

export const NO_DROPS: DropCounts = {
  expired: 0,
  oldest: 0,
  newest: 0,
  replaced: 0,
  unsendable: 0,
  discarded: 0,
  ended: 0,
  lost: 0,
}

/** A status of a broker where nothing happens, but for what is given. */
export function statusOf(rows: Partial<BrokerStatus>, stats: Partial<BrokerStats> = {}): BrokerStatus {
  return {
    takenAtMs: NOW_MS,
    stats: { ...IDLE, ...stats },
    clients: [],
    subscriptions: [],
    services: [],
    topics: [],
    rings: [],
    ...rows,
  }
}

export function clientRow(row: Partial<ClientRow>): ClientRow {
  return {
    client: 3,
    name: 'analytics',
    pid: 4711,
    uid: 1000,
    connectedAtMs: NOW_MS - 60_000,
    subscriptions: 1,
    services: 0,
    requestsInFlight: 0,
    messagesReceived: 0,
    messagesSent: 0,
    unreadBytes: 0,
    congested: false,
    pausedTopics: 0,
    latency: 'normal',
    polls: false,
    pair: false,
    rings: null,
    ...row,
  }
}

export function subscriptionRow(row: Partial<SubscriptionRow>): SubscriptionRow {
  return {
    client: 3,
    name: 'analytics',
    pid: 4711,
    uid: 1000,
    subscription: 2,
    pattern: 'prices.>',
    group: null,
    state: 'active',
    overflow: 'block',
    backlogBytesMax: 8 * 1024 * 1024,
    backlogMessagesMax: 1_000_000,
    matched: 0,
    handled: 0,
    dropped: 0,
    droppedBy: NO_DROPS,
    queued: 0,
    queuedBytes: 0,
    inFlight: 0,
    creditBytes: 256 * 1024,
    slowSinceMs: null,
    blockingSinceMs: null,
    ...row,
  }
}

export function topicRow(row: Partial<TopicRow>): TopicRow {
  return {
    topic: 'prices.eur',
    publishers: 1,
    subscribers: 1,
    pausedSinceMs: null,
    pausedPublishers: 0,
    retainedBytes: null,
    latency: null,
    ...row,
  }
}

const IDLE: BrokerStats = {
  version: '1.2.3',
  pid: 4242,
  uptimeMs: 7_500_000,
  clients: 0,
  subscriptions: 0,
  services: 0,
  topics: 0,
  messagesRouted: 0,
  messagesUnmatched: 0,
  deliveries: { matched: 0, handled: 0, droppedBy: NO_DROPS, queued: 0, inFlight: 0 },
  queuedBytes: 0,
  pausedTopics: 0,
  retained: { messages: 0, bytes: 0 },
  requestsRouted: 0,
  requestsInFlight: 0,
  clientsRefused: 0,
  rings: {
    offered: false,
    committed: 0,
    delivered: 0,
    inlined: 0,
    copiedOut: 0,
    abandoned: 0,
    declined: 0,
    segments: 0,
    segmentBytes: 0,
    reservedBytes: 0,
    copiedBytes: 0,
  },
  pairs: { count: 0, used: 0, bytes: 0 },
  polling: {
    busyPollUs: 'auto',
    polls: false,
    turns: 0,
    processors: 2,
    places: 1,
    placesTaken: 0,
    placesWanted: 0,
  },
  memory: { rss: 64 * 1024 * 1024, heapUsed: 0, external: 0 },
  processor: { userMicros: 0, systemMicros: 0 },
}
