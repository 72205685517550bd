import { randomBytes } from 'node:crypto'
import { type ErrorCode, Kind } from '../protocol/index.js'
import type { NativeHost } from '../shmring/index.js'
import type { Limits } from './config.js'
import type { FlushList, Outbox } from './egress/outbox.js'
import { TopicIds } from './egress/topic-ids.js'
import { Overflow } from './flow/overflow.js'
import { TopicPauses } from './flow/topic-pauses.js'
import type { Logger } from './logger.js'
import { PairTable } from './pairs/pair-table.js'
import type { Peer } from './peers/peer.js'
import { routeBehind } from './permissions/denied-route.js'
import type { Permissions } from './permissions/permissions.js'
import type { Action } from './permissions/rule.js'
import { Polling } from './polling/polling.js'
import { RequestRouter } from './requests/request-router.js'
import { Service } from './requests/service.js'
import { Greetings } from './retained/greetings.js'
import { type ReadRing, RetainedStore } from './retained/retained-store.js'
import { RingTable } from './rings/ring-table.js'
import { Router } from './routing/router.js'
import type { Subscription } from './routing/subscription.js'
import { SystemEvents } from './system/events.js'
import { PauseReports } from './system/pause-reports.js'
import { SlowReports } from './system/slow-reports.js'
import { TopicLatencies } from './system/topic-latencies.js'

/** How long topics that nobody publishes on may keep subscriptions alive that have ended. */
const FORGET_DELAY_MS = 1000

/**
 * What the broker's parts share: the tables of routing and requests, the clients, and the list of outboxes to
 * flush. Handlers change it, sessions drive it.
 */
export class Hub implements FlushList {
  readonly limits: Limits
  readonly log: Logger
  /** What clients are granted that greet from now on. */
  permissions: Permissions
  readonly topics = new TopicIds()
  /** What becomes of messages that cannot leave at once, and what became of all. */
  readonly overflow: Overflow
  /** Who must hold messages back meanwhile. */
  readonly pauses: TopicPauses
  readonly router: Router
  readonly requests: RequestRouter
  readonly rings: RingTable
  readonly pairs: PairTable
  readonly retained: RetainedStore
  readonly greetings: Greetings
  readonly events: SystemEvents
  readonly latencies = new TopicLatencies()
  readonly #slowReports: SlowReports
  readonly polling: Polling
  readonly peers = new Map<number, Peer>()
  readonly #pauseReports: PauseReports
  readonly startedAtMs = Date.now()
  #lastPeerId = 0
  #flushList: Outbox[] = []
  #laterList: Outbox[] = []
  #forgetTimer: NodeJS.Timeout | undefined
  /** Called whenever something has been sent, or might have been. */
  onFlushed: (() => void) | undefined
  isStopping = false
  faults = 0
  /** Messages that their publishers may not publish. */
  messagesDenied = 0

  constructor(limits: Limits, permissions: Permissions, log: Logger, native: NativeHost | undefined) {
    this.limits = limits
    this.permissions = permissions
    this.log = log
    this.polling = new Polling(limits)
    this.rings = new RingTable(native, limits, log, () => this.flush())
    this.pairs = new PairTable(native, limits, log)
    this.pauses = new TopicPauses(limits, {
      makeSlow: (subscription: Subscription) => this.overflow.makeSlow(subscription),
      paused: (pause) => this.#pauseReports.paused(pause),
      resumed: (pause) => this.#pauseReports.resumed(pause),
      flush: () => this.flush(),
    })
    this.overflow = new Overflow(limits, this.pauses, {
      suffers: (subscription) => this.#slowReports.suffers(subscription),
      recovered: (subscription) => this.#slowReports.recovered(subscription),
      flush: () => this.flush(),
    })
    this.router = new Router(this.topics, this.overflow, this.pauses)
    this.requests = new RequestRouter(this.router, this.rings, limits, {
      ended: (requester, requestId) => this.peers.get(requester.id)?.endRequest(requestId),
    })
    const readRing: ReadRing = (bytes, start, target) => this.rings.readPayload(bytes, start, target)
    this.retained = new RetainedStore(limits, readRing, this.router)
    this.greetings = new Greetings(this.retained, this.router, this.overflow, () => this.flush())
    this.events = new SystemEvents(this.router, () => this.flush())
    this.#slowReports = new SlowReports(this.events, this.peers, log)
    this.#pauseReports = new PauseReports(this.events, this.peers)
  }

  nextPeerId(): number {
    this.#lastPeerId += 1
    return this.#lastPeerId
  }

