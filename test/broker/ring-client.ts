import type { Socket } from 'node:net'
import type { ExecutionContext } from 'ava'
import {
  decodeBody,
  Flag,
  GRANULE_BYTES,
  Kind,
  Offset,
  type RingDescriptor,
  readDescriptor,
  SegmentRole,
} from '../../protocol/index.js'
import {
  loadNative,
  type NativeHost,
  type ReaderHandle,
  RingClaim,
  type RingHandle,
} from '../../shmring/index.js'
import { flush, publish, subscribe, topic } from './frames.js'
import { attach, detached, mapped, open, publishByRing, release, retired, ringHello } from './ring-frames.js'
import { Client, connected, type Received } from './transcript.js'

export const native = loadNative() as NativeHost

/** For a second connection; it answers at once or never. */
const ATTACH_TIMEOUT_MS = 20_000

/** Bytes that differ from place to place and from seed to seed. */
export function patterned(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = Math.imul(seed + 1, 0x9e3779b1)
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    bytes[index] = state >>> 24
  }
  return bytes
}

/** What a second connection was answered. */
export interface Answer {
  /** −1 when none came. */
  readonly fd: number
  readonly kind: number
  readonly code: string | undefined
}

/** A segment as SEGMENT offers it. */
export interface Offer {
  readonly id: number
  readonly bytes: number
}

/** A ring that a test owns: it claims and writes, and leaves the frames to the test. */
export class TestRing {
  readonly id: number
  readonly bytes: number
  readonly handle: RingHandle
  readonly #claim = new Float64Array(4)

  constructor({ id, bytes }: Offer, fd: number) {
    this.id = id
    this.bytes = bytes
    this.handle = native.ringMap(fd, bytes)
  }

