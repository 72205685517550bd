import {
  type Body,
  encodeBody,
  Flag,
  frameLayout,
  hasExpired,
  Kind,
  Offset,
  type OverflowPolicy,
  paddedLength,
  RingbusError,
  readU32,
} from '../../protocol/index.js'
import type { Reporter } from '../inbound/report-timer.js'
import type { Run } from '../inbound/run-queue.js'
import { Member, type MemberContext } from '../members/member.js'
import type { RingPayload } from '../rings/ring-payload.js'
import { type CreditReport, CreditWindow } from './credit-window.js'
import type { InboxBudget } from './inbox-budget.js'

export interface SubscriptionSettings {
  readonly pattern: string
  readonly group: string | undefined
  readonly concurrency: number
  /** Whether payloads by ring are read where they lie. */
  readonly view: boolean
  /** Undefined: the broker's default, which is `block`. */
  readonly overflow: OverflowPolicy | undefined
  /** Undefined: the broker's own limits. */
  readonly backlogMessagesMax: number | undefined
  readonly backlogBytesMax: number | undefined
  /** Whether kept messages come first. */
  readonly retained: boolean
}

/** A message with any of these needs a look before it is handed over. */
const SPECIAL_FLAGS = Flag.RING | Flag.EXPIRY | Flag.SENT_AT

/** A subscription as the client keeps it. How a message is handled, its heirs say. */
export abstract class SubscriptionMember extends Member implements Reporter {
  readonly frameKind = Kind.MESSAGE
  readonly #settings: SubscriptionSettings
  protected readonly credit: CreditWindow
  /** Frame bytes of the messages that are being handled. */
  protected busyBytes = 0
  /** The connection whose broker knows of it. */
  #enrolledEpoch = -1
  /** Whether `report` will be called in a while. */
  #reportAwaited = false
  #hasSurprised = false

  constructor(
    context: MemberContext,
    budget: InboxBudget,
    id: number,
    settings: SubscriptionSettings,
    slots: number,
  ) {
    super(context, id, settings.pattern, slots)
    this.#settings = settings
    this.credit = new CreditWindow(budget, settings.overflow === 'latest')
  }

  get group(): string | undefined {
    return this.#settings.group
  }

  /** `payload` is undefined when it lies within the frame. */
  protected abstract handle(run: Run, start: number, length: number, payload: RingPayload | undefined): void

