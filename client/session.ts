import { Kind, RingbusError } from '../protocol/index.js'
import { debug } from './debug.js'
import { Deferred } from './deferred.js'
import { Events, type SlowInfo } from './events.js'
import { FrameRouter } from './frame-router.js'
import { Inbox } from './inbound/inbox.js'
import { LatencySamples } from './inbound/latency-samples.js'
import { ReportTimer } from './inbound/report-timer.js'
import { TopicNames } from './inbound/topic-names.js'
import { Connection, type ConnectionListener, type ConnectionSettings } from './link/connection.js'
import type { Link } from './link/link.js'
import type { Welcome } from './link/welcome.js'
import type { Member, MemberContext } from './members/member.js'
import { Registry } from './members/registry.js'
import type { RingSettings } from './options.js'
import { Barriers } from './outbound/barriers.js'
import { Outbox, type Outlet } from './outbound/outbox.js'
import { Publisher } from './outbound/publisher.js'
import { Sender } from './outbound/sender.js'
import { LowLatency } from './polling/low-latency.js'
import { PolledOutlet } from './polling/polled-outlet.js'
import { Requester } from './requests/requester.js'
import type { Incoming } from './rings/incoming.js'
import { Loans } from './rings/loans.js'
import { OutgoingRing } from './rings/outgoing-ring.js'
import { Rings } from './rings/rings.js'
import { Calls } from './services/calls.js'
import { InboxBudget } from './subscriptions/inbox-budget.js'
import { SubscriptionMember } from './subscriptions/subscription-member.js'
import { finishedWithin } from './within.js'

/** How a client ends: what it was told to close with, or the error that left it no way on. */
type Ending = 'gracefully' | 'at once' | RingbusError

export interface SessionSettings extends ConnectionSettings {
  readonly rings: RingSettings
}

/**
 * The parts of one client, and what each is told when the connection comes and goes:
 *
 *   publish, request, answers → sender (→ ring) → outbox → link ⇄ broker
 *   broker → link → frame router → inbox → subscriptions, services; or straight to requester and barriers
 */
export class Session implements ConnectionListener, MemberContext {
  readonly path: string
  readonly events = new Events()
  readonly outbox: Outbox = new Outbox(
    {
      frameLeft: (segment) => this.ring.frameLeft(segment),
      payloadOf: (span) => this.ring.payloadOf(span),
    },
    () => this.publisher.resume(),
  )
  readonly ring = new OutgoingRing(() => this.publisher.ringHasRoom())
  readonly sender = new Sender(this.outbox, this.ring)
  readonly barriers = new Barriers(this.outbox)
  readonly registry = new Registry(this.outbox, this.barriers)
  readonly calls = new Calls()
  readonly budget = new InboxBudget()
  readonly reports = new ReportTimer()
  readonly latency = new LatencySamples(this.outbox, this.reports)
  readonly publisher: Publisher
  readonly loans: Loans
  readonly requester: Requester
  readonly inbox: Inbox
  readonly report = (error: RingbusError): void => this.events.reportError(error)
  readonly slow = (info: SlowInfo, surprise: boolean): void => this.events.reportSlow(info, surprise)
  readonly #lowLatency: LowLatency | undefined
  readonly #names = new TopicNames()
  readonly #rings: Rings
  readonly #router: FrameRouter
  readonly #connection: Connection
  readonly #closed = new Deferred<RingbusError | undefined>()
  #state: 'running' | 'closing' | 'closed' = 'running'
  #closing: Promise<void> | undefined
  /** Why the broker is about to close the connection, if it said so. */
  #refusal: RingbusError | undefined
  #hasBeenOpen = false

