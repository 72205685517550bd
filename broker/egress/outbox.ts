import { FrameRun, hasExpired, Offset, readU32 } from '../../protocol/index.js'
import type { Backlog } from './backlog.js'
import { UsedBlocks } from './blocks.js'
import type { Channel } from './channel.js'
import { Eviction } from './eviction.js'
import { Gather } from './gather.js'
import { Lane } from './lane.js'
import { ReadyLanes } from './ready-lanes.js'
import type { RingGate } from './ring-gate.js'
import { StreamPosition } from './stream-position.js'
import type { TopicIds } from './topic-ids.js'
import type { WireTopic } from './wire-topic.js'

/** What one lane may send before the next one of its level has its turn. */
const TURN_BYTES = 16 * 1024

/** What is taken from backlogs for one write: more would only wait in the socket, where nothing overtakes it. */
const WRITE_BYTES = 64 * 1024

/** Writes that one client gets in a row while others wait; after them it queues up again. */
const WRITES_IN_A_ROW_MAX = 16

/**
 * What one read chunk may gather for a client before it is sent, and a run beyond. A chunk can bring out far more than
 * itself, by overlapping subscriptions or by questions to $SYS, and what the socket does not take must queue under
 * limits.
 */
const GATHER_BYTES_MAX = 1024 * 1024

/** Answers to control frames that a client has not read. Past this it floods, or does not read at all. */
const UNREAD_CONTROL_BYTES_MAX = 64 * 1024

/** The queued frames that are being sent: the time of a call, so that one serves all. */
const QUEUED = new FrameRun()

/** The broker's list of outboxes with something to send, emptied as each read chunk ends. */
export interface FlushList {
  add(outbox: Outbox): void
  /** The same, on a later turn of the loop. */
  addLater(outbox: Outbox): void
}

/** Why a client is let go that does not read what it must, or as fast as it said. */
export type OverflowCode = 'CONTROL_OVERFLOW' | 'OUTBOX_OVERFLOW' | 'SLOW_CONSUMER'

/** What a client is told when its socket takes it: made at that moment, so that nothing piles up. */
export interface Announcement {
  /** Undefined: there is nothing to tell any more. */
  announced(): Buffer | undefined
}

export interface OutboxEvents {
  /** The client does not read what it must: it is to be let go. */
  overflowed(code: OverflowCode, message: string): void
  /** The socket takes bytes again and nothing urgent is left: services may be given requests. */
  writable(): void
}

/**
 * What the broker sends to one client. While the socket takes everything, frames pass through as slices of the
 * chunk they were read in. Once it does not, or a lane lacks credit, they wait in the lane's backlog, copied,
 * and leave by priority.
 *
 *   open ──(the socket keeps bytes back)──> congested ──(it took them)──> open
 *   either ──(more is unread than may be)──> overflowed: nothing is added any more
 *   any ──(end, discard)──> ended
 */
export class Outbox {
  /** Replies and failures for this client's requests: they need no credit. [CREDIT-5] */
  readonly replies = new Lane(0, Number.POSITIVE_INFINITY)
  readonly #channel: Channel
  readonly #topics: TopicIds
  readonly #flushList: FlushList
  readonly #events: OutboxEvents
  readonly #gate: RingGate
  readonly #outboxBytesMax: number
  readonly #gather: Gather
  readonly #position = new StreamPosition()
  #state: 'open' | 'congested' | 'overflowed' | 'ended' = 'open'
  #ready: ReadyLanes | undefined
  #controls: Buffer[] = []
  #controlBytes = 0
  /** Backlogs with frames that lie where they were read, and must be copied before the next read. */
  readonly #unsettled: Backlog[] = []
  readonly #usedBlocks = new UsedBlocks()
  /** Made with the first that has to wait. */
  #announcements: Set<Announcement> | undefined
  /** Takes frames out of backlogs that are not to be sent. */
  readonly eviction: Eviction
  isListed = false
  messagesSent = 0

