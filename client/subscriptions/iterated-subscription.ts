import { RingbusError } from '../../protocol/index.js'
import { Message } from '../inbound/message.js'
import type { Run } from '../inbound/run-queue.js'
import type { MemberContext } from '../members/member.js'
import type { RingPayload } from '../rings/ring-payload.js'
import type { InboxBudget } from './inbox-budget.js'
import { SubscriptionMember, type SubscriptionSettings } from './subscription-member.js'

type Step<T> = IteratorResult<Message<T>, undefined>

/** Somebody waits for the next step. */
interface Waiter<T> {
  readonly resolve: (step: Step<T>) => void
  readonly reject: (error: RingbusError) => void
}

/**
 * A subscription whose messages are fetched by an iterator. Nothing comes before there is one. Each waiting
 * `next` is a free slot; the message that it gets counts as handled at the call of `next` or `return` after it.
 */
export class IteratedSubscription<T> extends SubscriptionMember implements AsyncIterableIterator<Message<T>> {
  #started = false
  #waiting: Waiter<T>[] = []
  /** The messages that the loop has and has not come back from. */
  #given: { readonly message: Message<T>; readonly length: number; readonly epoch: number }[] = []
  #error: RingbusError | undefined

  constructor(context: MemberContext, budget: InboxBudget, id: number, settings: SubscriptionSettings) {
    super(context, budget, id, settings, 0)
  }

  /** Starts the one iteration that there can be. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message<T>> {
    if (this.#started) {
      throw new RingbusError('INVALID_ARGUMENT', `The subscription to "${this.pattern}" is iterated already`)
    }
    this.#started = true
    if (!this.#isClosed) this.openWindow()
    return this
  }

  /** Without anybody to take messages, there is no point in waiting for them. */
  override drain(): void {
    if (this.#started) super.drain()
    else this.leave()
  }

  next(): Promise<Step<T>> {
    this.#finishGiven()
    if (this.#isClosed) return this.#end()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.context.inbox.widen(this)
      this.context.inbox.resumeSoon()
    })
  }

  async return(): Promise<Step<T>> {
    this.#finishGiven()
    this.leave()
    return { done: true, value: undefined }
  }

  protected override get isBusy(): boolean {
    return this.#given.length > 0
  }

  protected override handle(run: Run, start: number, length: number, payload: RingPayload | undefined): void {
    this.context.inbox.take(this)
    const message = new Message<T>(run.memory, start, length, run.topic, payload)
    this.#given.push({ message, length, epoch: run.epoch })
    this.busyBytes += length
    this.#waiting.shift()!.resolve({ done: false, value: message })
  }

  protected override get hearsOfRefusal(): boolean {
    return this.#started
  }

  protected override closed(error: RingbusError | undefined): void {
    const [first, ...others] = this.#waiting
    this.#waiting = []
    this.freeSlots = 0
    // Whoever waited first hears of the reason, or whoever asks next.
    if (first === undefined) this.#error = error
    else if (error === undefined) first.resolve({ done: true, value: undefined })
    else first.reject(error)
    for (const waiter of others) waiter.resolve({ done: true, value: undefined })
  }

  get #isClosed(): boolean {
    return this.state === 'leaving' || this.state === 'settling' || this.state === 'ended'
  }

  #finishGiven(): void {
    for (const { message, length, epoch } of this.#given.splice(0)) {
      message.release()
      this.busyBytes -= length
      this.finish(length, epoch)
      this.context.inbox.release()
    }
  }

  #end(): Promise<Step<T>> {
    const error = this.#error
    this.#error = undefined
    return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error)
  }
}
