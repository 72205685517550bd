import {
  controlFrame,
  type ErrorCode,
  encodeBody,
  Flag,
  FrameRun,
  HEADER_BYTES,
  inlineLength,
  isByRing,
  Kind,
  Offset,
  paddedLength,
  ringPayloadBytes,
  STREAM_WINDOW_BYTES,
  writeU32,
} from '../../protocol/index.js'
import { NO_ID } from '../egress/wire-topic.js'
import type { Route } from '../routing/route.js'
import type { Router } from '../routing/router.js'
import type { Owner } from '../routing/subscription.js'
import { Trie } from '../routing/trie.js'
import { LinkTable } from './link-table.js'
import type { HeldRequest, Link, Service } from './service.js'
import { ServiceGroup } from './service-group.js'

export interface RequestLimits {
  /** Requests that may wait for one pattern's responders. */
  readonly heldRequestsMax: number
  /** Bytes of the requests that may wait for one pattern's responders. */
  readonly heldBytesMax: number
}

/** Keeps payloads in rings for frames that wait. */
export interface RingRefs {
  /** A copy of a frame with RING waits. */
  queued(bytes: Buffer, start: number): number
  /** It waits no longer, and was given to somebody if anybody wants it. */
  unqueued(bytes: Buffer, start: number): number
}

/** Where a requester's own table of requests learns that one has ended. */
export interface RequestEvents {
  ended(requester: Owner, requestId: number): void
}

/** Links each request with the responder that has it, so that loss and cancellation are known at once. */
export class RequestRouter {
  readonly #router: Router
  readonly #refs: RingRefs
  readonly #limits: RequestLimits
  readonly #events: RequestEvents
  readonly #groups = new Trie<ServiceGroup>()
  readonly #byPattern = new Map<string, ServiceGroup>()
  /** The groups whose patterns match a topic, until a pattern comes or goes. */
  #matches = new WeakMap<Route, readonly ServiceGroup[]>()
  readonly #links = new LinkTable()
  #serviceCount = 0
  requestsRouted = 0

  constructor(router: Router, refs: RingRefs, limits: RequestLimits, events: RequestEvents) {
    this.#router = router
    this.#refs = refs
    this.#limits = limits
    this.#events = events
  }

  get serviceCount(): number {
    return this.#serviceCount
  }

  get requestsInFlight(): number {
    return this.#links.size
  }

  /** Requests that wait for the responders of a pattern. */
  heldFor(pattern: string): number {
    return this.#byPattern.get(pattern)?.held.count ?? 0
  }

  serve(service: Service): void {
    let group = this.#byPattern.get(service.pattern)
    if (group === undefined) {
      group = new ServiceGroup(service.pattern)
      this.#byPattern.set(service.pattern, group)
      this.#groups.add(service.pattern, group)
      this.#matches = new WeakMap()
    }
    group.members.add(service)
    this.#serviceCount += 1
  }

  /** The service takes no more requests. Those that only it could have served go to others, or fail. */
  unserve(service: Service): void {
    service.retired = true
    const group = this.#byPattern.get(service.pattern)
    if (group === undefined || !group.members.delete(service)) return
    this.#serviceCount -= 1
    if (group.members.size > 0) return
    this.#byPattern.delete(group.pattern)
    this.#groups.remove(group.pattern, group)
    this.#matches = new WeakMap()
    for (let held = group.held.shift(); held !== undefined; held = group.held.shift()) {
      this.#place(held.link, held.frame, 0, held.length)
      this.#unhold(held)
    }
  }

