import {
  controlFrame,
  decodeBody,
  encodeBody,
  FrameDecoder,
  Kind,
  MAGIC,
  Offset,
  RingbusError,
  readU32,
} from '../../protocol/index.js'
import type { NativeHost } from '../../shmring/index.js'
import { errorOf } from '../failure.js'

/** A broker that is alive answers in microseconds; one that does not within this time will not. */
const ATTACH_TIMEOUT_MS = 5000

/** By what another connection proves that it is this client's. */
export interface Ticket {
  /** The broker's socket. */
  readonly path: string
  readonly clientId: number
  readonly token: Uint8Array
}

/** A segment that the broker has offered. */
export interface OfferedSegment {
  readonly id: number
  /** Of its data area. */
  readonly bytes: number
}

/** Fetches the descriptors of segments, each by a connection of its own, one at a time. */
export class SegmentFetcher {
  readonly #host: NativeHost
  readonly #ticket: Ticket
  #last: Promise<unknown> = Promise.resolve()

  constructor(host: NativeHost, ticket: Ticket) {
    this.#host = host
    this.#ticket = ticket
  }

  /** The caller owns the descriptor. Rejects with the broker's refusal, or with what the system has against it. */
  fetch(segment: OfferedSegment): Promise<number> {
    const fetched = this.#last.then(() => attach(this.#host, this.#ticket, segment))
    this.#last = fetched.catch(() => undefined)
    return fetched
  }
}

async function attach(host: NativeHost, ticket: Ticket, segment: OfferedSegment): Promise<number> {
  const { path, clientId, token } = ticket
  const body = encodeBody(Kind.ATTACH, { client: clientId, token })
  const request = controlFrame(Kind.ATTACH, MAGIC, segment.id, body)
  const { fd, reply } = await host.attach(path, request, ATTACH_TIMEOUT_MS)
  try {
    checkReply(reply, segment)
    if (fd < 0) throw refused(segment, 'a GRANT came without a descriptor')
  } catch (error) {
    if (fd >= 0) host.closeDescriptor(fd)
    throw error
  }
  return fd
}

/** The answer must be the GRANT of this segment. */
function checkReply(reply: Buffer, segment: OfferedSegment): void {
  let answered = false
  const decoder = new FrameDecoder(
    {
      frame(bytes, start, length) {
        checkGrant(bytes, start, length, segment)
        answered = true
        return undefined
      },
    },
    { from: 'broker', payloadBytesMax: 0 },
  )
  const fault = decoder.push(reply)
  if (fault !== undefined) throw refused(segment, fault.message)
  if (!answered) throw refused(segment, 'the broker ended the connection without an answer')
}

function checkGrant(bytes: Buffer, start: number, length: number, segment: OfferedSegment): void {
  const kind = bytes[start + Offset.KIND]!
  if (kind === Kind.ERROR) throw errorOf(decodeBody(Kind.ERROR, bytes, start, length))
  if (kind !== Kind.GRANT || readU32(bytes, start + Offset.TOPIC) !== segment.id) {
    throw refused(segment, 'the answer is no GRANT of it')
  }
  const { bytes: granted } = decodeBody(Kind.GRANT, bytes, start, length)
  if (granted !== segment.bytes) {
    throw refused(segment, `${granted} bytes were granted and ${segment.bytes} offered`)
  }
}

function refused({ id }: OfferedSegment, reason: string): RingbusError {
  return new RingbusError('ATTACH_REFUSED', `Segment ${id} could not be fetched: ${reason}`)
}

/** Why a segment cannot be used. */
export function mappingError({ id }: OfferedSegment, cause: unknown): RingbusError {
  if (cause instanceof RingbusError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new RingbusError('ATTACH_REFUSED', `Segment ${id} could not be mapped: ${reason}`, { cause })
}