  /** Undefined when there is no room. */
  claim(length: number): RingDescriptor | undefined {
    if (native.ringClaim(this.handle, length, this.#claim) !== RingClaim.OK) return undefined
    const [position, padding, restarted] = this.#claim as unknown as [number, number, number]
    return { segment: this.id, position, length, padding, restarted: restarted === 1 }
  }

  /** Puts a payload into the ring, which must have room. */
  put(payload: Uint8Array): RingDescriptor {
    const claimed = this.claim(payload.length)
    if (claimed === undefined) throw new Error(`the ring has no room for ${payload.length} bytes`)
    native.ringWrite(this.handle, claimed.position, payload)
    return claimed
  }

  /** Says that so much is waited for; true: there is enough by now. */
  want(length: number): boolean {
    if (native.ringClaim(this.handle, length, this.#claim) !== RingClaim.WAIT)
      throw new Error('there is room')
    return native.ringWait(this.handle, this.#claim[3]!)
  }
}

/** A client that can map segments. */
export class RingClient extends Client {
  readonly path: string
  clientId = 0
  token: Uint8Array = new Uint8Array()
  limits: Record<string, unknown> = {}
  readonly #maps = new Map<number, { reader: ReaderHandle; bytes: number }>()

  protected constructor(t: ExecutionContext, path: string, socket: Socket) {
    super(t, socket)
    this.path = path
  }

  /** Connects and greets. */
  static override async open(
    t: ExecutionContext,
    path: string,
    name = 'ring',
    capabilities?: object,
  ): Promise<RingClient> {
    const client = new RingClient(t, path, await connected(t, path))
    await client.greet(name, capabilities)
    return client
  }

  protected async greet(name: string, capabilities?: object): Promise<void> {
    this.send(ringHello(name, capabilities))
    const { body } = await this.expect('WELCOME')
    this.clientId = body['clientId'] as number
    this.token = body['token'] as Uint8Array
    this.limits = body['limits'] as Record<string, unknown>
  }

  /** Asks for the descriptor of a segment on a second connection. */
  async fetch(segment: number, client = this.clientId, token = this.token): Promise<Answer> {
    const { fd, reply } = await native.attach(this.path, attach(segment, client, token), ATTACH_TIMEOUT_MS)
    const kind = reply[Offset.KIND]!
    const code =
      kind === Kind.ERROR
        ? decodeBody(Kind.ERROR, reply, 0, reply.readUInt32LE(Offset.LENGTH)).code
        : undefined
    return { fd, kind, code }
  }

  /** The next frame offers a segment. */
  async expectOffer(role: number): Promise<Offer> {
    const { topic: id, body } = await this.expect('SEGMENT', { id: role })
    return { id, bytes: body['bytes'] as number }
  }

  /** Gets a ring for payloads of this size. */
  async openRing(payloadBytes: number): Promise<TestRing> {
    this.send(open(payloadBytes))
    const offer = await this.expectOffer(SegmentRole.OWNER)
    const { fd } = await this.fetch(offer.id)
    const ring = new TestRing(offer, fd)
    this.send(mapped(offer.id))
    return ring
  }

  /** Maps a segment that it was offered to read from. */
  async map(offer: Offer): Promise<void> {
    const { fd } = await this.fetch(offer.id)
    this.#maps.set(offer.id, { reader: native.readerMap(fd, offer.bytes), bytes: offer.bytes })
    this.send(mapped(offer.id))
  }

  /** The next frame offers a segment to read from, which it maps. */
  async mapOffered(): Promise<Offer> {
    const offer = await this.expectOffer(SegmentRole.READER)
    await this.map(offer)
    return offer
  }

  /** Whether the payload of a frame lies in a ring. */
  isByRing({ flags }: Received): boolean {
    return (flags & Flag.RING) !== 0
  }

  /** The bytes of a message's payload, wherever they are. */
  read(received: Received): Buffer {
    if (!this.isByRing(received)) return received.payload
    const { segment, position, length } = readDescriptor(received.frame, 0)
    const { reader, bytes } = this.#maps.get(segment)!
    const target = Buffer.alloc(length)
    native.readerCopy(reader, (position % (bytes / GRANULE_BYTES)) * GRANULE_BYTES, target)
    return target
  }

  /** Ends the lease of a frame by ring. */
  release(...frames: Received[]): void {
    for (const { frame, flags } of frames) {
      if ((flags & Flag.RING) === 0) throw new Error('the payload came inline: there is no lease')
      const { segment, position } = readDescriptor(frame, 0)
      this.send(release(segment, position))
    }
  }

  /** Unmaps a segment, and says so. */
  detach(segment: number): void {
    native.readerClose(this.#maps.get(segment)!.reader)
    this.#maps.delete(segment)
    this.send(detached(segment))
  }

  /** The next message, while it does whatever the broker asks of it meanwhile. */
  async nextMessage(): Promise<Received> {
    for (;;) {
      const received = await this.next()
      if (received.kind === 'MESSAGE') return received
      if (received.kind === 'SEGMENT')
        await this.map({ id: received.topic, bytes: received.body['bytes'] as number })
      else if (received.kind === 'DETACH') this.detach(received.topic)
      else if (received.kind === 'RETIRE') this.send(retired(received.topic))
      else if (!['NAME', 'DELIVER', 'SPACE', 'FLUSHED', 'PAUSE', 'RESUME'].includes(received.kind)) {
        throw new Error(`got ${received.kind}: ${JSON.stringify(received.body)}`)
      }
    }
  }

  /** Does what the broker has asked of an owner, as of two round trips; returns the segments that it gave up. */
  async oblige(): Promise<number[]> {
    const ids: number[] = []
    for (const id of [1, 2]) {
      this.send(flush(id))
      for (let received = await this.next(); received.kind !== 'FLUSHED'; received = await this.next()) {
        // It heeds no PAUSE, which is a wish.
        const kinds = ['RETIRE', 'SPACE', 'PAUSE', 'RESUME']
        this.t.true(kinds.includes(received.kind), `got ${received.kind}`)
        if (received.kind === 'RETIRE') ids.push(received.topic)
      }
    }
    for (const id of ids) this.send(retired(id))
    return ids
  }

  /** The payload of the next message, which is released at once. */
  async nextPayload(): Promise<Buffer> {
    const received = await this.nextMessage()
    const payload = this.read(received)
    if (this.isByRing(received)) this.release(received)
    return payload
  }
}

/** A publisher and a subscriber that keep to the protocol, to see whether others disturb them. */
export class Bystanders {
  readonly publisher: RingClient
  readonly reader: RingClient
  readonly #t: ExecutionContext
  ring: TestRing
  #sent = 0

  static async open(t: ExecutionContext, path: string, name = 'bystander'): Promise<Bystanders> {
    const publisher = await RingClient.open(t, path, `${name}-publisher`)
    const reader = await RingClient.open(t, path, `${name}-reader`)
    reader.send(subscribe(1, name, { window: 2 ** 30 }))
    await reader.expectNothing()
    publisher.send(topic(0, name))
    const pair = new Bystanders(t, publisher, reader, await publisher.openRing(64 * 1024))
    await pair.exchange(1, true)
    return pair
  }

  private constructor(t: ExecutionContext, publisher: RingClient, reader: RingClient, ring: TestRing) {
    this.#t = t
    this.publisher = publisher
    this.reader = reader
    this.ring = ring
  }

  /** Sends payloads by ring; each arrives in order, with every byte, and by ring unless that may not be. */
  async exchange(count: number, mayComeInline = false): Promise<void> {
    for (let index = 0; index < count; index++) {
      this.#sent += 1
      const payload = patterned(1 + ((this.#sent * 7919) % 20_000), this.#sent)
      const descriptor = await this.#put(payload, mayComeInline)
      this.publisher.send(descriptor === undefined ? publish(0, payload) : publishByRing(0, descriptor))
      const received = await this.reader.nextMessage()
      const isByRing = this.reader.isByRing(received)
      this.#t.true(isByRing || mayComeInline)
      this.#t.true(this.reader.read(received).equals(payload), `message ${this.#sent} has its bytes`)
      if (isByRing) this.reader.release(received)
    }
  }

  /** Waits for room, unless it goes inline then, and for another ring when the broker has asked for this one. */
  async #put(payload: Buffer, mayGoInline: boolean): Promise<RingDescriptor | undefined> {
    for (;;) {
      if ((await this.publisher.oblige()).includes(this.ring.id)) {
        this.ring = await this.publisher.openRing(64 * 1024)
      }
      const claimed = this.ring.claim(payload.length)
      if (claimed === undefined) {
        this.ring.want(payload.length)
        if (mayGoInline) return undefined
        continue
      }
      native.ringWrite(this.ring.handle, claimed.position, payload)
      return claimed
    }
  }
}

/** What `$SYS.stats` says of rings. */
export interface RingStats {
  readonly offered: boolean
  readonly committed: number
  readonly delivered: number
  readonly inlined: number
  readonly copiedOut: number
  readonly abandoned: number
  readonly declined: number
  readonly segments: number
  readonly segmentBytes: number
  readonly reservedBytes: number
  readonly copiedBytes: number
}

export async function ringStats(observer: Client): Promise<RingStats> {
  return (await observer.ask<{ rings: RingStats }>('$SYS.stats')).rings
}

/** Asks until the answer is as it should become. */
export async function ringStatsWhen(
  observer: Client,
  isSo: (stats: RingStats) => boolean,
): Promise<RingStats> {
  for (;;) {
    const stats = await ringStats(observer)
    if (isSo(stats)) return stats
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A segment, as `$SYS.rings` lists it. */
export interface RingRow {
  readonly segment: number
  readonly client: number | null
  readonly uid: number
  readonly state: string
  readonly abandoned: boolean
  readonly bytes: number
  readonly records: number
  readonly occupiedBytes: number
  readonly readers: number
}

export async function ringRows(observer: Client): Promise<RingRow[]> {
  return (await observer.ask<{ rows: RingRow[] }>('$SYS.rings')).rows
}
