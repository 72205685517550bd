import {
  controlFrame,
  type FrameRun,
  Kind,
  permits,
  permittedLevels,
  RESERVE_BYTES,
  spendable,
} from '../../protocol/index.js'
import { type Backlog, QUEUED_TOPIC_BYTES } from './backlog.js'
import { type Gauges, UNWATCHED } from './gauges.js'
import { LevelBacklog } from './level-backlog.js'
import type { TopicIds } from './topic-ids.js'

/**
 * Why a lane drops a frame: its expiry has passed; a newer one of the topic has come; or its payload lies in a ring that
 * the client cannot map, and is too large to go by socket.
 */
export type LaneDrop = 'expired' | 'replaced' | 'unsendable'

/**
 * One way into a client: a subscription, a service, or the client's replies. An outbox sends from its lanes by
 * priority, and in turn within one priority.
 */
export class Lane {
  /** Bytes of frames that may still be sent; urgent ones may overdraw it. [CREDIT-2] */
  credit: number
  /** What each priority may overdraw it by, beyond the one below; 0 until somebody takes messages. */
  reserveBytes: number
  /** Frames sent; a subscription takes off what its client reports as handled. */
  inFlight = 0
  /** Made when the first frame has to wait. */
  backlog: Backlog | undefined
  /** The levels at which the outbox has this lane in its round; a subset of the backlog's. */
  listedMask = 0
  /** The levels whose next frame lies in a ring and must wait: they are in no round until the lane is unblocked. */
  blockedMask = 0
  /** What counts its frames together with those of others. */
  readonly gauges: Gauges
  readonly #id: number
  #deliverFrame: Buffer | undefined

  /** `id` 0 is the lane of replies, which name their request themselves. */
  constructor(id: number, credit: number, gauges: Gauges = UNWATCHED) {
    this.#id = id
    this.credit = credit
    this.reserveBytes = credit > 0 ? RESERVE_BYTES : 0
    this.gauges = gauges
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

  /** The levels of queued frames that may leave now, were the client to read. */
  get sendableMask(): number {
    const { backlog } = this
    if (backlog === undefined) return 0
    return backlog.mask & ~this.blockedMask & permittedLevels(this.credit, this.reserveBytes)
  }

  /** Whether there is credit for a frame of this level. */
  permits(level: number): boolean {
    return permits(this.credit, level, this.reserveBytes)
  }

  /** Bytes with which frames of this level use up what they may: the one that comes to that is the last. */
  spendable(level: number): number {
    return spendable(this.credit, level, this.reserveBytes)
  }

  /** Bytes of memory that frames would take here if they had to wait. */
  costOf(run: FrameRun): number {
    return this.backlog?.costOf(run) ?? run.byteLength + QUEUED_TOPIC_BYTES
  }

  /** Adds credit. [CREDIT-3] */
  grant(bytes: number): void {
    this.credit += bytes
    if (bytes > 0) this.reserveBytes = RESERVE_BYTES
  }

  /** Whether frames wait until their payload can go by ring; otherwise it goes by socket rather than wait. */
  get waitsForRing(): boolean {
    return false
  }

  /** Called when the first frame has to wait. */
  newBacklog(topics: TopicIds): Backlog {
    return new LevelBacklog(topics, this.gauges)
  }

  /** Called for frames that are not sent although it was their turn, or that others have replaced. */
  dropped(_reason: LaneDrop, _messages: number): void {}

  /** Called as some of what was queued has left. */
  relieved(): void {}

  /** Called as the last queued frame has left. */
  emptied(): void {}
}