  constructor(settings: SessionSettings) {
    this.path = settings.target.path
    if (settings.introduction.pollsAs !== undefined) this.#lowLatency = new LowLatency()
    this.#rings = new Rings(settings.rings, this.path, this.ring, this.outbox, this.report)
    this.inbox = new Inbox(this.#names)
    this.publisher = new Publisher(this.outbox, this.sender, settings.reconnect.bufferBytesMax, (topic) =>
      this.events.emit('drain', topic),
    )
    this.loans = new Loans(this.ring, this.outbox, (loan, options) => {
      if (this.isClosed) throw new RingbusError('CLOSED', 'The client is closed')
      return this.publisher.publishLoan(loan, options)
    })
    this.requester = new Requester(this.outbox, this.sender, this.publisher, this.incoming)
    this.#router = new FrameRouter({
      names: this.#names,
      inbox: this.inbox,
      registry: this.registry,
      requester: this.requester,
      calls: this.calls,
      barriers: this.barriers,
      rings: this.#rings,
      outbox: this.outbox,
      mayPoll: (isPermitted) => this.#mayPoll(isPermitted),
      refused: (error, kind, id, fatal) => this.#refused(error, kind, id, fatal),
    })
    this.#connection = new Connection(settings, this.#router, this)
  }

  open(signal: AbortSignal | undefined): Promise<void> {
    return this.#connection.open(signal)
  }

  get incoming(): Incoming {
    return this.#rings.incoming
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  /** Whether it takes new subscriptions and services. */
  get isRunning(): boolean {
    return this.#state === 'running'
  }

  get closed(): Promise<RingbusError | undefined> {
    return this.#closed.promise
  }

  ended(member: Member): void {
    this.registry.remove(member)
  }

  opened(link: Link, welcome: Welcome): void {
    this.#refusal = undefined
    this.ring.lender.inlineBytesMax = welcome.payloadBytesMax
    try {
      this.outbox.connect(this.#outletOver(link), welcome.aliases, () => this.registry.enrolAll())
    } catch (error) {
      this.report(error as RingbusError)
      this.requester.failAll(error as RingbusError)
      this.barriers.fail(error as RingbusError)
      this.registry.confirmAll()
    }
    this.#rings.connected(link, welcome.rings)
    this.sender.limitsChanged()
    this.publisher.resume()
    if (this.#hasBeenOpen) this.events.emit('reconnect')
    this.#hasBeenOpen = true
  }

  readEnd(): void {
    this.inbox.readEnd()
    this.#lowLatency?.arrived()
  }

  drained(): void {
    this.outbox.drained()
  }

  lost(cause: RingbusError): void {
    const error = this.#refusal === undefined ? cause : refusedError(this.#refusal)
    this.#mayPoll(false)
    const lostMessages = this.outbox.disconnect()
    this.publisher.disconnected(lostMessages)
    this.#rings.disconnected(error)
    this.sender.limitsChanged()
    this.#names.clear()
    this.#router.reset()
    this.calls.abandonAll(error)
    this.registry.connectionLost()
    this.requester.failAll(error)
    this.barriers.fail(error)
    this.events.emit('disconnect', error)
  }

  /** The connection is beyond repair. */
  connectionEnded(error: RingbusError): void {
    this.#end(error)
  }

  /** Ends after the handlers that run, or with `drain` after what the broker still has for the subscriptions. */
  close(timeoutMs: number, drain: boolean): Promise<void> {
    if (this.#state === 'closed') return Promise.resolve()
    this.#state = 'closing'
    this.#closing ??= this.#close(timeoutMs, drain)
    return this.#closing
  }

  destroy(): void {
    this.#end('at once')
  }

  async #close(timeoutMs: number, drain: boolean): Promise<void> {
    if (!(await finishedWithin(this.#windDown(drain), timeoutMs))) {
      const message = `The client was closed after ${timeoutMs} ms, before everything was handled and sent`
      this.report(new RingbusError('TIMEOUT', message, { details: { timeoutMs } }))
    }
    this.#end('gracefully')
  }

  /** Lets members end in their own way, then sees what was published out. */
  async #windDown(drain: boolean): Promise<void> {
    const members = this.registry.all()
    for (const member of members) {
      if (member instanceof SubscriptionMember && !drain) member.leave()
      else member.drain()
    }
    await Promise.all(members.map((member) => this.#whenDone(member)))
    if (!this.outbox.isConnected && this.outbox.waitingBytes === 0) return
    await this.publisher.flush(this.barriers).catch(this.report)
  }

  async #whenDone(member: Member): Promise<void> {
    await member.whenIdle()
    if (member.state !== 'leaving') await member.whenEnded
    await member.whenIdle()
  }

  #end(ending: Ending): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#mayPoll(false)
    const wished = ending === 'gracefully' || ending === 'at once'
    const error = wished ? new RingbusError('CLOSED', 'The client was closed') : ending
    // Before this side ends: then the broker gives the memory to others.
    this.#rings.close(error, wished)
    this.sender.limitsChanged()
    if (ending === 'at once') this.#connection.destroy()
    else this.#connection.end()
    this.calls.abandonAll(error)
    this.registry.close(error, wished)
    this.inbox.clear()
    this.outbox.discard()
    this.publisher.close(error)
    this.requester.failAll(error)
    this.barriers.fail(error)
    const reason = wished ? undefined : error
    this.#closed.resolve(reason)
    this.events.emit('close', reason)
  }

  #outletOver(link: Link): Outlet {
    return this.#lowLatency === undefined ? link : new PolledOutlet(link, this.#lowLatency)
  }

  #mayPoll(isPermitted: boolean): void {
    if (this.#lowLatency !== undefined) this.#lowLatency.isPermitted = isPermitted
  }

  #refused(error: RingbusError, kind: number, id: number, fatal: boolean): void {
    if (fatal) {
      this.#refusal = error
      return
    }
    if (kind === Kind.OPEN) return this.ring.openRefused(error)
    const member = kind === Kind.SUBSCRIBE || kind === Kind.SERVE ? this.registry.find(id) : undefined
    if (member !== undefined) member.refused(error)
    else if (kind === Kind.UNSUBSCRIBE || kind === Kind.UNSERVE) debug('%s', error.message)
    else this.report(error)
  }
}

function refusedError(cause: RingbusError): RingbusError {
  return new RingbusError('DISCONNECTED', `The broker ended the connection: ${cause.message}`, { cause })
}
