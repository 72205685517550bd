import { Message } from '../inbound/message.js'
import type { Run } from '../inbound/run-queue.js'
import type { MemberContext } from '../members/member.js'
import type { RingPayload } from '../rings/ring-payload.js'
import { isThenable } from '../thenable.js'
import type { InboxBudget } from './inbox-budget.js'
import { SubscriptionMember, type SubscriptionSettings } from './subscription-member.js'

/** Handles one message; when it returns a promise, the message is handled once that has settled. */
export type MessageHandler<T> = (message: Message<T>) => unknown

/** A subscription whose messages go to a function. */
export class HandledSubscription<T> extends SubscriptionMember {
  readonly #handler: MessageHandler<T>
  #busyHandlers = 0
  /** While its handler is on the stack, where it may end the subscription. */
  #isHandling = false

  constructor(
    context: MemberContext,
    budget: InboxBudget,
    id: number,
    settings: SubscriptionSettings,
    handler: MessageHandler<T>,
  ) {
    super(context, budget, id, settings, settings.concurrency)
    this.#handler = handler
    this.credit.open()
  }

  protected override get isBusy(): boolean {
    return this.#isHandling || this.#busyHandlers > 0
  }

  protected override handle(run: Run, start: number, length: number, payload: RingPayload | undefined): void {
    const message = new Message<T>(run.memory, start, length, run.topic, payload)
    const epoch = run.epoch
    this.#isHandling = true
    try {
      const result = this.#handler(message)
      this.#isHandling = false
      if (isThenable(result)) {
        this.#await(result, message, length, epoch)
        return
      }
    } catch (error) {
      this.#isHandling = false
      this.failed(message.topic, error)
    }
    if (payload !== undefined) message.release()
    this.finish(length, epoch)
  }

  #await(result: PromiseLike<unknown>, message: Message<T>, length: number, epoch: number): void {
    const { inbox } = this.context
    inbox.take(this)
    this.#busyHandlers += 1
    this.busyBytes += length
    const done = () => {
      this.#busyHandlers -= 1
      this.busyBytes -= length
      message.release()
      this.finish(length, epoch)
      inbox.give(this)
      inbox.resume()
    }
    result.then(done, (error: unknown) => {
      this.failed(message.topic, error)
      done()
    })
  }
}
