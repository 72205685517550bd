import type { Channel } from '../../broker/egress/channel.js'
import { Outbox } from '../../broker/egress/outbox.js'
import type { Passage, RingGate } from '../../broker/egress/ring-gate.js'
import { TopicIds } from '../../broker/egress/topic-ids.js'
import { isTransient, markTransient } from '../../broker/egress/transient.js'
import { Overflow, type OverflowLimits } from '../../broker/flow/overflow.js'
import type { Publisher } from '../../broker/flow/publisher.js'
import type { PublisherGate } from '../../broker/flow/publisher-gate.js'
import type { Route } from '../../broker/routing/route.js'
import { Router } from '../../broker/routing/router.js'
import { Subscription, type SubscriptionSpec } from '../../broker/routing/subscription.js'
import {
  decodeName,
  Flag,
  FrameDecoder,
  FrameRun,
  Kind,
  messageFrame,
  Offset,
  PAYLOAD_BYTES_MAX_DEFAULT,
  paddedLength,
  RING_DESCRIPTOR_BYTES,
  readDescriptor,
  readU32,
  ringPayloadBytes,
  writeDescriptor,
} from '../../protocol/index.js'

const MIB = 1024 * 1024

export const WIDE: OverflowLimits = {
  backlogBytesMax: 8 * MIB,
  backlogMessagesMax: 1_000_000,
  backlogTotalBytesMax: 512 * MIB,
  pauseSlackBytes: 8 * MIB,
  pauseTimeoutMs: 3_600_000,
}

/** A message as a test gives and gets it. */
export interface Sent {
  readonly mark: number
  readonly topic: string
  readonly priority?: number
  /** Bytes of its payload, in a ring or not; no less than its mark takes. */
  readonly bytes?: number
  readonly byRing?: boolean
  readonly expiryNs?: number
}

/** A message as it is read, and the route that its alias stands for. */
interface Prepared {
  readonly route: Route
  readonly frame: Buffer
}

/** Keeps what a stuck socket does not take, as a real one does: by reference, unless it lies in memory used again. */
class StuckableChannel implements Channel {
  onWritable: () => void = () => {}
  readonly takesPair = false
  readonly carriedBytes = 0
  isStuck = false
  readonly #take: (bytes: Buffer) => void
  #kept: Buffer[] = []

  constructor(take: (bytes: Buffer) => void) {
    this.#take = take
  }

  write(bytes: Buffer): boolean {
    if (!this.isStuck && this.#kept.length === 0) {
      this.#take(bytes)
      return true
    }
    this.#kept.push(isTransient(bytes) ? Buffer.from(bytes) : bytes)
    return false
  }

  pair(): void {}

  release(): void {
    this.isStuck = false
    const kept = this.#kept
    this.#kept = []
    for (const bytes of kept) this.#take(bytes)
    if (kept.length > 0) this.onWritable()
  }

  grant(): boolean {
    return false
  }
  end(): void {}
  destroy(): void {}
}

/** Counts who refers to payloads in rings; lets them pass, or wait. */
class CountingGate implements RingGate {
  references = 0
  passes = true

  present(): Passage {
    return this.passes ? 'by ring' : 'wait'
  }
  queued(bytes: Buffer, start: number): number {
    this.references += 1
    return readDescriptor(bytes, start).length
  }
  unqueued(bytes: Buffer, start: number): number {
    this.references -= 1
    return readDescriptor(bytes, start).length
  }
}

/** What comes next is read into the same memory, whatever still refers to it. */
const READ_BUFFER = Buffer.alloc(4 * MIB)
markTransient(READ_BUFFER)

/** Everything that delivers, without sockets: one client with a channel that can be stuck, and whoever publishes. */
export class DeliveryStage {
  readonly topics = new TopicIds()
  readonly rings = new CountingGate()
  readonly channel: StuckableChannel
  readonly outbox: Outbox
  readonly overflow: Overflow
  readonly router: Router
  readonly publisher: Publisher
  /** What reached the client, for each subscription. */
  readonly received = new Map<number, Sent[]>()
  /** Frames of other kinds that reached it. */
  readonly controls: { kind: number; id: number }[] = []
  /** What was asked of publishers, and told of subscriptions. */
  readonly full: { subscription: number; topic: string; publisher: number; alias: number }[] = []
  readonly relieved: number[] = []
  readonly suffering: number[] = []
  readonly recovered: number[] = []
  readonly overflows: string[] = []
  /** Whether messages that are alike go through as one run, as they do behind a decoder. */
  inRuns = true
  #listed: Outbox[] = []
  readonly #routes = new Map<string, Route>()
  #consumer = 0
  readonly #names = new Map<number, string>()

  constructor(limits: Partial<OverflowLimits> = {}) {
    const decoder = new FrameDecoder(
      {
        frame: (bytes, start, length) => {
          this.#read(bytes, start, length)
          return undefined
        },
      },
      { from: 'broker', payloadBytesMax: PAYLOAD_BYTES_MAX_DEFAULT },
    )
    this.channel = new StuckableChannel((bytes) => {
      const fault = decoder.push(Buffer.from(bytes))
      if (fault !== undefined) throw new Error(JSON.stringify(fault))
    })
    const flushList = {
      add: (outbox: Outbox) => this.#listed.push(outbox),
      addLater: (outbox: Outbox) => this.#listed.push(outbox),
    }
    const events = { overflowed: (code: string) => this.overflows.push(code), writable: () => {} }
    this.outbox = new Outbox(this.channel, this.topics, flushList, events, this.rings, 8 * MIB)
    const gate: PublisherGate = {
      full: ({ id }, { name }, publisher, alias) =>
        this.full.push({ subscription: id, topic: name, publisher: publisher.id, alias }),
      relieved: ({ id }) => this.relieved.push(id),
    }
    this.overflow = new Overflow({ ...WIDE, ...limits }, gate, {
      suffers: ({ id }) => this.suffering.push(id),
      recovered: ({ id }) => this.recovered.push(id),
      flush: () => this.flush(),
    })
    this.router = new Router(this.topics, this.overflow, { received: () => {} })
    this.publisher = { id: 77, outbox: this.outbox, topicFramesRead: 0 }
  }

