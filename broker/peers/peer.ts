import { controlFrame, type ErrorCode, encodeBody, IdTable, Kind } from '../../protocol/index.js'
import type { Channel } from '../egress/channel.js'
import type { Outbox } from '../egress/outbox.js'
import type { Pair } from '../pairs/pair-table.js'
import type { DeniedRoute } from '../permissions/denied-route.js'
import { Grant } from '../permissions/grant.js'
import type { PollingClient } from '../polling/places.js'
import { type Link, Service } from '../requests/service.js'
import { ClientRings, type RingClient } from '../rings/client-rings.js'
import { EndedSubscriptions } from '../routing/ended-subscriptions.js'
import type { Route } from '../routing/route.js'
import type { Owner, Subscription } from '../routing/subscription.js'

/** Who is at the other end, as the kernel says. A pid of 0 stands for a process of another pid namespace. */
export interface Credentials {
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/** What stands for a client from the moment of its connection. */
export interface PeerTerms {
  readonly channel: Channel
  readonly credentials: Credentials | undefined
  readonly payloadBytesMax: number
  readonly aliasesMax: number
  readonly ringPayloadBytesMax: number
}

/**
 * One client:
 *
 *   greeting ──(HELLO)──> open ──(hang-up)──> gone
 *   greeting ──(ATTACH, answered)──> refused: nothing more is taken from it
 *   greeting, open ──(a fault of its own, or the broker stops)──> refused ──(hang-up or deadline)──> gone
 *
 * An idle client must cost little, so every table is made when first needed.
 */
export class Peer implements Owner, RingClient {
  readonly id: number
  readonly outbox: Outbox
  /** What carries its stream. */
  readonly channel: Channel
  readonly credentials: Credentials | undefined
  /** What WELCOME told the client; it may rely on that, whatever a reload makes of the limits. [WIRE-2.4] */
  readonly payloadBytesMax: number
  readonly aliasesMax: number
  readonly ringPayloadBytesMax: number
  readonly connectedAtMs = Date.now()
  state: 'greeting' | 'open' | 'refused' | 'gone' = 'greeting'
  name = ''
  /** The pid that the client gave, for systems that tell none. */
  claimedPid = 0
  /** What it may do: nothing, until it has greeted. */
  grant = Grant.nothing
  /** The routes that the client's aliases stand for. */
  aliases: (Route | DeniedRoute | undefined)[] = NO_ALIASES
  #consumers: Map<number, Subscription | Service> | undefined
  #requests: IdTable<Link> | undefined
  #retiring: Set<Service> | undefined
  #rings: ClientRings | undefined
  /** Proves that another connection is the same client's; set when the client may have segments. [WIRE-2.4] */
  token: Buffer | undefined
  /** Whether it can map segments. */
  mapsSegments = false
  /** Whether a pair of rings may take over from its socket. */
  usesPairs = false
  /** The one that it was offered. */
  pair: Pair | undefined
  /** Set when it would poll. */
  polling: PollingClient | undefined
  /** Subscriptions of which the client may still report something. */
  readonly ended = new EndedSubscriptions()
  messagesReceived = 0
  /** TOPIC frames read from it, mod 2^32: they number the bindings of its aliases. [WIRE-2.8] */
  topicFramesRead = 0
  requestsMade = 0
  cancelsMade = 0
  /** What it tried to do and may not. */
  denials = 0
  subscriptionCount = 0
  serviceCount = 0

  constructor(id: number, outbox: Outbox, terms: PeerTerms) {
    this.id = id
    this.outbox = outbox
    this.channel = terms.channel
    this.credentials = terms.credentials
    this.payloadBytesMax = terms.payloadBytesMax
    this.aliasesMax = terms.aliasesMax
    this.ringPayloadBytesMax = terms.ringPayloadBytesMax
  }

  get outlet(): Outbox {
    return this.outbox
  }

  /** The user whose process it is; −1 when the system does not say. */
  get uid(): number {
    return this.credentials?.uid ?? -1
  }

  /** Its part in rings. */
  get rings(): ClientRings {
    this.#rings ??= new ClientRings(this)
    return this.#rings
  }

  get hasRings(): boolean {
    return this.#rings !== undefined
  }

  get pid(): number {
    return this.credentials?.pid || this.claimedPid
  }

  /** Subscriptions and services by id: they share one space, for DELIVER names either. [SUB-3] */
  get consumers(): Map<number, Subscription | Service> {
    this.#consumers ??= new Map()
    return this.#consumers
  }

  /** Requests of this client that have not ended, by the ids that it gave them. */
  get requests(): IdTable<Link> {
    this.#requests ??= new IdTable()
    return this.#requests
  }

  *services(): Iterable<Service> {
    if (this.serviceCount === 0) return
    for (const consumer of this.consumers.values()) if (consumer instanceof Service) yield consumer
  }

  /** Services that take no more requests, and have some to answer yet. */
  get retiringServices(): Iterable<Service> {
    return this.#retiring ?? []
  }

  /** Frees the id of a service whose last requests are still being handled. */
  retireService(service: Service): void {
    this.consumers.delete(service.id)
    this.serviceCount -= 1
    this.#retiring ??= new Set()
    for (const retired of this.#retiring) if (retired.links.size === 0) this.#retiring.delete(retired)
    this.#retiring.add(service)
  }

  endRequest(requestId: number): void {
    this.#requests?.delete(requestId)
  }

  bindAlias(alias: number, route: Route | DeniedRoute): void {
    if (this.aliases === NO_ALIASES) this.aliases = []
    // Holes would turn the array into a dictionary, and each publish into a hash look-up.
    while (this.aliases.length <= alias) this.aliases.push(undefined)
    this.aliases[alias] = route
  }

  /** Refuses one operation; the client goes on. [ERR-2] */
  refuse(code: ErrorCode, message: string, kind: number, id: number): void {
    this.outbox.control(errorFrame(code, message, kind, id, false))
  }
}

const NO_ALIASES: Peer['aliases'] = []

/** An ERROR frame about the frame of this kind and id. [WIRE-2.6] */
export function errorFrame(
  code: ErrorCode,
  message: string,
  kind: number,
  id: number,
  fatal: boolean,
): Buffer {
  return controlFrame(Kind.ERROR, kind, id, encodeBody(Kind.ERROR, { code, message, fatal }))
}
