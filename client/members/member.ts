import { isByRing, paddedLength, type RingbusError, readU32 } from '../../protocol/index.js'
import { Deferred } from '../deferred.js'
import type { SlowInfo } from '../events.js'
import { Consumer } from '../inbound/consumer.js'
import type { Inbox } from '../inbound/inbox.js'
import type { LatencySamples } from '../inbound/latency-samples.js'
import type { ReportTimer } from '../inbound/report-timer.js'
import type { Outbox } from '../outbound/outbox.js'
import type { Incoming } from '../rings/incoming.js'
import { type MemberEvent, type MemberState, nextMemberState } from './member-state.js'

/** What subscriptions and services need of the client that they belong to. */
export interface MemberContext {
  readonly outbox: Outbox
  readonly inbox: Inbox
  readonly incoming: Incoming
  readonly reports: ReportTimer
  readonly latency: LatencySamples
  /** Tells the user of an error that no call can report. */
  readonly report: (error: RingbusError) => void
  /** Tells the user what a subscription suffers; of a surprise, also if nobody listens. */
  readonly slow: (info: SlowInfo, surprise: boolean) => void
  /** The member has ended: its id is free. */
  readonly ended: (member: Member) => void
}

/** A subscription or a service: what the broker knows by an id, from its announcement to its end. */
export abstract class Member extends Consumer {
  readonly id: number
  readonly pattern: string
  protected readonly context: MemberContext
  #state: MemberState = 'active'
  readonly #accepted = new Deferred<void>()
  readonly #ended = new Deferred<void>()
  #idle: Deferred<void> | undefined
  /** Whether somebody waits to hear of the first acceptance or refusal. */
  #acceptanceAwaited = false

  constructor(context: MemberContext, id: number, pattern: string, slots: number) {
    super(slots)
    this.context = context
    this.id = id
    this.pattern = pattern
  }

  get state(): MemberState {
    return this.#state
  }

  override get takesFrames(): boolean {
    return this.#state === 'active' || this.#state === 'draining'
  }

  /** Whether the broker has accepted it; rejects with the reason of a refusal. */
  get ready(): Promise<void> {
    this.#acceptanceAwaited = true
    return this.#accepted.promise
  }

  /** Resolves when nothing more will be handled. */
  get whenEnded(): Promise<void> {
    return this.#ended.promise
  }

  /** Resolves when nothing waits and nothing is being handled. */
  whenIdle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve()
    this.#idle ??= new Deferred()
    return this.#idle.promise
  }

  /** Announces it to the broker, on each new connection. */
  abstract enrol(): void

  /** Whether frames that were handed over are still being handled. */
  protected abstract get isBusy(): boolean

  /** Asks the broker to send no more than what it has. */
  protected abstract askToDrain(): void

  /** Asks the broker to send nothing any more. */
  protected abstract askToLeave(): void

  /** Nothing that arrives from now on will be handled; `error` says why, if it was not the user's wish. */
  protected closed(_error: RingbusError | undefined): void {}

  /** All that came is done with, and no more will come: the last word to the broker while the id still stands. */
  protected settled(): void {}

  /** It has ended, and holds nothing any more. */
  protected gone(): void {}

  /** Whether the user hears of a refusal without having asked for `ready`. */
  protected get hearsOfRefusal(): boolean {
    return false
  }

  accepted(): void {
    this.#acceptanceAwaited = false
    this.#accepted.resolve()
  }

  refused(error: RingbusError): void {
    this.#accepted.reject(error)
    if (!this.#acceptanceAwaited && !this.hearsOfRefusal) this.context.report(error)
    this.clear()
    this.#apply('refused', error)
  }

  /** Ends it after what the broker still has for it. */
  drain(): void {
    if (this.#state !== 'active') return
    this.#apply('drain')
    if (this.context.outbox.isConnected) this.askToDrain()
    else this.#apply('lost')
    this.emptied()
  }

  /** Ends it now; what waits is dropped. This cuts a drain short, for which nobody would give credit any more. */
  leave(): void {
    const isServed = this.takesFrames
    this.#apply('leave')
    this.clear()
    if (!this.context.outbox.isConnected) this.#apply('lost')
    else if (isServed) this.askToLeave()
    this.emptied()
  }

  /** The broker has sent the last frame. */
  drained(): void {
    this.#apply('drained')
    this.emptied()
  }

  connectionLost(): void {
    this.epoch += 1
    this.#apply('lost')
    this.emptied()
  }

  /** The client is closed; `wished` says that this is no surprise to the user. */
  close(error: RingbusError, wished: boolean): void {
    this.#accepted.reject(error)
    this.#apply('leave', wished ? undefined : error)
    this.clear()
    this.#apply('lost')
    this.#idle?.resolve()
  }

  override discarded(bytes: Buffer, start: number, _length: number): void {
    if (isByRing(bytes, start)) this.context.incoming.drop(bytes, start)
  }

  /** Drops everything that waits, and what it refers to. What came by an earlier connection is nobody's concern. */
  override clear(): void {
    for (const run of this.runs()) {
      if (run.epoch !== this.epoch) continue
      for (let start = run.start; start < run.end; ) {
        const length = readU32(run.memory.bytes, start)
        this.discarded(run.memory.bytes, start, length)
        start += paddedLength(length)
      }
    }
    super.clear()
  }

  override emptied(): void {
    if (!this.#isIdle) return
    this.#idle?.resolve()
    this.#idle = undefined
    if (this.#state === 'finishing' || this.#state === 'settling') this.settled()
    this.#apply('emptied')
  }

  get #isIdle(): boolean {
    return this.mask === 0 && !this.isBusy
  }

  #apply(event: MemberEvent, error?: RingbusError): void {
    const before = this.#state
    const after = nextMemberState(before, event)
    if (after === before) return
    this.#state = after
    if (handles(before) && !handles(after)) this.closed(error)
    if (after !== 'ended') return
    this.gone()
    this.context.ended(this)
    this.#ended.resolve()
  }
}

/** Whether what has arrived is still handed over in this state. */
function handles(state: MemberState): boolean {
  return state === 'active' || state === 'draining' || state === 'finishing'
}
