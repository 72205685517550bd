import { NO_ALIAS } from '../../client/outbound/blocks.js'
import { Outbox, type Outlet } from '../../client/outbound/outbox.js'
import { Publisher } from '../../client/outbound/publisher.js'
import { Sender } from '../../client/outbound/sender.js'
import { OutgoingRing } from '../../client/rings/outgoing-ring.js'
import { Flag, FrameDecoder, Kind, Offset, paddedLength, readU32 } from '../../protocol/index.js'

/** A message as the broker reads it. */
export interface SentMessage {
  readonly topic: string
  readonly alias: number
  readonly priority: number
  readonly length: number
  readonly isStamped: boolean
  readonly text: string
}

/** The system's side of a socket, and a broker that reads what it takes. */
export class StagedOutlet implements Outlet {
  queuedBytes = 0
  /** What the system takes before it makes the client wait. */
  roomBytes = Number.POSITIVE_INFINITY
  /** The TOPIC frames read. */
  bindings = 0
  readonly topics: string[] = []
  /** With which TOPIC frame each alias was bound last. */
  readonly boundAt: number[] = []
  readonly messages: SentMessage[] = []
  readonly flushes: number[] = []
  /** Called for each message, when it is handed over. */
  arrived: (message: SentMessage) => void = () => {}
  bound: (alias: number) => void = () => {}
  /** Memory that was handed over for good, and that was lent, with what was in it then. */
  readonly #kept: [Buffer, Buffer][] = []
  readonly #lent: [Buffer, Buffer][] = []
  readonly #keepsMemory: boolean
  readonly #decoder: FrameDecoder

  /** With `keepsMemory`, what does not fit is not copied, as Node does it. */
  constructor(keepsMemory = false) {
    this.#keepsMemory = keepsMemory
    this.#decoder = new FrameDecoder(
      { frame: (bytes, start, length) => this.#read(bytes, start, length) },
      { from: 'client', payloadBytesMax: 2 ** 30 },
    )
  }

  write(bytes: Buffer): boolean {
    return this.#take(bytes, true)
  }

  borrow(bytes: Buffer): boolean {
    return this.#take(bytes, false)
  }

  /** Whether what was handed over is as it was then, for as long as that was promised. */
  get isUntouched(): boolean {
    return [...this.#kept, ...this.#lent].every(([bytes, copy]) => bytes.equals(copy))
  }

  /** The system has taken what waited, and takes this much more. */
  drain(roomBytes: number): void {
    if (!this.isUntouched) throw new Error('memory was written that the outlet reads')
    this.#lent.length = 0
    this.roomBytes = roomBytes
    this.queuedBytes = 0
  }

  #take(bytes: Buffer, isForGood: boolean): boolean {
    const fault = this.#decoder.push(Buffer.from(bytes))
    if (fault !== undefined) throw new Error(fault.message)
    this.roomBytes -= bytes.length
    if (this.roomBytes >= 0) return true
    this.queuedBytes += bytes.length
    if (this.#keepsMemory) (isForGood ? this.#kept : this.#lent).push([bytes, Buffer.from(bytes)])
    return !this.#keepsMemory
  }

  #read(bytes: Buffer, start: number, length: number): undefined {
    const kind = bytes[start + Offset.KIND]!
    const alias = readU32(bytes, start + Offset.TOPIC)
    if (kind === Kind.TOPIC) {
      this.bindings += 1
      this.boundAt[alias] = this.bindings
      this.bound(alias)
      this.topics[alias] = bytes.toString('utf8', start + 16, start + length)
    } else if (kind === Kind.FLUSH) {
      this.flushes.push(readU32(bytes, start + Offset.ID))
    } else if (kind === Kind.MESSAGE) {
      const priority = bytes[start + Offset.PRIORITY]!
      const topic = this.topics[alias]
      if (topic === undefined) throw new Error(`alias ${alias} is not bound`)
      const text = bytes.toString('latin1', start + length - 12, start + length)
      const isStamped = (bytes[start + Offset.FLAGS]! & Flag.SENT_AT) !== 0
      const message = { topic, alias, priority, length, isStamped, text }
      this.messages.push(message)
      this.arrived(message)
    }
    return undefined
  }
}

/** The sending side of a client, with an outlet that a test speaks for. */
export class OutboxStage {
  readonly drained: string[] = []
  readonly ring: OutgoingRing = new OutgoingRing(() => this.publisher.ringHasRoom())
  readonly outbox: Outbox = new Outbox(this.ring, () => this.publisher.resume())
  readonly publisher: Publisher
  outlet = new StagedOutlet()

  /** Without times of sending, the lengths of frames are foreseeable. */
  constructor({ sendTimes = false, keptBytesMax = 2 ** 30 } = {}) {
    if (!sendTimes) this.outbox.sendTimes.timeFor = () => 0
    const sender = new Sender(this.outbox, this.ring)
    this.publisher = new Publisher(this.outbox, sender, keptBytesMax, (topic) => this.drained.push(topic))
  }

  connect(outlet = new StagedOutlet(), aliasesMax = 1024): StagedOutlet {
    this.outlet = outlet
    this.outbox.connect(outlet, aliasesMax, () => {})
    return outlet
  }

  /** From now on, what is published waits. */
  congest(): void {
    this.outlet.roomBytes = -1
    this.outbox.control(Kind.PULL, 0, 1, Buffer.from([0x81, 0xa5, 98, 121, 116, 101, 115, 1]))
    this.outbox.flush()
  }

  /** The system has taken what waited, and takes this much more. */
  drain(roomBytes = Number.POSITIVE_INFINITY): void {
    this.outlet.drain(roomBytes)
    this.outbox.drained()
  }

  disconnect(): void {
    this.publisher.disconnected(this.outbox.disconnect())
  }

  waitingBytes(topic: string): number {
    return this.outbox.queues.find(topic)?.waitingBytes ?? 0
  }

  aliasOf(topic: string): number {
    return this.outbox.aliases.peek(topic) ?? NO_ALIAS
  }
}

/** A payload of at least 12 bytes that ends with this number. */
export function numbered(number: number, bytes = 12): Buffer {
  const data = Buffer.alloc(Math.max(bytes, 12), 32)
  data.write(String(number).padStart(12), data.length - 12)
  return data
}

export function frameBytes(data: Buffer): number {
  return paddedLength(16 + data.length)
}
