import type {
  BrokerStatus,
  ClientRow,
  RingRow,
  RingStats,
  ServiceRow,
  SubscriptionRow,
} from './broker-status.js'
import { type Cell, tableLines } from './table.js'

/** Rows of each table that people get; the slow ones come first. `--json` has them all. */
const ROWS_SHOWN_MAX = 50

const KIB = 1024

/** A ring that is fuller makes its publisher wait before long. */
const NEARLY_FULL_SHARE = 0.75

/** A status for people: totals, then who is connected, with what, and what is slow about it. */
export function statusReport(status: BrokerStatus): string {
  const sections = [
    totals(status),
    section(
      'Clients',
      [
        'client',
        'name',
        'pid',
        'subscriptions',
        'services',
        'requests',
        'received',
        'sent',
        'leases',
        'slow',
      ],
      rank(
        status.clients,
        (row) => row.unreadBytes + (row.rings?.heldBytes ?? 0) + (row.congested ? 1 : 0),
      ).map(clientCells),
      status.clients.length,
    ),
    section(
      'Subscriptions',
      [
        'pattern',
        'group',
        'client',
        'name',
        'matched',
        'handled',
        'dropped',
        'expired',
        'queued',
        'in flight',
        'slow',
      ],
      rank(status.subscriptions, (row) => row.dropped + row.queued).map(subscriptionCells),
      status.subscriptions.length,
    ),
    section(
      'Services',
      ['pattern', 'client', 'name', 'concurrency', 'in flight', 'waiting', 'handled', 'slow'],
      rank(status.services, (row) => row.held).map(serviceCells),
      status.services.length,
    ),
    section(
      'Rings',
      ['ring', 'client', 'state', 'size', 'payloads', 'occupied', 'readers', 'slow'],
      rank(status.rings, occupiedShare).map(ringCells),
      status.rings.length,
    ),
  ]
  return sections.join('\n')
}

function totals({ stats }: BrokerStatus): string {
  const { messagesRouted, messagesUnmatched, messagesDropped, requestsRouted, requestsInFlight } = stats
  const seconds = Math.round(stats.uptimeMs / 1000)
  return [
    `Broker ${stats.version}, process ${stats.pid}, up ${seconds} s, ${bytes(stats.memory.rss)} resident`,
    `Messages: ${messagesRouted} routed, ${messagesUnmatched} matched nobody, ${messagesDropped} dropped on full backlogs`,
    `Requests: ${requestsRouted} routed, ${requestsInFlight} in flight`,
    ringTotals(stats.rings),
    `Clients refused: ${stats.clientsRefused}`,
    '',
  ].join('\n')
}

function ringTotals(rings: RingStats): string {
  if (!rings.offered) return 'Large payloads: all by socket, for the broker offers no rings'
  const { delivered, inlined, copiedOut, segments, segmentBytes, reservedBytes } = rings
  const copied = copiedOut === 0 ? '' : `, ${copiedOut} copied out of rings that they held up`
  const memory = `${segments} of ${bytes(segmentBytes)}, ${bytes(reservedBytes)} reserved`
  return `Large payloads: ${delivered} read from rings, ${inlined} sent by socket instead${copied}\nRings: ${memory}`
}

function section(
  title: string,
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  total: number,
): string {
  if (total === 0) return `${title}: none\n`
  const shown = rows.length < total ? `, ${rows.length} shown` : ''
  return [`${title}: ${total}${shown}`, ...tableLines(headings, rows).map((line) => `  ${line}`), ''].join(
    '\n',
  )
}

/** The first rows of a table, those that lag most before the others. */
function rank<Row>(rows: readonly Row[], lag: (row: Row) => number): Row[] {
  return [...rows].sort((one, other) => lag(other) - lag(one)).slice(0, ROWS_SHOWN_MAX)
}

function clientCells(row: ClientRow): Cell[] {
  const { client, name, pid, subscriptions, services, requestsInFlight, messagesReceived, messagesSent } = row
  const { leases, heldBytes } = row.rings ?? { leases: 0, heldBytes: 0 }
  const slow = [
    row.congested ? 'does not read its socket' : '',
    row.unreadBytes > 0 ? `${bytes(row.unreadBytes)} of replies unread` : '',
    heldBytes > 0 ? `holds on to ${bytes(heldBytes)} of rings that were given up` : '',
  ]
  const counts = [subscriptions, services, requestsInFlight, messagesReceived, messagesSent, leases]
  return [client, name, pid, ...counts, reasons(slow)]
}

function subscriptionCells(row: SubscriptionRow): Cell[] {
  const { pattern, group, client, name, matched, handled, dropped, expired, queued, inFlight } = row
  const slow = [
    dropped > 0 ? `dropped ${dropped}` : '',
    queued > 0 ? `${bytes(row.queuedBytes)} behind` : '',
    row.creditBytes <= 0 ? 'its handlers are busy' : '',
  ]
  const counts = [matched, handled, dropped, expired, queued, inFlight]
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

function bytes(count: number): string {
  if (count < KIB) return `${count} B`
  if (count < KIB * KIB) return `${(count / KIB).toFixed(1)} KiB`
  return `${(count / KIB / KIB).toFixed(1)} MiB`
}
