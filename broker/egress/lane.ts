import { controlFrame, Kind } from '../../protocol/index.js'
import type { Backlog } from './backlog.js'

/**
 * One way into a client: a subscription, a service, or the client's replies. An outbox sends from its lanes by
 * priority, and in turn within one priority.
 */
export class Lane {
  /** Bytes of frames that may still be sent; at most one frame below zero. [CREDIT-2] */
  credit: number
  /** Frames sent; a subscription takes off what its client reports as handled. */
  inFlight = 0
  /** Frames dropped here because their expiry had passed. */
  expired = 0
  /** Frames whose payload lies in a ring that the client cannot map, and is too large to go by socket. */
  unsendable = 0
  /** Made when the first frame has to wait. */
  backlog: Backlog | undefined
  /** The levels at which the outbox has this lane in its round; a subset of the backlog's. */
  listedMask = 0
  /** The levels whose next frame lies in a ring and must wait: they are in no round until the lane is unblocked. */
  blockedMask = 0
  readonly #id: number
  #deliverFrame: Buffer | undefined

  /** `id` 0 is the lane of replies, which name their request themselves. */
  constructor(id: number, credit: number) {
    this.#id = id
    this.credit = credit
  }

  get id(): number {
    return this.#id
  }

  get queuedMessages(): number {
    return this.backlog?.messages ?? 0
  }

  get queuedBytes(): number {
    return this.backlog?.bytes ?? 0
  }

  /** The frame that turns the client's stream to this lane. [SUB-4] */
  get deliverFrame(): Buffer {
    this.#deliverFrame ??= controlFrame(Kind.DELIVER, 0, this.#id)
    return this.#deliverFrame
  }

  /** Whether frames wait until their payload can go by ring; otherwise it goes by socket rather than wait. */
  get waitsForRing(): boolean {
    return false
  }

  /** Called as queued frames have left, the last one or not. */
  advanced(): void {}

  /** Called as the last queued frame has left. */
  emptied(): void {}
}
