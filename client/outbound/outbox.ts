import { type ByteSink, FrameWriter, Kind, type MessageHead, RingbusError } from '../../protocol/index.js'
import { Aliases } from './aliases.js'
import { SendTimes } from './send-times.js'
import type { TopicQueue } from './topic-queue.js'
import { type Exit, type QueuedClaims, TopicQueues } from './topic-queues.js'

/** Smaller pieces of queues are copied to leave together: a write of its own costs more than a copy of that much. */
const PIECE_BYTES_MIN = 16 * 1024

/** From the queues, so much leaves in one turn of the event loop at most, even if the system would take more. */
const TURN_BYTES_MAX = 4 * 1024 * 1024

/**
 * So many requests, replies and their like leave at once, and not as the turn ends: each takes all who handle it long enough
 * that they had better work side by side than hand one batch around, in which case only one of them ever works.
 */
const EXCHANGES_MAX = 32

/**
 * Once so much was written in a turn, publishers are asked to wait for another: whoever publishes on and on, and whose bytes
 * are taken as fast, would never come to read that the broker has paused a topic. [FLOW-2]
 */
const WRITTEN_BYTES_MAX = 2 * 1024 * 1024

/**
 * So many messages of a turn may be stamped with the time of their sending: so that topics that are never the first to be
 * published have their turn, and the rest of a burst costs nothing.
 */
const LOOKS_PER_TURN = 16

/** Where frames leave: the way to the broker while there is one. */
export interface Outlet extends ByteSink {
  /** Sends `bytes` as well, but false only lends them, until the outlet has passed everything on. */
  borrow(bytes: Buffer): boolean
  /** Bytes written that the system has not taken yet. */
  readonly queuedBytes: number
}

/**
 * Everything that a client sends. While nothing waits, all frames go one way, in order: those written in one turn leave
 * in one write, at the end of the turn, and at once past 64 KiB. Messages have another way beside it for when the outlet
 * has more than the system takes, when there is no connection, and when the broker has paused their topic:
 *
 *   open       every frame → writer → outlet
 *   congested  messages → queues; the rest → writer → outlet. Once the outlet has passed everything on: the writer's
 *              frames, then those of the queues by priority, until it is congested again
 *   away       messages → queues; the rest → writer → kept, to begin the next connection with
 *   paused     the messages of that topic → their queue, until the broker lets them go
 *
 * So requests, replies and control frames keep their order among themselves: TOPIC comes before what bears its alias,
 * CANCEL after its REQUEST. And they overtake messages that wait. Nobody can tell: messages and requests go to different
 * handlers, and what must not overtake messages waits for them. FLUSH is written when all that was published before has
 * left the queues, and RETIRED and ABORT follow the frames of their ring, since a claim is open until its frame has left.
 *
 * Messages keep their order within a topic and priority, for nothing goes the direct way before everything has left the
 * queues that may leave.
 */
