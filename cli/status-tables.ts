import type {
  BrokerStatus,
  ClientRow,
  RingRow,
  ServiceRow,
  SubscriptionRow,
  TopicRow,
} from './broker-status.js'
import { bytes, counted, duration, latency } from './quantities.js'
import { dropReasons } from './slow-report.js'
import { type Cell, tableLines } from './table.js'

/** Rows of each table that people get; the slow ones come first. `--json` has them all. */
const ROWS_SHOWN_MAX = 50

/** A ring that is fuller makes its publisher wait before long. */
const NEARLY_FULL_SHARE = 0.75

/** Each table of a status, as a section that has a title and ends with a newline. */
export function statusTables(status: BrokerStatus): string[] {
  const { clients, subscriptions, services, rings, takenAtMs } = status
  const topics = status.topics.filter(isOfUsers)
  return [
    section(
      'Clients',
      'client, name, pid, subscriptions, services, requests, received, sent, leases, polls, slow',
      clients,
      worstFirst(clients, clientLag).map(clientCells),
    ),
    section(
      'Subscriptions',
      'pattern, group, client, name, matched, handled, dropped, queued, in flight, slow',
      subscriptions,
      worstFirst(subscriptions, (row) => row.dropped + row.queued).map(subscriptionCells),
    ),
    section(
      'Services',
      'pattern, client, name, concurrency, in flight, waiting, handled, slow',
      services,
      worstFirst(services, (row) => row.held).map(serviceCells),
    ),
    section(
      'Topics',
      'topic, publishers, subscribers, retained, samples, p50, p99, max, slow',
      topics,
      worstFirst(topics, pausedPublishers, tailLatency).map((row) => topicCells(row, takenAtMs)),
    ),
    section(
      'Rings',
      'ring, client, state, size, payloads, occupied, readers, slow',
      rings,
      worstFirst(rings, occupiedShare).map(ringCells),
    ),
  ]
}

function section(
  title: string,
  headings: string,
  { length }: readonly unknown[],
  shown: readonly (readonly Cell[])[],
): string {
  if (length === 0) return `${title}: none\n`
  const cut = shown.length < length ? `, ${shown.length} shown` : ''
  const lines = tableLines(headings.split(', '), shown).map((line) => `  ${line}`)
  return [`${title}: ${length}${cut}`, ...lines, ''].join('\n')
}

/** The first rows of a table, those that lag most before the others; each measure decides where those before it tie. */
function worstFirst<Row>(rows: readonly Row[], ...lags: readonly ((row: Row) => number)[]): Row[] {
  const compare = (one: Row, other: Row): number => {
    for (const lag of lags) {
      const difference = lag(other) - lag(one)
      if (difference !== 0) return difference
    }
    return 0
  }
  return [...rows].sort(compare).slice(0, ROWS_SHOWN_MAX)
}

function clientLag({ unreadBytes, rings, congested, pausedTopics }: ClientRow): number {
  return unreadBytes + (rings?.heldBytes ?? 0) + (congested ? 1 : 0) + pausedTopics
}

function clientCells(row: ClientRow): Cell[] {
  const { client, name, pid, subscriptions, services, requestsInFlight, messagesReceived, messagesSent } = row
  const { leases, heldBytes } = row.rings ?? { leases: 0, heldBytes: 0 }
  const slow = [
    row.congested ? 'does not read its socket' : '',
    row.pausedTopics > 0 ? `waits to publish on ${counted(row.pausedTopics, 'topic')}` : '',
    row.unreadBytes > 0 ? `${bytes(row.unreadBytes)} of replies unread` : '',
    heldBytes > 0 ? `holds on to ${bytes(heldBytes)} of rings that were given up` : '',
  ]
  const counts = [subscriptions, services, requestsInFlight, messagesReceived, messagesSent, leases]
  return [client, name, pid, ...counts, pollsCell(row), reasons(slow)]
}

function pollsCell({ latency, polls }: ClientRow): string {
  if (latency === 'normal') return ''
  return polls ? 'yes' : 'no place'
}

function subscriptionCells(row: SubscriptionRow): Cell[] {
  const { pattern, group, client, name, matched, handled, dropped, queued, inFlight } = row
  const slow = [
    row.state === 'active' ? '' : row.state,
    row.blockingSinceMs === null ? '' : 'blocking',
    row.slowSinceMs === null ? '' : 'slow',
    dropReasons(row.droppedBy),
    queued > 0 ? `${bytes(row.queuedBytes)} behind` : '',
    row.creditBytes <= 0 ? 'busy or stopped' : '',
  ]
  const counts = [matched, handled, dropped, queued, inFlight]
  return [pattern, group ?? '', client, name, ...counts, reasons(slow)]
}

function serviceCells(row: ServiceRow): Cell[] {
  const { pattern, client, name, concurrency, inFlight, held, handled } = row
  return [
    pattern,
    client,
    name,
    concurrency,
    inFlight,
    held,
    handled,
    reasons([held > 0 ? 'all are busy' : '']),
  ]
}

function topicCells(row: TopicRow, nowMs: number): Cell[] {
  const { topic, publishers, subscribers, pausedSinceMs, pausedPublishers, retainedBytes } = row
  const retained = retainedBytes === null ? '' : bytes(retainedBytes)
  const { p50Micros, p99Micros, maxMicros } = row.latency ?? {}
  const times = [p50Micros, p99Micros, maxMicros].map((micros) =>
    micros === undefined ? '' : latency(micros),
  )
  const slow =
    pausedSinceMs === null
      ? ''
      : `paused for ${duration(nowMs - pausedSinceMs)}: ${counted(pausedPublishers, 'publisher waits', 'publishers wait')}`
  return [topic, publishers, subscribers, retained, row.latency?.samples ?? 0, ...times, slow]
}

/** Not one of the broker's own: on those every status asks. */
function isOfUsers({ topic }: TopicRow): boolean {
  return !topic.startsWith('$')
}

function pausedPublishers(row: TopicRow): number {
  return row.pausedPublishers
}

function tailLatency({ latency }: TopicRow): number {
  return latency?.p99Micros ?? 0
}

function ringCells(row: RingRow): Cell[] {
  const { segment, client, state, records, occupiedBytes, readers, abandoned } = row
  const slow = [
    abandoned ? 'given up: a reader holds on to it' : '',
    occupiedShare(row) > NEARLY_FULL_SHARE ? 'nearly full' : '',
  ]
  return [
    segment,
    client ?? 'gone',
    state,
    bytes(row.bytes),
    records,
    bytes(occupiedBytes),
    readers,
    reasons(slow),
  ]
}

function occupiedShare({ occupiedBytes, bytes: ringBytes }: RingRow): number {
  return occupiedBytes / ringBytes
}

function reasons(found: readonly string[]): string {
  return found.filter((reason) => reason !== '').join(', ')
}
