import { isReserved, Kind, RingbusError } from '../../protocol/index.js'
import type { LoanPublishOptions, PublishOptions } from '../options.js'
import type { LoanContent } from '../rings/loan.js'
import type { Barriers } from './barriers.js'
import {
  HARD_BYTES,
  nothingMoreIsKept,
  OUTBOX_BYTES_MAX,
  outboxIsFull,
  requestsAreFull,
  SOFT_BYTES,
  TOGETHER_SOFT_BYTES,
  topicIsFull,
} from './limits.js'
import type { Outbox } from './outbox.js'
import { Pauses } from './pauses.js'
import type { Sender } from './sender.js'
import type { TopicQueue } from './topic-queue.js'

/** Publishes, and tells publishers when to pause and when to go on. */
export class Publisher {
  readonly #outbox: Outbox
  readonly #sender: Sender
  /** The most that is kept while there is no connection. */
  readonly #keptBytesMax: number
  readonly #drained: (topic: string) => void
  /** Until less of the topic waits, and it may leave. */
  readonly #topicPauses = new Pauses()
  /** Until less of everything waits for the socket, and the turn is over that has written enough. */
  readonly #outboxPauses = new Pauses()
  /** Until the ring has room. */
  readonly #ringPauses = new Pauses()
  /** Messages that went the direct way since the start. */
  #direct = 0
  /** Of what was sent, how much the broker is known to have routed. */
  #routed = 0
  /** How many times messages may have been lost with a connection. */
  #losses = 0
  #lossUnreported = false

  constructor(outbox: Outbox, sender: Sender, keptBytesMax: number, drained: (topic: string) => void) {
    this.#outbox = outbox
    this.#sender = sender
    this.#keptBytesMax = keptBytesMax
    this.#drained = drained
  }

  publish(topic: string, data: unknown, options: PublishOptions | undefined): boolean {
    const outbox = this.#outbox
    const queue = outbox.isDirect ? undefined : this.#queueFor(topic)
    if (queue !== undefined) return this.#queued(queue, this.#sender.enqueue(queue, data, options))
    const alias = outbox.aliases.find(topic)
    if (isReserved(topic)) throw reservedError(topic)
    return this.#sent(topic, this.#sender.sendTo(Kind.MESSAGE, alias, 0, 0, data, options))
  }

  /** Publishes what was lent. */
  publishLoan(loan: LoanContent, options: LoanPublishOptions): boolean {
    const { topic } = loan
    const queue = this.#outbox.isDirect ? undefined : this.#queueFor(topic)
    if (queue !== undefined)
      return this.#queued(queue, this.#sender.sendLoan(queue.alias, loan, options, queue))
    return this.#sent(topic, this.#sender.sendLoan(this.#outbox.aliases.find(topic), loan, options))
  }

