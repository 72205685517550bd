import type { BrokerStatus, DeliveryCounts, PairStats, PollingStats, RingStats } from './broker-status.js'
import { bytes, counted, duration } from './quantities.js'
import { dropReasons, slowReport } from './slow-report.js'
import { statusTables } from './status-tables.js'

/** A status for people: what is behind, totals, then who is connected, with what, and what is slow about it. */
export function statusReport(status: BrokerStatus): string {
  const sections = [headline(status), slowReport(status), totals(status), ...statusTables(status)]
  return sections.filter((section) => section !== '').join('\n')
}

function headline({ stats }: BrokerStatus): string {
  const { version, pid, uptimeMs, memory } = stats
  return `Broker ${version}, process ${pid}, up ${duration(uptimeMs)}, ${bytes(memory.rss)} resident\n`
}

function totals({ stats }: BrokerStatus): string {
  const { messagesRouted, messagesUnmatched, deliveries, retained, requestsRouted, requestsInFlight } = stats
  return [
    `Messages: ${messagesRouted} routed, ${messagesUnmatched} matched nobody; ${counted(retained.messages, 'message')} of ${bytes(retained.bytes)} retained`,
    ...deliveryTotals(deliveries),
    `Queued: ${bytes(stats.queuedBytes)} for all subscriptions; ${counted(stats.pausedTopics, 'topic')} paused`,
    `Requests: ${requestsRouted} routed, ${requestsInFlight} in flight`,
    ringTotals(stats.rings),
    pairTotals(stats.pairs),
    pollingTotals(stats.polling),
    `Clients refused: ${stats.clientsRefused}`,
    '',
  ].join('\n')
}

/** Each number was counted where it happened; a sum that is none would be a fault of the broker, and shall be seen. */
function deliveryTotals({ matched, handled, droppedBy, queued, inFlight }: DeliveryCounts): string[] {
  const dropped = Object.values(droppedBy).reduce((sum, count) => sum + count, 0)
  const relation = matched === handled + dropped + queued + inFlight ? '=' : '≠'
  const sum = `${handled} handled + ${dropped} dropped + ${queued} queued + ${inFlight} in flight`
  const line = `Deliveries: ${matched} matched ${relation} ${sum}`
  return dropped === 0 ? [line] : [line, `Dropped: ${dropReasons(droppedBy)}`]
}

function ringTotals(rings: RingStats): string {
  if (!rings.offered) return 'Large payloads: all by socket, for the broker offers no rings'
  const { delivered, inlined, copiedOut, segments, segmentBytes, reservedBytes } = rings
  const copied = copiedOut === 0 ? '' : `, ${copiedOut} copied out of rings that they held up`
  const memory = `${segments} of ${bytes(segmentBytes)}, ${bytes(reservedBytes)} reserved`
  return `Large payloads: ${delivered} read from rings, ${inlined} sent by socket instead${copied}\nRings: ${memory}`
}

function pairTotals({ used, bytes: memory }: PairStats): string {
  return `Streams in shared memory: those of ${counted(used, 'client')}, ${bytes(memory)}`
}

function pollingTotals({ busyPollUs, polls, processors, ...clients }: PollingStats): string {
  const broker =
    processors === 1
      ? 'nobody, for there is one processor'
      : busyPollUs === 0
        ? 'the broker never does'
        : `the broker ${polls ? 'does' : 'does not for now'} (${busyPollUs === 'auto' ? 'auto' : `${busyPollUs} µs`})`
  const { places, placesTaken, placesWanted } = clients
  const waiting = placesWanted === 0 ? '' : `, ${placesWanted} more would like one`
  return `Polling: ${broker}; ${placesTaken} of ${counted(places, 'place')} for clients taken${waiting}`
}