  subscribe(spec: Partial<SubscriptionSpec> & { id: number }): Subscription {
    const complete = { pattern: '>', group: undefined, windowBytes: 0, ...spec }
    const subscription = new Subscription({ id: 1, outbox: this.outbox }, complete, this.overflow)
    this.router.subscribe(subscription)
    this.received.set(spec.id, [])
    return subscription
  }

  /** Publishes all of them out of one read; `alias` is what their publisher calls the topic. */
  publish(messages: readonly Sent[], alias = 5, publisher: Publisher | 'broker' = this.publisher): void {
    this.send(
      messages.map((message) => this.prepared(message, alias)),
      publisher,
    )
  }

  prepared(message: Sent, alias = 5): Prepared {
    return { route: this.#route(message.topic), frame: frameOf(message, alias) }
  }

  /** The same for what was prepared before. */
  send(messages: readonly Prepared[], publisher: Publisher | 'broker' = this.publisher): void {
    const from = publisher === 'broker' ? undefined : publisher
    let end = 0
    for (const { frame } of messages) {
      READ_BUFFER.set(frame, end)
      end += frame.length
    }
    for (let start = 0, next = 0; next < messages.length; ) {
      const { route, frame } = messages[next]!
      const limit = start + (this.inRuns ? bytesOfTopic(messages, next) : frame.length)
      const run = new FrameRun().set(READ_BUFFER, start, readU32(frame, Offset.LENGTH), limit)
      this.router.publish(route, run, from)
      start = run.end
      next += run.messages
    }
    this.flush()
    READ_BUFFER.fill(0xee, 0, end)
  }

  credit(subscription: Subscription, bytes: number): void {
    subscription.credit += bytes
    if (subscription.credit > 0 && subscription.queuedMessages > 0) this.outbox.resume(subscription)
    this.flush()
  }

  flush(): void {
    while (this.#listed.length > 0) {
      const outbox = this.#listed.shift()!
      outbox.isListed = false
      outbox.flush()
    }
  }

  #route(topic: string): Route {
    let route = this.#routes.get(topic)
    if (route === undefined) {
      route = this.router.acquire(topic)
      this.#routes.set(topic, route)
    }
    return route
  }

  #read(bytes: Buffer, start: number, length: number): void {
    const kind = bytes[start + Offset.KIND]!
    const topicId = readU32(bytes, start + Offset.TOPIC)
    const id = readU32(bytes, start + Offset.ID)
    if (kind === Kind.NAME) this.#names.set(topicId, decodeName(bytes, start, length))
    else if (kind === Kind.DELIVER) this.#consumer = id
    else if (kind === Kind.MESSAGE)
      this.received.get(this.#consumer)!.push(this.#message(bytes, start, length, topicId))
    else this.controls.push({ kind, id })
  }

  #message(bytes: Buffer, start: number, length: number, topicId: number): Sent {
    const topic = this.#names.get(topicId)!
    const priority = bytes[start + Offset.PRIORITY]!
    const byRing = (bytes[start + Offset.FLAGS]! & Flag.RING) !== 0
    if (byRing) return { mark: readDescriptor(bytes, start).position, topic, priority, byRing }
    const text = bytes.toString(
      'latin1',
      start + length - payloadLength(bytes, start, length),
      start + length,
    )
    const mark = Number.parseInt(text, 10)
    if (!text.slice(String(mark).length).match(/^\.*$/)) throw new Error(`A payload was overwritten: ${text}`)
    return { mark, topic, priority, byRing }
  }
}

/** Bytes of the messages from one on that are of its topic, whatever alias stands in them. */
function bytesOfTopic(messages: readonly Prepared[], from: number): number {
  const { route } = messages[from]!
  let bytes = 0
  for (let next = from; messages[next]?.route === route; next++) bytes += messages[next]!.frame.length
  return bytes
}

function payloadLength(bytes: Buffer, start: number, length: number): number {
  const optionBytes = bytes[start + Offset.FLAGS]! & Flag.EXPIRY ? 8 : 0
  return length - 16 - optionBytes
}

/** The frame of a message, as its publisher sends it. */
export function frameOf(
  { mark, topic: _, priority = 0, bytes = 8, byRing, expiryNs = 0 }: Sent,
  alias = 5,
): Buffer {
  const head = { kind: Kind.MESSAGE, topic: alias, priority, expiryNs }
  if (byRing !== true) return messageFrame(head, String(mark).padEnd(bytes, '.'))
  const descriptor = Buffer.alloc(RING_DESCRIPTOR_BYTES)
  writeDescriptor(descriptor, 0, { segment: 1, position: mark, length: bytes, padding: 0, restarted: false })
  return messageFrame({ ...head, flags: Flag.RING }, descriptor)
}

/** What a message weighs in a backlog beside its topic. */
export function weightOf(message: Sent): number {
  const frame = frameOf(message)
  return paddedLength(readU32(frame, Offset.LENGTH)) + ringPayloadBytes(frame, 0)
}
