import {
  encodeBody,
  hasExpired,
  isByRing,
  Kind,
  paddedLength,
  RingbusError,
  readU32,
} from '../../protocol/index.js'
import type { Run } from '../inbound/run-queue.js'
import { Member, type MemberContext } from '../members/member.js'
import type { RingPayload } from '../rings/ring-payload.js'
import { CreditWindow } from './credit-window.js'
import type { InboxBudget } from './inbox-budget.js'

export interface SubscriptionSettings {
  readonly pattern: string
  readonly group: string | undefined
  readonly concurrency: number
  /** Whether payloads by ring are read where they lie. */
  readonly view: boolean
}

/** A subscription as the client keeps it. How a message is handled, its heirs say. */
export abstract class SubscriptionMember extends Member {
  readonly frameKind = Kind.MESSAGE
  readonly group: string | undefined
  readonly #view: boolean
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
    this.#view = settings.view
    this.credit = new CreditWindow(budget)
  }

  /** `payload` is undefined when it lies within the frame. */
  protected abstract handle(run: Run, start: number, length: number, payload: RingPayload | undefined): void

  enrol(): void {
    const body = {
      pattern: this.pattern,
      window: this.credit.reset(this.#heldBytes()),
      ...(this.group === undefined ? {} : { group: this.group }),
    }
    this.context.outbox.control(Kind.SUBSCRIBE, 0, this.id, encodeBody(Kind.SUBSCRIBE, body))
  }

  override start(run: Run, start: number, length: number): void {
    if (isByRing(run.bytes, start)) {
      this.#startByRing(run, start, length)
    } else if (hasExpired(run.bytes, start)) {
      if (this.credit.expired(length, run.epoch === this.epoch)) this.reportCredit()
    } else {
      this.handle(run, start, length, undefined)
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

  override discarded(bytes: Buffer, start: number, length: number): void {
    super.discarded(bytes, start, length)
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

  #startByRing(run: Run, start: number, length: number): void {
    const { incoming } = this.context
    if (run.epoch !== this.epoch) {
      // Its memory went with the connection: the message is lost, as are those that were on their way.
      if (this.credit.discarded(length)) this.reportCredit()
    } else if (hasExpired(run.bytes, start)) {
      incoming.drop(run.bytes, start)
      if (this.credit.expired(length, true)) this.reportCredit()
    } else {
      let payload: RingPayload
      try {
        payload = incoming.take(run.bytes, start, run.topic, this.#view)
      } catch (error) {
        // There is no memory for the copy.
        this.failed(run.topic, error)
        this.finish(length, run.epoch)
        return
      }
      this.handle(run, start, length, payload)
    }
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