  /** Opens a link for a REQUEST frame; undefined when there are as many as there can be. */
  open(requester: Owner, requestId: number, route: Route, bytes: Buffer, start: number): Link | undefined {
    const priority = bytes[start + Offset.PRIORITY]!
    const streams = (bytes[start + Offset.FLAGS]! & Flag.STREAM) !== 0
    return this.#links.open({
      requester,
      requestId,
      route,
      priority,
      streams,
      streamCredit: STREAM_WINDOW_BYTES,
    })
  }

  /**
   * Gives the request to a free responder, or keeps it for the first that is. Every request that is placed ends
   * in exactly one final frame. [REQUEST-2]
   */
  place(link: Link, bytes: Buffer, start: number, length: number): void {
    this.requestsRouted += 1
    this.#place(link, bytes, start, length)
  }

  /** Passes a REPLY on. A reply to a request that is over is ignored. Says what is wrong with one, if anything. */
  reply(responder: Owner, id: number, bytes: Buffer, start: number, length: number): ErrorCode | undefined {
    const link = this.#givenTo(responder, id)
    if (link === undefined) return undefined
    const isPart = (bytes[start + Offset.FLAGS]! & Flag.STREAM) !== 0
    if (isPart) {
      if (!link.streams) return 'BAD_FRAME'
      if (link.streamCredit <= 0) return 'CREDIT_EXCEEDED'
      link.streamCredit -= inlineLength(bytes, start, length)
    }
    if (link.state === 'given') this.#passOn(link, bytes, start, length)
    if (!isPart) this.#finish(link)
    return undefined
  }

  /** Passes a FAILURE of a responder on. */
  fail(responder: Owner, id: number, bytes: Buffer, start: number, length: number): void {
    const link = this.#givenTo(responder, id)
    if (link === undefined) return
    if (link.state === 'given') this.#passOn(link, bytes, start, length)
    this.#finish(link)
  }

  /** The requester wants no answer any longer. The responder is told; its slot is free when its handler ends. */
  cancel(link: Link): void {
    if (link.state === 'held') {
      const held = link.line?.remove(link)
      if (held !== undefined) this.#unhold(held)
      this.#links.close(link)
    } else if (link.state === 'given') {
      link.state = 'orphaned'
      link.pullDueBytes = 0
      link.service!.owner.outbox.notify(controlFrame(Kind.CANCEL, 0, link.id))
    }
  }

  /** The requester takes more of a stream. */
  pull(link: Link, bytes: number): void {
    link.streamCredit += bytes
    link.pullDueBytes += bytes
    if (link.state === 'given') this.#passPull(link)
  }

  /** The client reads again: it is told what its requesters have pulled meanwhile, and given what waits. */
  resume(owner: Owner, services: Iterable<Service>): void {
    for (const service of services) {
      for (const link of service.links.values()) this.#passPull(link)
      if (owner.outbox.isOpen) this.refill(service)
    }
  }

  /** The responder is gone: whoever waits for it learns so now. */
  lose(service: Service): void {
    for (const link of service.links.values()) {
      const wasGiven = link.state === 'given'
      this.#links.close(link)
      if (!wasGiven) continue
      this.#events.ended(link.requester, link.requestId)
      this.#fail(
        link,
        'RESPONDER_LOST',
        `The responder of "${link.route.name}" was lost with the request in its hands`,
      )
    }
    service.links.clear()
    this.unserve(service)
  }

  /** Gives the service what waits for it, as far as it is free. */
  refill(service: Service): void {
    const group = this.#byPattern.get(service.pattern)
    if (group === undefined) return
    while (service.isFree) {
      const held = group.held.shift()
      if (held === undefined) return
      this.#give(held.link, service, held.frame, 0, held.length)
      this.#unhold(held)
    }
  }

  /** Ends a request with a failure of the broker's. */
  sendFailure(requester: Owner, requestId: number, priority: number, code: ErrorCode, message: string): void {
    const body = encodeBody(Kind.FAILURE, { code, message })
    const frame = controlFrame(Kind.FAILURE, 0, requestId, body)
    requester.outbox.reply(priority, frame, 0, HEADER_BYTES + body.length)
  }

  /** Sends what the responder wrote to the requester. It bears no topic, whatever stands in its field. [WIRE-1.8] */
  #passOn(link: Link, bytes: Buffer, start: number, length: number): void {
    writeU32(bytes, start + Offset.TOPIC, NO_ID)
    writeU32(bytes, start + Offset.ID, link.requestId)
    bytes[start + Offset.PRIORITY] = link.priority
    link.requester.outbox.reply(link.priority, bytes, start, length)
  }

  #givenTo(responder: Owner, id: number): Link | undefined {
    const link = this.#links.find(id)
    return link?.service?.owner === responder ? link : undefined
  }

  #finish(link: Link): void {
    const service = link.service!
    service.links.delete(link.id)
    service.handled += 1
    if (link.state === 'given') this.#events.ended(link.requester, link.requestId)
    this.#links.close(link)
    this.refill(service)
  }

  #place(link: Link, bytes: Buffer, start: number, length: number): void {
    let shortest: ServiceGroup | undefined
    for (const group of this.#matching(link.route)) {
      const service = group.freeMember()
      if (service !== undefined) return this.#give(link, service, bytes, start, length)
      if (shortest === undefined || group.held.count < shortest.held.count) shortest = group
    }
    if (shortest === undefined) {
      return this.#refuse(link, 'NO_RESPONDERS', `Nobody serves "${link.route.name}"`)
    }
    const { heldRequestsMax, heldBytesMax } = this.#limits
    const ringBytes = ringPayloadBytes(bytes, start)
    if (shortest.held.count >= heldRequestsMax || shortest.held.bytes + length + ringBytes > heldBytesMax) {
      return this.#refuse(link, 'OVERLOADED', `As many requests wait for "${shortest.pattern}" as may wait`)
    }
    const frame = Buffer.from(bytes.subarray(start, start + paddedLength(length)))
    if (ringBytes > 0) this.#refs.queued(frame, 0)
    shortest.held.push({ link, frame, length, bytes: frame.length + ringBytes })
  }

  #matching(route: Route): readonly ServiceGroup[] {
    let groups = this.#matches.get(route)
    if (groups === undefined) {
      groups = this.#groups.match(route.name)
      this.#matches.set(route, groups)
    }
    return groups
  }

  /** The request waits no longer. */
  #unhold(held: HeldRequest): void {
    if (isByRing(held.frame, 0)) this.#refs.unqueued(held.frame, 0)
  }

  #give(link: Link, service: Service, bytes: Buffer, start: number, length: number): void {
    link.state = 'given'
    link.service = service
    service.links.set(link.id, link)
    this.#router.stampTopic(link.route, bytes, start)
    writeU32(bytes, start + Offset.ID, link.id)
    service.owner.outbox.sendNow(service, link.route, FrameRun.of(bytes, start, length))
    this.#passPull(link)
  }

  /** Pulls of one stream add up while the responder reads nothing, so that a requester cannot flood it. */
  #passPull(link: Link): void {
    const { outbox } = link.service!.owner
    if (link.pullDueBytes === 0 || !outbox.isOpen) return
    const body = encodeBody(Kind.PULL, { bytes: link.pullDueBytes })
    link.pullDueBytes = 0
    outbox.notify(controlFrame(Kind.PULL, 0, link.id, body))
  }

  #refuse(link: Link, code: ErrorCode, message: string): void {
    this.#links.close(link)
    this.#events.ended(link.requester, link.requestId)
    this.#fail(link, code, message)
  }

  #fail(link: Link, code: ErrorCode, message: string): void {
    this.sendFailure(link.requester, link.requestId, link.priority, code, message)
  }
}
