import { patternMatches } from '../client/index.js'
import type { BrokerStatus, DropCounts, SubscriptionRow, TopicRow } from './broker-status.js'
import { escapeControls } from './escape-controls.js'
import { counted, duration, filling } from './quantities.js'

/** Subscriptions that people get told of, the worst first. `--json` has them all. */
const SUBSCRIPTIONS_SHOWN_MAX = 20

/** Topics named of those that one subscription holds up, the longest first. */
const TOPICS_SHOWN_MAX = 5

/** A backlog that is fuller than this loses messages, or holds publishers up, before long. */
const NEARLY_FULL_SHARE = 0.75

/**
 * What an incident asks first: whose subscription is behind, since when, by how much, what it has lost, and who waits
 * for it. Empty when none is.
 */
export function slowReport(status: BrokerStatus): string {
  const found = subscriptionsBehind(status.subscriptions)
  if (found.length === 0) return ''
  const paused = status.topics.filter((row) => row.pausedSinceMs !== null).sort(longestFirst)
  const shown = found.slice(0, SUBSCRIPTIONS_SHOWN_MAX)
  const rest = found.length - shown.length
  return [
    `Slow or blocking: ${counted(found.length, 'subscription')}${rest > 0 ? `, ${shown.length} shown` : ''}`,
    ...shown.flatMap((row) => [`  ${whose(row)}`, ...findings(row, paused, status).map(indented)]),
    '',
  ].join('\n')
}

/** Those that are slow, or hold publishers up, or are about to; the worst first. */
export function subscriptionsBehind(rows: readonly SubscriptionRow[]): SubscriptionRow[] {
  return rows.filter(isBehind).sort(worstFirst)
}

/** Slow or blocking by the broker's word, or about to lose messages by its policy. */
function isBehind(row: SubscriptionRow): boolean {
  return row.slowSinceMs !== null || row.blockingSinceMs !== null || fillShare(row) > NEARLY_FULL_SHARE
}

/** Those that hold others up first, then those that lose, each by how long they have. */
function worstFirst(one: SubscriptionRow, other: SubscriptionRow): number {
  return (
    since(one.blockingSinceMs) - since(other.blockingSinceMs) ||
    since(one.slowSinceMs) - since(other.slowSinceMs) ||
    fillShare(other) - fillShare(one)
  )
}

function longestFirst(one: TopicRow, other: TopicRow): number {
  return since(one.pausedSinceMs) - since(other.pausedSinceMs)
}

/** What has not begun sorts behind everything that has; a number that can be subtracted from itself. */
function since(timeMs: number | null): number {
  return timeMs ?? Number.MAX_SAFE_INTEGER
}

/** How full its backlog is, by the limit that is nearer. */
function fillShare(row: SubscriptionRow): number {
  return Math.max(row.queuedBytes / row.backlogBytesMax, row.queued / row.backlogMessagesMax)
}

/** Which process has it, and which subscription it is. */
export function whose(row: SubscriptionRow): string {
  const name = row.name === '' ? 'without a name' : escapeControls(row.name)
  const account = row.uid === null ? '' : `, uid ${row.uid}`
  const group = row.group === null ? '' : ` in group ${escapeControls(row.group)}`
  return `${name} (pid ${row.pid}${account}, client ${row.client}): subscription ${row.subscription} to ${row.pattern}${group}, overflow ${row.overflow}`
}

function findings(row: SubscriptionRow, paused: readonly TopicRow[], status: BrokerStatus): string[] {
  const { blockingSinceMs, slowSinceMs, queued, queuedBytes, inFlight } = row
  const ofLimits = `${counted(queued, 'message')} of ${row.backlogMessagesMax}, ${filling(queuedBytes, row.backlogBytesMax)}`
  const lines = [`holds     ${ofLimits}; ${inFlight} in flight, ${whyBehind(row, status)}`]
  if (slowSinceMs !== null)
    lines.unshift(`slow      for ${duration(status.takenAtMs - slowSinceMs)}: ${lossOf(row)}`)
  else if (blockingSinceMs === null && row.overflow !== 'block')
    lines.unshift(`full      or nearly so: ${lossOf(row)}`)
  if (blockingSinceMs !== null)
    lines.unshift(`blocking  for ${duration(status.takenAtMs - blockingSinceMs)}${held(row, paused, status)}`)
  if (row.dropped > 0) lines.push(`dropped   ${row.dropped} so far: ${dropReasons(row.droppedBy)}`)
  return lines
}

/** Who waits for a blocking subscription: the publishers of each paused topic that it matches. */
function held(row: SubscriptionRow, paused: readonly TopicRow[], { takenAtMs }: BrokerStatus): string {
  const topics = paused.filter(({ topic }) => patternMatches(row.pattern, topic))
  if (topics.length === 0) return ': no publisher has to wait yet'
  const publishers = topics.reduce((sum, topic) => sum + topic.pausedPublishers, 0)
  const named = topics
    .slice(0, TOPICS_SHOWN_MAX)
    .map(
      (topic) =>
        `${topic.topic} (${topic.pausedPublishers}, for ${duration(takenAtMs - topic.pausedSinceMs!)})`,
    )
  const more = topics.length > named.length ? `, and ${topics.length - named.length} more` : ''
  return `: ${counted(publishers, 'publisher waits', 'publishers wait')} on ${counted(topics.length, 'topic')}: ${named.join(', ')}${more}`
}

/** What its overflow does to its messages, in words. */
function lossOf({ overflow }: SubscriptionRow): string {
  if (overflow === 'drop-newest') return 'new messages are dropped while there is no room'
  if (overflow === 'disconnect') return 'its client loses its connection when there is no room'
  return 'the oldest messages are dropped where there is no room'
}

/** As far as the broker can see what its client does. */
function whyBehind(row: SubscriptionRow, { clients }: BrokerStatus): string {
  const client = clients.find((found) => found.client === row.client)
  if (client?.congested === true) return 'and the process does not read its socket'
  if (row.creditBytes <= 0) return 'and its handlers are busy, or it is stopped'
  return 'and it takes more'
}

/** Reasons that there are, with their numbers. */
export function dropReasons(droppedBy: DropCounts): string {
  return Object.entries(droppedBy)
    .filter(([, count]) => count > 0)
    .sort(([, one], [, other]) => other - one)
    .map(([reason, count]) => `${count} ${reason}`)
    .join(', ')
}

function indented(line: string): string {
  return `    ${line}`
}
