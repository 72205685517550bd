import { RingbusError } from '../../protocol/index.js'
import { asyncDispose, dispose } from '../dispose.js'
import type { Message } from '../inbound/message.js'
import { IteratedSubscription } from './iterated-subscription.js'
import type { SubscriptionMember } from './subscription-member.js'

/**
 * A subscription. Its messages go to the handler that `subscribe` was given, or else to the one iterator that it
 * may have; with neither, nothing comes. `using` ends it at once, `await using` after what is still queued.
 */
export class Subscription<T = unknown> implements AsyncIterable<Message<T>>, Disposable, AsyncDisposable {
  readonly #member: SubscriptionMember

  /** @internal */
  constructor(member: SubscriptionMember) {
    this.#member = member
  }

  /** The pattern subscribed to. */
  get pattern(): string {
    return this.#member.pattern
  }

  /** The queue group, if it is in one. */
  get group(): string | undefined {
    return this.#member.group
  }

  /**
   * Resolves once the broker has accepted the subscription: what is published from then on arrives. Rejects
   * with BAD_PATTERN or SUBSCRIPTION_LIMIT when it is refused; if nobody asked, the refusal is an `error` event.
   */
  get ready(): Promise<void> {
    return this.#member.ready
  }

  /**
   * Ends the subscription after everything that the broker still has for it; resolves when that is handled.
   * What the broker cannot send any more, because the connection is lost, is lost.
   */
  async drain(): Promise<void> {
    this.#member.drain()
    await this.#member.whenEnded
    await this.#member.whenIdle()
  }

  /** Ends the subscription. Messages that wait are dropped, and an iteration ends; handlers that run go on. */
  unsubscribe(): void {
    this.#member.leave()
  }

  /**
   * Iterates over the messages. A message counts as handled at the next step; `break` unsubscribes. Throws
   * INVALID_ARGUMENT for a second iterator, and when there is a handler.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message<T>> {
    if (this.#member instanceof IteratedSubscription) return this.#member[Symbol.asyncIterator]()
    throw new RingbusError('INVALID_ARGUMENT', `The subscription to "${this.pattern}" has a handler`)
  }

  [dispose](): void {
    this.unsubscribe()
  }

  async [asyncDispose](): Promise<void> {
    await this.drain()
  }
}
