import type { RingbusError } from '../../protocol/index.js'
import { Message } from '../inbound/message.js'
import type { Run } from '../inbound/run-queue.js'
import type { MemberContext } from '../members/member.js'
import type { RingPayload } from '../rings/ring-payload.js'
import type { InboxBudget } from '../subscriptions/inbox-budget.js'
import { SubscriptionMember, type SubscriptionSettings } from '../subscriptions/subscription-member.js'

/** Where the messages of a streamed subscription go. */
export interface MessageSink<T> {
  /** Messages that were given and not taken. */
  readonly waiting: number
  /** Takes a message; true when it is out of the sink already, and the next one is welcome. */
  give(message: Message<T>): boolean
  /** No message will follow; `error` says why, if it was not the user's wish. */
  end(error: RingbusError | undefined): void
}

/**
 * Whether the stream wants a message:
 *
 *   unasked ──ask──> asked ──(a message)──> giving ──(asked on meanwhile)──> asked
 *                      ↑                      └──(not asked on)──> full ──ask──┐
 *                      └───────────────────────────────────────────────────────┘
 *
 *   unasked  nobody reads yet, so there is no credit
 *   asked    one slot is free
 *   full     none is
 *   closed   from any state: no message will follow
 */
type Demand = 'unasked' | 'asked' | 'giving' | 'full' | 'closed'

/** A subscription whose messages go into a stream, one whenever it asks. What it was asked beyond counts as handled. */
export class StreamedSubscription<T> extends SubscriptionMember {
  readonly #sink: MessageSink<T>
  #demand: Demand = 'unasked'
  /** The messages in the sink, and the last ones that were taken out, in order. */
  readonly #given: { readonly length: number; readonly epoch: number }[] = []

  constructor(
    context: MemberContext,
    budget: InboxBudget,
    id: number,
    settings: SubscriptionSettings,
    sink: MessageSink<T>,
  ) {
    super(context, budget, id, settings, 0)
    this.#sink = sink
  }

  /** The sink wants a message. */
  ask(): void {
    const before = this.#demand
    if (before === 'asked' || before === 'closed') return
    this.#demand = 'asked'
    const { inbox } = this.context
    if (before === 'giving') return
    if (before === 'unasked') this.openWindow()
    else inbox.release()
    inbox.widen(this)
    // Code of the user is on the stack.
    inbox.resumeSoon()
  }

  /** Somebody wants what follows all that was taken out of the sink: that is handled. */
  askedBeyond(): void {
    const given = this.#given
    if (given.length === 0) return
    while (given.length > this.#sink.waiting) {
      const { length, epoch } = given.shift()!
      this.busyBytes -= length
      this.finish(length, epoch)
    }
    if (this.mask === 0) this.emptied()
  }

  /** Nobody will take what is in the sink. */
  abandon(): void {
    this.askedBeyond()
    for (const { length, epoch } of this.#given.splice(0)) {
      this.busyBytes -= length
      this.discard(length, epoch)
    }
    this.leave()
  }

  /** Without anybody to take messages, there is no point in waiting for them. */
  override drain(): void {
    if (this.#demand === 'unasked') this.leave()
    else super.drain()
  }

  protected override get isBusy(): boolean {
    return this.#given.length > 0
  }

  protected override handle(run: Run, start: number, length: number, payload: RingPayload | undefined): void {
    this.#given.push({ length, epoch: run.epoch })
    this.busyBytes += length
    this.#demand = 'giving'
    const isWelcome = this.#sink.give(new Message<T>(run.memory, start, length, run.topic, payload))
    this.#gave(isWelcome)
  }

  #gave(isWelcome: boolean): void {
    if (isWelcome) {
      if (this.#demand === 'giving') this.#demand = 'asked'
      this.askedBeyond()
    } else if (this.#demand === 'giving') {
      this.#demand = 'full'
      this.context.inbox.take(this)
    }
  }

  protected override get hearsOfRefusal(): boolean {
    return true
  }

  protected override closed(error: RingbusError | undefined): void {
    if (this.#demand === 'full') this.context.inbox.release()
    this.#demand = 'closed'
    this.freeSlots = 0
    this.#sink.end(error)
  }
}