export class Outbox implements ByteSink, Exit {
  readonly aliases = new Aliases((alias, topic) => this.#bind(alias, topic))
  readonly queues: TopicQueues
  readonly sendTimes = new SendTimes()
  /** Whether messages of every topic go straight to the writer. */
  isDirect = false
  readonly #writer = new FrameWriter(this)
  readonly #eased: () => void
  #outlet: Outlet | undefined
  #kept: Buffer[] = []
  #keptBytes = 0
  /** What the outlet could not pass on at the last write; more may be gone by now. */
  #queuedBytes = 0
  #flushQueued = false
  /** Frames other than messages since the last flush. */
  #exchanges = 0
  /** Bytes written since a turn was over; nobody looks at turns before they are half of what one may have. */
  #writtenBytes = 0
  #turnAwaited = false
  /** Message frames of this turn that are still to be looked at. None: a flush is queued, or will come. */
  #looksLeft = LOOKS_PER_TURN

  /** `eased` is called when less waits than before, or a pause is over. */
  constructor(claims: QueuedClaims, eased: () => void) {
    this.queues = new TopicQueues(this.aliases, this, claims)
    this.#eased = eased
  }

  get isConnected(): boolean {
    return this.#outlet !== undefined
  }

  /** Whether messages go straight to the writer, but those of paused topics. */
  get isOpen(): boolean {
    return this.#outlet !== undefined && this.#queuedBytes === 0 && !this.queues.isReady
  }

  /** Whether this turn of the event loop has written what it may: what the broker says is to be read first. */
  get isTurnSpent(): boolean {
    return this.#writtenBytes >= WRITTEN_BYTES_MAX
  }

  /** Bytes that wait outside the queues, in memory of this process. */
  get orderedBytes(): number {
    return this.#queuedBytes + this.#keptBytes + this.#writer.pendingBytes
  }

  /** Bytes that wait here, in memory of this process. */
  get waitingBytes(): number {
    return this.orderedBytes + this.queues.costBytes
  }

  control(kind: number, topic: number, id: number, body?: Uint8Array): void {
    this.#writer.control(kind, topic, id, body)
    if (!this.#flushQueued) this.#queueFlush()
  }

  /**
   * Writes a message frame; returns its length without padding. All frames are described by one head, whose time of
   * sending is set here.
   */
  message(head: MessageHead, payload: Uint8Array | string): number {
    if (this.#looksLeft > 0) this.#look(head)
    const length = this.#writer.message(head, payload)
    if (head.kind !== Kind.MESSAGE) this.#noteExchange()
    return length
  }

  /** Writes a message frame to the queue of its topic; returns its length without padding. */
  enqueue(queue: TopicQueue, head: MessageHead, payload: Uint8Array | string, ringBytes: number): number {
    if (this.#looksLeft > 0) this.#look(head)
    const length = this.queues.write(queue, head, payload, ringBytes)
    if (this.#queuedBytes === 0 && this.queues.isReady) {
      this.isDirect = false
      this.#queueFlush()
    }
    return length
  }

  /** The writer's way out. */
  write(bytes: Buffer): boolean {
    if (this.#outlet === undefined) {
      this.#kept.push(bytes)
      this.#keptBytes += bytes.length
      return false
    }
    const isFree = this.#outlet.write(bytes)
    this.#noteWritten(bytes.length)
    this.#noteQueued(this.#outlet)
    return isFree
  }

  /** The way out of the queues: behind what the writer has. */
  send(bytes: Buffer, start: number, end: number): boolean {
    if (end - start < PIECE_BYTES_MIN) {
      this.#writer.append(bytes, start, end)
      return true
    }
    this.#writer.flush()
    const outlet = this.#outlet!
    const isFree = outlet.borrow(bytes.subarray(start, end))
    this.#noteQueued(outlet)
    return isFree
  }

  /** Hands over what is written and what may leave the queues, unless the outlet has more already than the system takes. */
  flush(): void {
    if (this.#outlet === undefined || this.#queuedBytes > 0) return
    this.#exchanges = 0
    this.#writer.flush()
    if (this.queues.isReady) this.#empty()
    this.#update()
    this.sendTimes.endTurn()
    this.#looksLeft = LOOKS_PER_TURN
  }

  /** The outlet has passed everything on. */
  drained(): void {
    this.#queuedBytes = 0
    this.queues.memoryReturned()
    this.flush()
    this.#eased()
  }

  /** PAUSE. [WIRE-2.8] */
  pause(alias: number, bindingsRead: number): void {
    this.queues.pause(alias, bindingsRead)
    this.#update()
  }

  /** RESUME. [WIRE-2.8] */
  resume(alias: number, allowanceBytes: number): void {
    this.queues.resume(alias, allowanceBytes)
    this.#update()
    this.#queueFlush()
  }

  /**
   * A new connection: sends what `begin` writes, then what was kept; the queues follow in this turn. Throws when the
   * broker offers fewer aliases than the kept frames use; those are lost then.
   */
  connect(outlet: Outlet, aliasesMax: number, begin: () => void): void {
    this.#writer.flush()
    const kept = this.#kept
    this.#kept = []
    this.#keptBytes = 0
    this.#outlet = outlet
    begin()
    this.#writer.flush()
    this.#update()
    this.#queueFlush()
    this.aliases.capacity = aliasesMax
    if (this.aliases.count > aliasesMax) {
      this.aliases.reset()
      throw new RingbusError(
        'ALIAS_OUT_OF_RANGE',
        `The broker offers ${aliasesMax} aliases, fewer than the requests use that were kept for it; they are lost`,
      )
    }
    for (const bytes of kept) this.write(bytes)
  }

  /** The connection is gone, and with it what it had not passed on. Returns how many queued messages are lost as well. */
  disconnect(): number {
    this.#outlet = undefined
    this.#queuedBytes = 0
    this.#writer.discard()
    const lost = this.queues.connectionLost()
    this.aliases.reset()
    this.#update()
    return lost
  }

  /** Drops what waits: there will be no other connection. */
  discard(): void {
    this.queues.clear()
    this.disconnect()
    this.#kept = []
    this.#keptBytes = 0
  }

  /** The most urgent first, until the outlet has more than the system takes. */
  #empty(): void {
    const bytesMin = this.queues.costBytes - TURN_BYTES_MAX
    while (this.#queuedBytes === 0 && this.queues.costBytes > bytesMin && this.queues.leave());
    if (this.#queuedBytes > 0) return
    this.#writer.flush()
    if (this.queues.isReady && !this.#flushQueued) {
      this.#flushQueued = true
      setImmediate(this.#flushTurn)
    }
  }

  /** Chooses whether a frame is stamped. The last one that is looked at is not, and so none of those that follow. */
  #look(head: MessageHead): void {
    this.#looksLeft -= 1
    const mayBeStamped = this.#looksLeft > 0 && head.kind === Kind.MESSAGE
    head.sentAtNs = mayBeStamped ? this.sendTimes.timeFor(head.topic) : 0
    this.#queueFlush()
  }

  #noteExchange(): void {
    this.#exchanges += 1
    if (this.#exchanges < EXCHANGES_MAX || this.#outlet === undefined || this.#queuedBytes > 0) return
    this.#exchanges = 0
    this.#writer.flush()
  }

  #noteWritten(bytes: number): void {
    this.#writtenBytes += bytes
    if (this.isTurnSpent) this.isDirect = false
    if (this.#turnAwaited || this.#writtenBytes * 2 < WRITTEN_BYTES_MAX) return
    this.#turnAwaited = true
    // A turn that begins in the middle of reading comes round to reading in the turn after next.
    setImmediate(() => setImmediate(this.#turnOver))
  }

  readonly #turnOver = (): void => {
    this.#turnAwaited = false
    this.#writtenBytes = 0
    this.#update()
    this.#eased()
  }

  #noteQueued({ queuedBytes }: Outlet): void {
    this.#queuedBytes = queuedBytes
    if (queuedBytes > 0) this.isDirect = false
  }

  #bind(alias: number, topic: string): void {
    this.control(Kind.TOPIC, alias, 0, Buffer.from(topic))
    this.queues.endPause(alias)
  }

  #update(): void {
    this.isDirect = this.isOpen && !this.queues.hasPauses && !this.isTurnSpent
  }

  /** Small writes that would queue behind others, or wait for a connection, are gathered in full batches. */
  #queueFlush(): void {
    if (this.#flushQueued || this.#outlet === undefined || this.#queuedBytes > 0) return
    this.#flushQueued = true
    queueMicrotask(this.#flushTurn)
  }

  readonly #flushTurn = (): void => {
    this.#flushQueued = false
    this.flush()
    this.#eased()
  }
}
