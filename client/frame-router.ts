import {
  type Body,
  decodeBody,
  decodeName,
  type ErrorCode,
  type FrameFault,
  type FrameRun,
  type FrameSink,
  isByRing,
  Kind,
  kindName,
  Offset,
  paddedLength,
  RingbusError,
  readU32,
} from '../protocol/index.js'
import { errorOf } from './failure.js'
import type { Inbox } from './inbound/inbox.js'
import type { TopicNames } from './inbound/topic-names.js'
import type { Member } from './members/member.js'
import type { Registry } from './members/registry.js'
import type { Barriers } from './outbound/barriers.js'
import type { Outbox } from './outbound/outbox.js'
import type { Requester } from './requests/requester.js'
import type { Rings } from './rings/rings.js'
import type { Calls } from './services/calls.js'
import { ServiceMember } from './services/service-member.js'
import { SubscriptionMember } from './subscriptions/subscription-member.js'

/** Whom the broker's frames are for. */
export interface FrameTargets {
  readonly names: TopicNames
  readonly inbox: Inbox
  readonly registry: Registry
  readonly requester: Requester
  readonly calls: Calls
  readonly barriers: Barriers
  readonly rings: Rings
  readonly outbox: Outbox
  /** The broker says whether this client may poll. */
  readonly mayPoll: (isPermitted: boolean) => void
  /** The broker refused a frame of this kind; after a fatal refusal it closes the connection. */
  readonly refused: (error: RingbusError, kind: number, id: number, fatal: boolean) => void
}

/** Takes every frame of the broker to where it belongs: one case for each kind. */
export class FrameRouter implements FrameSink {
  readonly mixesTopics = true
  readonly #targets: FrameTargets
  /** Whom messages and requests are for. [SUB-4] */
  #current: Member | undefined

  constructor(targets: FrameTargets) {
    this.#targets = targets
  }

  /** A new connection starts from nothing. */
  reset(): void {
    this.#current = undefined
  }

  frame(bytes: Buffer, start: number, length: number): FrameFault | undefined {
    const kind = bytes[start + Offset.KIND]!
    const byRing = isByRing(bytes, start)
    if (kind === Kind.MESSAGE && !byRing) return this.#deliver(bytes, start, start + paddedLength(length))
    try {
      if (byRing) this.#targets.rings.incoming.arrived(bytes, start)
      return this.#route(kind, bytes, start, length)
    } catch (error) {
      if (!(error instanceof RingbusError)) throw error
      return fault(error.code, error.message, bytes, start)
    }
  }

  #route(kind: number, bytes: Buffer, start: number, length: number): FrameFault | undefined {
    const { names, registry, requester, calls, barriers, rings, outbox } = this.#targets
    const id = readU32(bytes, start + Offset.ID)
    switch (kind) {
      case Kind.DELIVER:
        this.#current = registry.find(id)
        return undefined
      case Kind.NAME:
        names.bind(readU32(bytes, start + Offset.TOPIC), decodeName(bytes, start, length))
        return undefined
      case Kind.MESSAGE:
        return this.#deliver(bytes, start, start + paddedLength(length))
      case Kind.REQUEST:
        if (this.#current instanceof ServiceMember) this.#current.arrived(bytes, start)
        return this.#deliver(bytes, start, start + paddedLength(length))
      case Kind.REPLY:
        requester.replied(bytes, start, length)
        return undefined
      case Kind.FAILURE:
        requester.failed(id, errorOf(decodeBody(Kind.FAILURE, bytes, start, length)))
        return undefined
      case Kind.CANCEL:
        calls.find(id)?.cancel()
        return undefined
      case Kind.PULL:
        calls.find(id)?.pull(decodeBody(Kind.PULL, bytes, start, length).bytes)
        return undefined
      case Kind.DRAINED:
        registry.find(id)?.drained()
        return undefined
      case Kind.SLOW:
        this.#tellSlow(id, decodeBody(Kind.SLOW, bytes, start, length))
        return undefined
      case Kind.FLUSHED:
        barriers.passed(id)
        return undefined
      case Kind.ERROR:
        this.#refuse(bytes, start, length)
        return undefined
      case Kind.SEGMENT:
        rings.offered(id, {
          id: readU32(bytes, start + Offset.TOPIC),
          bytes: decodeBody(Kind.SEGMENT, bytes, start, length).bytes,
        })
        return undefined
      case Kind.SPACE:
      case Kind.RETIRE:
      case Kind.DETACH:
        rings.told(kind, readU32(bytes, start + Offset.TOPIC))
        return undefined
      case Kind.PAIR:
        rings.pairOffered(decodeBody(Kind.PAIR, bytes, start, length).bytes)
        return undefined
      case Kind.PAIRED:
        rings.paired()
        return undefined
      case Kind.PAUSE:
        outbox.pause(readU32(bytes, start + Offset.TOPIC), id)
        return undefined
      case Kind.RESUME:
        outbox.resume(readU32(bytes, start + Offset.TOPIC), id)
        return undefined
      case Kind.POLL:
        this.#targets.mayPoll(id !== 0)
        return undefined
      default:
        return fault('UNEXPECTED_FRAME', `${kindName(kind)} does not come here, or not again`, bytes, start)
    }
  }

  run({ bytes, start, end, isMixed }: FrameRun): FrameFault | undefined {
    return this.#deliver(bytes, start, end, isMixed)
  }

  /** Messages or requests, for whom the stream is turned to. */
  #deliver(bytes: Buffer, start: number, end: number, isMixed = false): FrameFault | undefined {
    const current = this.#current
    if (current === undefined || current.frameKind !== bytes[start + Offset.KIND]) {
      return fault('UNEXPECTED_FRAME', 'it is for nobody who takes such frames', bytes, start)
    }
    if (this.#targets.inbox.append(current, bytes, start, end, isMixed)) return undefined
    return fault('BAD_FRAME', 'its topic id was never given a name', bytes, start)
  }

  /** It may have crossed the end of its subscription. */
  #tellSlow(id: number, body: Body<typeof Kind.SLOW>): void {
    const member = this.#targets.registry.find(id)
    if (member instanceof SubscriptionMember) member.toldSlow(body)
  }

  #refuse(bytes: Buffer, start: number, length: number): void {
    const body = decodeBody(Kind.ERROR, bytes, start, length)
    const kind = readU32(bytes, start + Offset.TOPIC)
    const id = readU32(bytes, start + Offset.ID)
    this.#targets.refused(errorOf(body), kind, id, body.fatal === true)
  }
}

function fault(code: ErrorCode, message: string, bytes: Buffer, start: number): FrameFault {
  return { code, message, kind: bytes[start + Offset.KIND]!, id: readU32(bytes, start + Offset.ID) }
}
