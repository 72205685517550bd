import { encodeBody, hasExpired, Kind, paddedLength, RingbusError, readU32 } from '../../protocol/index.js'
import type { Run } from '../inbound/run-queue.js'
import { Member, type MemberContext } from '../members/member.js'
import { CreditWindow } from './credit-window.js'
import type { InboxBudget } from './inbox-budget.js'

export interface SubscriptionSettings {
  readonly pattern: string
  readonly group: string | undefined
  readonly concurrency: number
}

/** A subscription as the client keeps it. How a message is handled, its heirs say. */
export abstract class SubscriptionMember extends Member {
  readonly frameKind = Kind.MESSAGE
  readonly group: string | undefined
  protected readonly credit: CreditWindow
  /** Frame bytes of the messages that are being handled. */
  protected busyBytes = 0

  constructor(
    context: MemberContext,
    budget: InboxBudget,
    id: number,
    settings: SubscriptionSettings,
    slots: number,
  ) {
    super(context, id, settings.pattern, slots)
    this.group = settings.group
    this.credit = new CreditWindow(budget)
  }

  protected abstract handle(run: Run, start: number, length: number): void

  enrol(): void {
    const body = {
      pattern: this.pattern,
      window: this.credit.reset(this.#heldBytes()),
      ...(this.group === undefined ? {} : { group: this.group }),
    }
    this.context.outbox.control(Kind.SUBSCRIBE, 0, this.id, encodeBody(Kind.SUBSCRIBE, body))
  }

  override start(run: Run, start: number, length: number): void {
    if (hasExpired(run.bytes, start)) {
      if (this.credit.expired(length, run.epoch === this.epoch)) this.reportCredit()
    } else {
      this.handle(run, start, length)
    }
  }

  /** Whoever handles a message calls this when it is done. */
  protected finish(length: number, epoch: number): void {
    if (this.credit.finished(length, epoch === this.epoch)) this.reportCredit()
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

  override discarded(length: number): void {
    if (this.credit.discarded(length)) this.reportCredit()
  }

  /** The broker shares a group's messages out by what each member has on its hands, so an idle one says so. */
  override emptied(): void {
    if (this.group !== undefined && this.credit.hasUnreported) this.reportCredit()
    super.emptied()
  }

  protected reportCredit(): void {
    if (!this.context.outbox.isConnected) return
    if (this.state === 'finishing' || this.state === 'ended') return
    this.context.outbox.control(Kind.CREDIT, 0, this.id, encodeBody(Kind.CREDIT, this.credit.report()))
  }

  protected override askToDrain(): void {
    this.context.outbox.control(Kind.UNSUBSCRIBE, 0, this.id, encodeBody(Kind.UNSUBSCRIBE, { drain: true }))
  }

  protected override askToLeave(): void {
    this.context.outbox.control(Kind.UNSUBSCRIBE, 0, this.id)
  }

  protected override gone(): void {
    this.credit.close()
  }

  #heldBytes(): number {
    let bytes = this.busyBytes
    for (const run of this.runs()) {
      for (let start = run.start; start < run.end; ) {
        const length = readU32(run.bytes, start)
        bytes += length
        start += paddedLength(length)
      }
    }
    return bytes
  }
}
