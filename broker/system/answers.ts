import {
  Encoding,
  Flag,
  Kind,
  messageFrame,
  Offset,
  packValue,
  readU32,
  unpackValue,
} from '../../protocol/index.js'
import { describePeer, type Hub } from '../hub.js'
import type { Peer } from '../peers/peer.js'
import { Service } from '../requests/service.js'
import { Subscription } from '../routing/subscription.js'
import { BROKER_VERSION } from '../version.js'
import { retained, topic, topics } from './topic-rows.js'

/** A request to one of the broker's own topics. */
export interface SystemRequest {
  readonly peer: Peer
  readonly requestId: number
  readonly priority: number
  readonly topic: string
  readonly streams: boolean
  readonly payload: Buffer
}

/** Rows of a list that one answer carries, unless the request asks for fewer: {limit, offset}. */
const ROWS_MAX = 10_000

type Row = Record<string, unknown>

/** What the broker answers about itself, by topic. */
const ANSWERS: Record<string, (hub: Hub, rows: Page) => unknown> = {
  '$SYS.ping': () => ({ pong: true }),
  '$SYS.stats': (hub) => stats(hub),
  '$SYS.clients': (hub, page) => page.of(hub.peers.values(), (peer) => client(hub, peer)),
  '$SYS.subscriptions': (hub, page) => page.of(subscriptions(hub), (found) => subscription(hub, found)),
  '$SYS.services': (hub, page) => page.of(services(hub), (found) => service(hub, found)),
  '$SYS.topics': (hub, page) => page.of(topics(hub), (name) => topic(hub, name)),
  '$SYS.retained': (hub, page) => page.of(hub.retained.routes(), retained),
  '$SYS.rings': (hub, page) => page.of(hub.rings.segments, (segment) => segment.describe()),
}

export function answerSystemRequest(hub: Hub, request: SystemRequest): void {
  const { peer, requestId, priority, topic } = request
  const answer = Object.hasOwn(ANSWERS, topic) ? ANSWERS[topic] : undefined
  if (answer === undefined) {
    const known = Object.keys(ANSWERS).join(', ')
    return hub.requests.sendFailure(
      peer,
      requestId,
      priority,
      'NO_RESPONDERS',
      `The broker answers ${known}, not "${topic}"`,
    )
  }
  const payload = packValue(answer(hub, new Page(request.payload)))
  const head = { kind: Kind.REPLY, id: requestId, priority }
  const reply = (frame: Buffer) => peer.outbox.reply(priority, frame, 0, readU32(frame, Offset.LENGTH))
  const flags = request.streams ? Flag.STREAM : 0
  reply(messageFrame({ ...head, flags, encoding: Encoding.MSGPACK }, payload))
  // Whoever asked for a stream gets one of a single part. [REQUEST-5]
  if (request.streams) reply(messageFrame(head, ''))
}

/** Which rows of a list are asked for. */
class Page {
  readonly #limit: number
  readonly #offset: number

  /** A payload that asks for nothing sensible gets the first rows. */
  constructor(payload: Buffer) {
    const wish = wishOf(payload)
    this.#limit = Math.min(naturalNumber(wish['limit'], ROWS_MAX), ROWS_MAX)
    this.#offset = naturalNumber(wish['offset'], 0)
  }