  constructor(
    channel: Channel,
    topics: TopicIds,
    flushList: FlushList,
    events: OutboxEvents,
    gate: RingGate,
    outboxBytesMax: number,
  ) {
    this.#channel = channel
    this.#topics = topics
    this.#flushList = flushList
    this.#events = events
    this.#gate = gate
    this.#outboxBytesMax = outboxBytesMax
    this.#gather = new Gather(channel)
    this.eviction = new Eviction(gate, this.#usedBlocks, (lane) => this.unblock(lane))
    channel.onWritable = () => this.#writable()
  }

  get isOpen(): boolean {
    return this.#state === 'open'
  }

  get congested(): boolean {
    return this.#state === 'congested'
  }

  /** Bytes of replies and control frames that the client has not taken. */
  get unreadBytes(): number {
    return this.replies.queuedBytes + this.#controlBytes
  }

  /** Whether a frame of this level for this lane would leave at once, unless it had to wait for its ring. */
  passes(lane: Lane, level: number): boolean {
    return this.#state === 'open' && lane.queuedMessages === 0 && lane.permits(level) && !this.#hasReady
  }

  /** Something queued is about to leave, and may be more urgent than what comes now. [ORDER-3] */
  get #hasReady(): boolean {
    return this.#ready !== undefined && !this.#ready.isEmpty
  }

  /** Sends what may leave at once, and returns the rest, which must wait. */
  send(lane: Lane, topic: WireTopic | undefined, run: FrameRun): FrameRun | undefined {
    const { level } = run
    if (!this.passes(lane, level)) return run
    if (run.messages > 1 && run.lengthBytes > lane.spendable(level)) {
      const passing = run.upTo(lane.spendable(level))
      this.sendNow(lane, topic, passing)
      return run.after(passing)
    }
    return this.sendNow(lane, topic, run) ? undefined : run
  }