  enrol(): void {
    this.#enrolledEpoch = this.epoch
    const body = subscribeBody(this.#settings, this.credit.reset(this.#heldBytes()))
    this.context.outbox.control(Kind.SUBSCRIBE, 0, this.id, encodeBody(Kind.SUBSCRIBE, body))
  }

  override start(run: Run, start: number, length: number): void {
    const flags = run.memory.bytes[start + Offset.FLAGS]!
    if ((flags & SPECIAL_FLAGS) === 0) this.handle(run, start, length, undefined)
    else this.#startSpecial(run, start, length, flags)
  }

  /** Whoever handles a message calls this when it is done. */
  protected finish(length: number, epoch: number): void {
    this.#noted(this.credit.finished(length, epoch === this.epoch))
  }

  /** The same for one that nobody handled. */
  protected discard(length: number, epoch: number): void {
    this.#noted(this.credit.discarded(length, epoch === this.epoch))
  }

  /** The handler failed; the message counts as handled. */
  protected failed(topic: string, cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.context.report(
      new RingbusError('HANDLER_ERROR', `The handler of "${this.pattern}" failed on "${topic}": ${reason}`, {
        cause,
        details: { topic, pattern: this.pattern },
      }),
    )
  }

  override discarded(bytes: Buffer, start: number, length: number): void {
    super.discarded(bytes, start, length)
    this.discard(length, this.epoch)
  }

  /** The broker shares a group's messages out by what each member has on its hands, so an idle one says so. */
  override emptied(): void {
    if (this.group !== undefined && this.credit.hasUnreported && this.#mayReport) this.#reportNow()
    super.emptied()
  }

  /** What the broker says that it suffers. [FLOW-3] */
  toldSlow(body: Body<typeof Kind.SLOW>): void {
    const { slow, dropped, queued, queuedBytes } = body
    const mayLose = this.#settings.overflow !== undefined && this.#settings.overflow !== 'block'
    const surprise = dropped > 0 && !mayLose && !this.#hasSurprised
    if (surprise) this.#hasSurprised = true
    this.context.slow(
      { pattern: this.pattern, group: this.group, slow, dropped, queued, queuedBytes },
      surprise,
    )
  }

  /** What has been finished some time ago, and is less than half a window. [CREDIT-6] */
  report(): void {
    this.#reportAwaited = false
    if (this.#mayReport && this.credit.hasUnreported) this.#send(this.credit.reportSlowly())
  }

  /** Lets messages come, from when on somebody takes them. */
  protected openWindow(): void {
    this.credit.open()
    // Without a connection, the window goes with the subscription when there is one.
    if (this.context.outbox.isConnected) this.#grant(this.credit.reset(0))
  }

  protected override askToDrain(): void {
    this.context.outbox.control(Kind.UNSUBSCRIBE, 0, this.id, encodeBody(Kind.UNSUBSCRIBE, { drain: true }))
  }

  protected override askToLeave(): void {
    this.context.outbox.control(Kind.UNSUBSCRIBE, 0, this.id)
  }

  /** The broker counts to the last message of a subscription that has ended. [CREDIT-3] */
  protected override settled(): void {
    if (this.credit.hasUnreported && this.#mayReport) this.#reportNow()
  }

  protected override gone(): void {
    this.credit.close()
  }

  /** Something is finished: it is reported at half a window, or else in a while. */
  #noted(isHalf: boolean): void {
    if (isHalf) {
      if (this.#mayReport) this.#reportNow()
    } else if (!this.#reportAwaited) {
      this.#reportAwaited = true
      this.context.reports.add(this)
    }
  }

  /** While it leaves, nothing waits for its credit, and the last report has it all. */
  get #mayReport(): boolean {
    if (!this.context.outbox.isConnected || this.#enrolledEpoch !== this.epoch) return false
    return this.state !== 'leaving' && this.state !== 'ended'
  }

  #reportNow(): void {
    this.#send(this.credit.report(performance.now()))
  }

  #send(report: CreditReport): void {
    this.context.outbox.control(Kind.CREDIT, 0, this.id, encodeBody(Kind.CREDIT, report))
  }

  #grant(bytes: number): void {
    this.context.outbox.control(Kind.CREDIT, 0, this.id, encodeBody(Kind.CREDIT, { bytes }))
  }

  #startSpecial(run: Run, start: number, length: number, flags: number): void {
    const { incoming } = this.context
    const byRing = (flags & Flag.RING) !== 0
    const isCurrent = run.epoch === this.epoch
    if (byRing && !isCurrent) {
      // Its memory went with the connection: the message is lost, as are those that were on their way.
      this.discard(length, run.epoch)
      return
    }
    if ((flags & Flag.EXPIRY) !== 0 && hasExpired(run.memory.bytes, start)) {
      if (byRing) incoming.drop(run.memory.bytes, start)
      this.#noted(this.credit.expired(length, isCurrent))
      return
    }
    let payload: RingPayload | undefined
    if (byRing) {
      try {
        payload = incoming.take(run.memory.bytes, start, run.topic, this.#settings.view)
      } catch (error) {
        // There is no memory for the copy.
        this.failed(run.topic, error)
        this.discard(length, run.epoch)
        return
      }
    }
    if ((flags & Flag.SENT_AT) !== 0) this.#sample(run, start, flags)
    this.handle(run, start, length, payload)
  }

  /** A kept message was on no way all the while. [FLOW-4] */
  #sample(run: Run, start: number, flags: number): void {
    const { sentAtNs } = frameLayout(run.memory.bytes, start)
    if (sentAtNs !== 0 && (flags & Flag.RETAIN) === 0) this.context.latency.take(run.topic, sentAtNs)
  }

  #heldBytes(): number {
    let bytes = this.busyBytes
    for (const run of this.runs()) {
      for (let start = run.start; start < run.end; ) {
        const length = readU32(run.memory.bytes, start)
        bytes += length
        start += paddedLength(length)
      }
    }
    return bytes
  }
}

/** What is not said is the broker's to choose. [SUB-1] */
function subscribeBody(settings: SubscriptionSettings, window: number): Body<typeof Kind.SUBSCRIBE> {
  const { pattern, group, overflow, backlogBytesMax, backlogMessagesMax, retained } = settings
  return {
    pattern,
    window,
    ...(group === undefined ? {} : { group }),
    ...(overflow === undefined ? {} : { overflow }),
    ...(backlogBytesMax === undefined ? {} : { backlogBytes: backlogBytesMax }),
    ...(backlogMessagesMax === undefined ? {} : { backlogMessages: backlogMessagesMax }),
    ...(retained ? { retained } : {}),
  }
}