  /** Throws BACKPRESSURE when no more requests may wait. */
  checkRequestRoom(topic: string): void {
    if (!this.#outbox.isConnected) return this.#checkKept(topic)
    const { orderedBytes } = this.#outbox
    if (orderedBytes >= HARD_BYTES) throw requestsAreFull(topic, orderedBytes)
  }

  /** Resolves when `topic` may be published again: at once if nothing asked for a pause. */
  async ready(topic: string): Promise<void> {
    await this.#topicPauses.over(topic)
    await this.#outboxPauses.over(topic)
    await this.#ringPauses.over(topic)
  }

  /** Some of what waited has left, or may leave: those who waited for that may go on. */
  resume(): void {
    const { queues } = this.#outbox
    for (const queue of queues.takeEased()) {
      if (!queue.isAwaited || !queue.mayLeave || queue.waitingBytes > SOFT_BYTES / 2) continue
      queue.isAwaited = false
      if (this.#topicPauses.end(queue.topic)) this.#goOn(queue.topic)
    }
    if (this.#outboxPauses.isEmpty || this.#outbox.isTurnSpent) return
    if (this.#outbox.orderedBytes > SOFT_BYTES / 2 || queues.unpausedCostBytes > TOGETHER_SOFT_BYTES / 2)
      return
    for (const topic of this.#outboxPauses.endAll()) this.#goOn(topic)
  }

  /** The ring has room, or there is none to wait for. */
  ringHasRoom(): void {
    for (const topic of this.#ringPauses.endAll()) this.#goOn(topic)
  }

  /**
   * Resolves once the broker has routed everything published before, paused messages included; rejects DISCONNECTED when
   * it may not have. While topics are paused, what has left already is confirmed first: then the loss of the connection,
   * such as the end of a broker that has paused everybody, does not put in doubt what still waits here.
   */
  async flush(barriers: Barriers): Promise<void> {
    if (this.#lossUnreported) {
      this.#lossUnreported = false
      throw lossError()
    }
    const { queues } = this.#outbox
    if (queues.isEmpty) return await this.#confirm(barriers)
    const losses = this.#losses
    const left = queues.flushPoints.whenLeft()
    const isDoubtful = queues.hasPauses && this.#departures > this.#routed
    await (isDoubtful ? Promise.all([this.#confirm(barriers), left]) : left)
    if (this.#losses > losses) throw lossError()
    await this.#confirm(barriers)
  }

  /** The connection is gone, and what was sent may have gone with it: the next flush must not say otherwise. */
  disconnected(lostMessages: number): void {
    if (this.#departures > this.#routed || lostMessages > 0) {
      this.#lossUnreported = true
      this.#losses += 1
      this.#outbox.queues.flushPoints.fail(lossError())
    }
    this.#routed = this.#departures
  }

  /** Nobody will publish any more. */
  close(error: RingbusError): void {
    this.#outbox.queues.flushPoints.fail(error)
    this.#topicPauses.fail(error)
    this.#outboxPauses.fail(error)
    this.#ringPauses.fail(error)
  }

  /** What has left: messages of the direct way, and what queues handed over. */
  get #departures(): number {
    return this.#direct + this.#outbox.queues.handOvers
  }

  async #confirm(barriers: Barriers): Promise<void> {
    const sent = this.#departures
    await barriers.pass()
    this.#routed = Math.max(this.#routed, sent)
  }

  /** The queue that a message of this topic has to enter; undefined: none. Throws BACKPRESSURE, BAD_TOPIC. */
  #queueFor(topic: string): TopicQueue | undefined {
    const outbox = this.#outbox
    const { queues } = outbox
    const queue = queues.find(topic)
    if (outbox.isOpen && queue?.isPaused !== true) return undefined
    if (!outbox.isConnected) {
      this.#checkKept(topic)
    } else if (queue !== undefined && queue.waitingBytes >= HARD_BYTES) {
      throw topicIsFull(topic, queue.waitingBytes, queue.isPaused)
    } else if (queues.costBytes >= OUTBOX_BYTES_MAX) {
      throw outboxIsFull(topic, queues.costBytes, queue?.isPaused === true)
    }
    if (queue !== undefined) return queue
    if (isReserved(topic)) throw reservedError(topic)
    return queues.open(topic)
  }

  #checkKept(topic: string): void {
    const { waitingBytes } = this.#outbox
    if (waitingBytes >= this.#keptBytesMax) throw nothingMoreIsKept(topic, waitingBytes, this.#keptBytesMax)
  }

  /** Whether the next message is welcome, after one of this length that went the direct way; 0: that found no room. */
  #sent(topic: string, writtenBytes: number): boolean {
    if (writtenBytes > 0) this.#direct += 1
    const isPassable = this.#outbox.isDirect || this.#isPassable(topic)
    return this.#sender.ringIsShort ? this.#ringIsShort(topic, writtenBytes) : isPassable
  }

  /** The same after one that entered a queue. */
  #queued(queue: TopicQueue, writtenBytes: number): boolean {
    const hasRoom = this.#hasRoom(queue)
    return this.#sender.ringIsShort ? this.#ringIsShort(queue.topic, writtenBytes) : hasRoom
  }

  /** The next message is not welcome. Throws BACKPRESSURE when this one was not written at all. */
  #ringIsShort(topic: string, writtenBytes: number): false {
    this.#sender.ringIsShort = false
    this.#ringPauses.add(topic)
    if (writtenBytes > 0) return false
    throw new RingbusError(
      'BACKPRESSURE',
      `The ring has no room for the payload, which is too large for a frame: await ready("${topic}"), or use \`loan\``,
      { details: { topic } },
    )
  }

  /** Whether more may enter a queue. */
  #hasRoom(queue: TopicQueue): boolean {
    if (queue.waitingBytes > SOFT_BYTES) {
      queue.isAwaited = true
      this.#topicPauses.add(queue.topic)
      return false
    }
    if (this.#outbox.queues.unpausedCostBytes <= TOGETHER_SOFT_BYTES) return true
    this.#outboxPauses.add(queue.topic)
    return false
  }

  /** Whether more may go the direct way, after a message that may have been very large, or one of very many. */
  #isPassable(topic: string): boolean {
    if (this.#outbox.orderedBytes <= SOFT_BYTES && !this.#outbox.isTurnSpent) return true
    this.#outboxPauses.add(topic)
    return false
  }

  #goOn(topic: string): void {
    if (this.#topicPauses.has(topic) || this.#outboxPauses.has(topic) || this.#ringPauses.has(topic)) return
    this.#drained(topic)
  }
}

function lossError(): RingbusError {
  return new RingbusError(
    'DISCONNECTED',
    'The connection was lost before everything that was published had been routed; some of it may be lost',
  )
}

export function reservedError(topic: string): RingbusError {
  return new RingbusError('TOPIC_RESERVED', `"${topic}" belongs to the broker`, { details: { topic } })
}