  /**
   * Sends frames of a lane that passes. `topic` is undefined for replies, which carry no topic. False: the payload of
   * the frame lies in a ring, for which it must wait.
   */
  sendNow(lane: Lane, topic: WireTopic | undefined, run: FrameRun): boolean {
    if (!run.isByRing) this.#append(lane, topic, run)
    else if (!this.#appendByRing(lane, topic, run)) return false
    if (this.#gather.byteLength < GATHER_BYTES_MAX) this.#list()
    else if (!this.#gather.flush()) this.#state = 'congested'
    return true
  }

  /** Keeps copies of frames until they may leave. The caller has checked the lane's limits. */
  enqueue(lane: Lane, run: FrameRun): void {
    lane.backlog ??= lane.newBacklog(this.#topics)
    const { backlog } = lane
    if (run.isByRing) backlog.addRingBytes(this.#gate.queued(run.bytes, run.start))
    const kept = backlog.keptOf(run)
    if (kept !== run) lane.dropped('replaced', run.messages - kept.messages)
    const replaced = backlog.predecessor(kept.topicId)
    if (replaced !== undefined) this.#replaced(lane, backlog, replaced)
    if (backlog.push(kept)) {
      this.#unsettled.push(backlog)
      this.#list()
    }
    this.resume(lane)
  }

  /** Sends a reply or failure at once, or keeps it; a client that reads nothing is let go. */
  reply(level: number, bytes: Buffer, start: number, length: number): void {
    if (this.#state === 'overflowed' || this.#state === 'ended') return
    const frame = FrameRun.of(bytes, start, length)
    if (this.passes(this.replies, level)) {
      this.sendNow(this.replies, undefined, frame)
      return
    }
    this.enqueue(this.replies, frame)
    if (this.replies.queuedBytes > this.#outboxBytesMax) this.#overflow('OUTBOX_OVERFLOW', 'replies')
  }

  /** Sends the answer to a control frame ahead of everything that is queued. */
  control(frame: Buffer): void {
    if (this.#state === 'congested') this.#controlBytes += frame.length
    this.notify(frame)
    if (this.#controlBytes > UNREAD_CONTROL_BYTES_MAX) this.#overflow('CONTROL_OVERFLOW', 'answers')
  }

  /**
   * The same for what other clients did to its requests, one frame or two for each: that they do not count as
   * unread keeps a requester from having its responder let go.
   */
  notify(frame: Buffer): void {
    if (this.#state === 'congested') this.#controls.push(frame)
    if (this.#state !== 'open') return
    this.#gather.add(frame, 0, frame.length)
    this.#list()
  }

  /** Sends what is to be told now, or once the socket takes bytes again: then a second call changes nothing. */
  announce(announcement: Announcement): void {
    if (this.#state === 'congested') {
      this.#announcements ??= new Set()
      this.#announcements.add(announcement)
    } else if (this.#state === 'open') {
      const frame = announcement.announced()
      if (frame !== undefined) this.notify(frame)
    }
  }

  /** The client is let go, since it takes too little or too late: nothing is added any more. */
  giveUp(code: OverflowCode, message: string): void {
    if (this.#state === 'overflowed' || this.#state === 'ended') return
    this.#state = 'overflowed'
    this.#events.overflowed(code, message)
  }

  /** The lane takes part in the rounds of the levels that it has frames and credit for. */
  resume(lane: Lane): void {
    if ((lane.sendableMask & ~lane.listedMask) === 0) return
    this.#ready ??= new ReadyLanes()
    this.#ready.add(lane)
    if (this.#state === 'open') this.#list()
  }

  /** What the lane's next frame waited for has changed. */
  unblock(lane: Lane): void {
    lane.blockedMask = 0
    this.resume(lane)
  }

  /** Sends a frame with a descriptor, and ends the stream. False: it could not be sent. */
  grant(send: (socketFd: number) => boolean): boolean {
    const sent = this.#channel.grant(send)
    this.end()
    return sent
  }

  /** The client's stream never stands at a lane that is gone: its id may be used again. */
  forget(lane: Lane): void {
    this.#position.forget(lane)
  }

  /** Sends what was gathered, then what is queued, as far as the socket takes it. */
  flush(): void {
    for (let index = 0; index < this.#unsettled.length; index++) this.#unsettled[index]!.settle()
    this.#unsettled.length = 0
    if (this.#state !== 'open') return
    this.#sendGathered()
    for (let writes = 0; this.#state === 'open'; writes++) {
      if (this.#ready === undefined || this.#ready.isEmpty) return
      if (writes === WRITES_IN_A_ROW_MAX) return this.#flushList.addLater(this)
      this.#gatherQueued(this.#ready)
      this.#sendGathered()
    }
  }

  /** Sends what is gathered and these last bytes, then ends the stream. Queued frames are dropped. */
  end(last?: Buffer): void {
    if (this.#state === 'ended') return
    this.#gather.flush()
    for (const frame of this.#controls) this.#channel.write(frame)
    if (last !== undefined) this.#channel.write(last)
    this.discard()
    this.#channel.end()
  }

  /** Nobody is there to read: everything is dropped. */
  discard(): void {
    this.#state = 'ended'
    this.#gather.discard()
    this.#controls = []
    this.#controlBytes = 0
    this.#ready = undefined
    this.#announcements = undefined
    this.eviction.all(this.replies)
  }

  #sendGathered(): void {
    if (this.#gather.flush()) this.#usedBlocks.release()
    else this.#state = 'congested'
  }

  #overflow(code: OverflowCode, what: string): void {
    this.giveUp(code, `The client leaves ${this.unreadBytes} bytes of ${what} unread`)
  }

  /** A frame that comes takes the place of one that waits. */
  #replaced(lane: Lane, backlog: Backlog, frame: Buffer): void {
    this.eviction.unqueued(backlog, frame, 0)
    lane.dropped('replaced', 1)
    if (lane.blockedMask & (1 << frame[Offset.PRIORITY]!)) this.unblock(lane)
  }

  #writable(): void {
    if (this.#state !== 'congested') return
    this.#state = 'open'
    this.#usedBlocks.release()
    for (const frame of this.#controls) this.#gather.add(frame, 0, frame.length)
    this.#controls = []
    this.#controlBytes = 0
    const announcements = this.#announcements ?? []
    this.#announcements = undefined
    for (const announcement of announcements) this.announce(announcement)
    this.flush()
    if (this.#state === 'open') this.#events.writable()
  }

  #append(lane: Lane, topic: WireTopic | undefined, run: FrameRun): void {
    const { messages } = run
    lane.credit -= run.lengthBytes
    lane.inFlight += messages
    lane.gauges.inFlight += messages
    this.messagesSent += messages
    this.#position.moveTo(lane, topic, this.#gather)
    this.#gather.add(run.bytes, run.start, run.end)
  }

  #list(): void {
    if (this.isListed) return
    this.isListed = true
    this.#flushList.add(this)
  }

  /** Moves queued frames into one write: the most urgent level first, its lanes in turn. */
  #gatherQueued(ready: ReadyLanes): void {
    while (!ready.isEmpty && this.#gather.byteLength < WRITE_BYTES) {
      const level = ready.topLevel
      const lane = ready.shift(level)
      if (!this.#takeTurn(lane, level)) lane.blockedMask |= 1 << level
      lane.relieved()
      if (lane.queuedMessages === 0) lane.emptied()
      else ready.add(lane)
    }
  }

  /** Sends a lane's share at a level; false: its next frame must wait for its ring. */
  #takeTurn(lane: Lane, level: number): boolean {
    const { backlog } = lane
    let leftBytes = TURN_BYTES
    while (backlog !== undefined && lane.permits(level) && backlog.mask & (1 << level) && leftBytes > 0) {
      const takenBytes = this.#takeFromBlock(lane, backlog, level, leftBytes)
      if (takenBytes === 0) return false
      leftBytes -= takenBytes
    }
    return true
  }

  /**
   * Sends up to `bytesMax`, and a frame beyond it, from the head block of a level; returns the bytes taken, 0 when
   * the next frame must wait for its ring.
   */
  #takeFromBlock(lane: Lane, backlog: Backlog, level: number, bytesMax: number): number {
    const { head, headStart, headEnd } = backlog.front(level)
    const limit = Math.min(headEnd, headStart + bytesMax)
    let start = headStart
    let messages = 0
    while (start < limit && lane.permits(level)) {
      const length = readU32(head, start + Offset.LENGTH)
      const run = QUEUED.set(head, start, length, limit, undefined, lane.spendable(level))
      if (!this.#sendQueued(lane, backlog, run)) break
      backlog.release(run.topicId, run.messages)
      messages += run.messages
      start = run.end
    }
    backlog.taken(level, start, messages, this.#usedBlocks)
    return start - headStart
  }

  /** False: the frame's payload lies in a ring, for which it must wait. */
  #sendQueued(lane: Lane, backlog: Backlog, run: FrameRun): boolean {
    const { isByRing } = run
    // A reply never expires: its requester waits for it. [WIRE-3.2]
    if (lane !== this.replies && hasExpired(run.bytes, run.start)) {
      lane.dropped('expired', 1)
    } else {
      const topic = lane === this.replies ? undefined : this.#topics.topicOf(run.topicId)
      if (!isByRing) this.#append(lane, topic, run)
      else if (!this.#appendByRing(lane, topic, run)) return false
    }
    if (isByRing) backlog.subtractRingBytes(this.#gate.unqueued(run.bytes, run.start))
    return true
  }

  /** Adds a frame whose payload lies in a ring, in the form in which this client gets it; false: it must wait. */
  #appendByRing(lane: Lane, topic: WireTopic | undefined, frame: FrameRun): boolean {
    const passage = this.#gate.present(lane, frame.bytes, frame.start)
    if (passage === 'wait') return false
    if (passage === 'by ring') this.#append(lane, topic, frame)
    else if (passage === 'never') lane.dropped('unsendable', 1)
    else this.#append(lane, topic, FrameRun.of(passage.bytes, 0, passage.length))
    return true
  }
}
