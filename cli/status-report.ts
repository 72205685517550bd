import type { BrokerStatus, ClientRow, ServiceRow, SubscriptionRow } from './broker-status.js'
import { type Cell, tableLines } from './table.js'

/** Rows of each table that people get; the slow ones come first. `--json` has them all. */
const ROWS_SHOWN_MAX = 50

const KIB = 1024

/** A status for people: totals, then who is connected, with what, and what is slow about it. */
export function statusReport(status: BrokerStatus): string {
  const sections = [
    totals(status),
    section(
      'Clients',
      ['client', 'name', 'pid', 'subscriptions', 'services', 'requests', 'received', 'sent', 'slow'],
      rank(status.clients, (row) => row.unreadBytes + (row.congested ? 1 : 0)).map(clientCells),
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
    `Clients refused: ${stats.clientsRefused}`,
    '',
  ].join('\n')
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
  const slow = [
    row.congested ? 'does not read its socket' : '',
    row.unreadBytes > 0 ? `${bytes(row.unreadBytes)} of replies unread` : '',
  ]
  const counts = [subscriptions, services, requestsInFlight, messagesReceived, messagesSent]
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

function reasons(found: readonly string[]): string {
  return found.filter((reason) => reason !== '').join(', ')
}

function bytes(count: number): string {
  if (count < KIB) return `${count} B`
  if (count < KIB * KIB) return `${(count / KIB).toFixed(1)} KiB`
  return `${(count / KIB / KIB).toFixed(1)} MiB`
}
