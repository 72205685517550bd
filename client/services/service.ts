import { asyncDispose, dispose } from '../dispose.js'
import type { Member } from '../members/member.js'

/** A responder. `using` and `await using` stop it. */
export class Service implements Disposable, AsyncDisposable {
  readonly #member: Member

  /** @internal */
  constructor(member: Member) {
    this.#member = member
  }

  /** The pattern served. */
  get pattern(): string {
    return this.#member.pattern
  }

  /**
   * Resolves once the broker has accepted the service: requests made from then on reach it. Rejects with
   * BAD_PATTERN, TOPIC_RESERVED or SERVICE_LIMIT when it is refused; if nobody asked, that is an `error` event.
   */
  get ready(): Promise<void> {
    return this.#member.ready
  }

  /** Takes no more requests; resolves when those that it was given are answered. The broker reroutes the others. */
  async stop(): Promise<void> {
    this.#member.drain()
    await this.#member.whenEnded
    await this.#member.whenIdle()
  }

  [dispose](): void {
    void this.stop()
  }

  async [asyncDispose](): Promise<void> {
    await this.stop()
  }
}