  of<Item>(items: Iterable<Item>, describe: (item: Item) => Row): { total: number; rows: Row[] } {
    const rows: Row[] = []
    let total = 0
    for (const item of items) {
      if (total >= this.#offset && rows.length < this.#limit) rows.push(describe(item))
      total += 1
    }
    return { total, rows }
  }
}

function wishOf(payload: Buffer): Row {
  try {
    const value = payload.length === 0 ? {} : unpackValue(payload)
    return typeof value === 'object' && value !== null ? (value as Row) : {}
  } catch {
    return {}
  }
}

function naturalNumber(value: unknown, otherwise: number): number {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : otherwise
}

function stats(hub: Hub): Row {
  const { user, system } = process.cpuUsage()
  return {
    version: BROKER_VERSION,
    pid: process.pid,
    uptimeMs: Date.now() - hub.startedAtMs,
    clients: hub.peers.size,
    subscriptions: hub.router.subscriptionCount,
    services: hub.requests.serviceCount,
    topics: hub.router.topicCount,
    retained: {
      messages: hub.retained.messages,
      bytes: hub.retained.bytes,
      greetings: hub.greetings.count,
    },
    pausedTopics: hub.pauses.topicCount,
    messagesRouted: hub.router.messagesRouted,
    messagesUnmatched: hub.router.messagesUnmatched,
    messagesDropped: hub.overflow.counts.lostToOverflow,
    deliveries: deliveries(hub),
    queuedBytes: hub.overflow.gauges.queuedBytes,
    messagesDenied: hub.messagesDenied,
    requestsRouted: hub.requests.requestsRouted,
    requestsInFlight: hub.requests.requestsInFlight,
    clientsRefused: hub.faults,
    rings: rings(hub),
    pairs: hub.pairs.describe(),
    polling: hub.polling.describe(),
    memory: memory(),
    processor: { userMicros: user, systemMicros: system },
  }
}

/** Counts since the start, and what there is now; bytes of memory as the kernel counts them. */
function rings({ rings }: Hub): Row {
  return {
    offered: rings.isOffered,
    ...rings.counts,
    segments: rings.segmentCount,
    segmentBytes: rings.segmentBytes,
    reservedBytes: rings.reservedBytes,
    copiedBytes: rings.copiedBytes,
  }
}

function memory(): Row {
  try {
    const { rss, heapUsed, external } = process.memoryUsage()
    return { rss, heapUsed, external }
  } catch {
    // Node reads it from a file, and there may be no descriptor left: no reason to end.
    return {}
  }
}

function client(hub: Hub, peer: Peer): Row {
  return {
    ...describePeer(peer),
    connectedAtMs: peer.connectedAtMs,
    subscriptions: peer.subscriptionCount,
    services: peer.serviceCount,
    requestsInFlight: peer.requests.size,
    messagesReceived: peer.messagesReceived,
    messagesSent: peer.outbox.messagesSent,
    denials: peer.denials,
    pausedTopics: hub.pauses.pausedCountOf(peer),
    unreadBytes: peer.outbox.unreadBytes,
    congested: peer.outbox.congested,
    latency: peer.polling === undefined ? 'normal' : 'low',
    polls: peer.polling?.mayPoll ?? false,
    pair: peer.pair?.state === 'used',
    rings: peer.hasRings ? peer.rings.describe() : null,
  }
}

function* subscriptions(hub: Hub): Iterable<Subscription> {
  for (const peer of hub.peers.values()) {
    for (const consumer of peer.consumers.values()) if (consumer instanceof Subscription) yield consumer
    yield* peer.ended.values()
  }
}

function subscription(hub: Hub, found: Subscription): Row {
  const { limits, counts } = found
  return {
    ...owner(hub, found.owner.id),
    subscription: found.id,
    pattern: found.pattern,
    group: found.group ?? null,
    state: found.state,
    overflow: found.overflow,
    backlogBytesMax: limits.bytes,
    backlogMessagesMax: limits.messages,
    matched: counts.matched,
    handled: counts.handled,
    dropped: counts.dropped,
    droppedBy: { ...counts.drops },
    queued: found.queuedMessages,
    queuedBytes: found.queuedBytes,
    inFlight: found.inFlight,
    creditBytes: found.credit,
    slowSinceMs: found.slowSinceMs ?? null,
    blockingSinceMs: found.blockingSinceMs ?? null,
  }
}

/** What became of all deliveries since the start: matched = handled + dropped + queued + in flight. */
function deliveries({ overflow }: Hub): Row {
  const { counts, gauges } = overflow
  return {
    matched: counts.matched,
    handled: counts.handled,
    droppedBy: { ...counts.drops },
    queued: gauges.queued,
    inFlight: gauges.inFlight,
  }
}

function* services(hub: Hub): Iterable<Service> {
  for (const peer of hub.peers.values()) {
    for (const consumer of peer.consumers.values()) if (consumer instanceof Service) yield consumer
  }
}

function service(hub: Hub, found: Service): Row {
  return {
    ...owner(hub, found.owner.id),
    service: found.id,
    pattern: found.pattern,
    concurrency: found.concurrency,
    inFlight: found.links.size,
    held: hub.requests.heldFor(found.pattern),
    handled: found.handled,
  }
}

function owner(hub: Hub, id: number): Row {
  const peer = hub.peers.get(id)
  return peer === undefined ? { client: id } : describePeer(peer)
}