  /** A token by which a client's second connection will prove whose it is. */
  newToken(): Buffer {
    return randomBytes(16)
  }

  add(outbox: Outbox): void {
    this.#flushList.push(outbox)
  }

  addLater(outbox: Outbox): void {
    if (this.#laterList.length === 0) setImmediate(() => this.#flushLater())
    this.#laterList.push(outbox)
  }

  /** Sends what the frames handled since the last flush have left in outboxes. */
  flush(): void {
    // Flushing may list further outboxes: a client that reads again makes its services free.
    for (let index = 0; index < this.#flushList.length; index++) {
      const outbox = this.#flushList[index]!
      outbox.isListed = false
      outbox.flush()
    }
    this.#flushList.length = 0
    this.onFlushed?.()
  }

  /** From now on what is under way is finished; publishers are asked to keep what they have, requests are refused. */
  stop(): void {
    this.isStopping = true
    this.pauses.stop(this.router.bound())
    this.greetings.stop()
  }

  /** A client has greeted: others may hear of it. */
  enter(peer: Peer): void {
    this.peers.set(peer.id, peer)
    this.polling.enter(peer.polling)
    this.events.publish('$SYS.client.connected', () => describePeer(peer))
    this.log.debug({ client: peer.id, name: peer.name, pid: peer.pid }, 'client connected')
  }

  /** A client is gone, or refused: everything that it held is given back, and whoever waits for it is told. */
  leave(peer: Peer, code: ErrorCode | undefined): void {
    this.pauses.left(peer)
    // None of its services is free for what another of them leaves behind.
    for (const service of peer.services()) service.retired = true
    for (const consumer of peer.consumers.values()) {
      if (consumer instanceof Service) this.requests.lose(consumer)
      else this.#dropSubscription(consumer)
    }
    for (const service of peer.retiringServices) this.requests.lose(service)
    peer.ended.loseAll()
    peer.consumers.clear()
    for (const link of peer.requests.values()) this.requests.cancel(link)
    peer.requests.clear()
    for (const route of peer.aliases) if (route !== undefined) this.router.release(routeBehind(route))
    peer.aliases = []
    this.#forgetSoon()
    this.polling.leave(peer.polling)
    if (!this.peers.delete(peer.id)) return
    this.events.publish('$SYS.client.disconnected', () => ({ ...describePeer(peer), code: code ?? null }))
    this.log.debug({ client: peer.id, name: peer.name, pid: peer.pid, code }, 'client disconnected')
  }

  /** Counts what a client may not do, and logs the first of it. Returns the message of the refusal. */
  denied(peer: Peer, action: Action, pattern: string): string {
    const message = `The client may not ${VERBS[action]} "${pattern}", by ${peer.grant.rule}`
    if (peer.denials === 0) this.log.warn({ ...describePeer(peer), code: 'PERMISSION_DENIED' }, message)
    peer.denials += 1
    return message
  }

  /** Drops a message that its client may not publish. */
  denyMessage(peer: Peer, topic: string, id: number): void {
    this.messagesDenied += 1
    peer.refuse('PERMISSION_DENIED', this.denied(peer, 'publish', topic), Kind.MESSAGE, id)
  }

  /** Nothing more is routed to the subscription, and what is queued is dropped and counted. */
  endSubscription(subscription: Subscription): void {
    // A subscription that drains has left the routing table already.
    if (!subscription.isDraining) this.router.unsubscribe(subscription)
    this.greetings.end(subscription)
    this.overflow.end(subscription)
  }

  /** Once for all clients that leave about now: it looks at every topic. */
  #forgetSoon(): void {
    if (this.#forgetTimer !== undefined) return
    this.#forgetTimer = setTimeout(() => {
      this.#forgetTimer = undefined
      this.router.forgetStale()
    }, FORGET_DELAY_MS).unref()
  }

  #dropSubscription(subscription: Subscription): void {
    this.endSubscription(subscription)
    subscription.lose()
  }

  #flushLater(): void {
    const outboxes = this.#laterList
    this.#laterList = []
    for (const outbox of outboxes) outbox.flush()
    this.flush()
  }
}

const VERBS: Record<Action, string> = {
  publish: 'publish on',
  subscribe: 'subscribe to',
  serve: 'serve',
  request: 'request',
}

/** A client as $SYS and the log show it. */
export function describePeer(peer: Peer): Record<string, unknown> {
  return { client: peer.id, name: peer.name, pid: peer.pid, uid: peer.credentials?.uid ?? null }
}
