import {
  CAPABILITY_PAIR,
  CAPABILITY_POLL,
  CAPABILITY_RING,
  controlFrame,
  decodeBody,
  encodeBody,
  type FrameFault,
  Kind,
  MAGIC,
  Offset,
  PAIR_LAYOUT_VERSION,
  PROTOCOL_VERSION,
  RING_LAYOUT_VERSION,
  RingbusError,
  readU32,
} from '../../protocol/index.js'
import { errorOf } from '../failure.js'
import { Link, type LinkListener } from './link.js'
import type { ConnectedSocket } from './socket.js'
import { readWelcome, type Welcome } from './welcome.js'

/** A broker that is alive answers in microseconds; one that does not within this time will not. [WIRE-2.3] */
const HANDSHAKE_TIMEOUT_MS = 5000

/** Called within the read that brings WELCOME, before any frame after it; returns who takes those. */
export type OnWelcome = (link: Link, welcome: Welcome) => LinkListener

/** What a client says of itself. */
export interface Introduction {
  readonly name: string | undefined
  /** Whether it can map segments. */
  readonly mapsSegments: boolean
  /** The number of its event loop, if it would poll. */
  readonly pollsAs?: number | undefined
}

/** Opens the session on a connected socket: HELLO, then WELCOME or a refusal. [WIRE-2.1] [WIRE-2.2] */
export function shakeHands(
  connection: ConnectedSocket,
  introduction: Introduction,
  onWelcome: OnWelcome,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      finish(new RingbusError('HANDSHAKE_TIMEOUT', `No WELCOME came within ${HANDSHAKE_TIMEOUT_MS} ms`))
    }, HANDSHAKE_TIMEOUT_MS)
    const finish = (error?: RingbusError) => {
      clearTimeout(timer)
      if (error === undefined) return resolve()
      link.destroy()
      reject(error)
    }
    const link = new Link(connection, {
      frame(bytes, start, length): FrameFault | undefined {
        try {
          const welcome = parseWelcome(bytes, start, length)
          link.listener = onWelcome(link, welcome)
          finish()
        } catch (error) {
          finish(error as RingbusError)
        }
        return undefined
      },
      readEnd() {},
      drained() {},
      lost(error) {
        finish(refusalOf(error))
      },
    })
    link.write(controlFrame(Kind.HELLO, MAGIC, PROTOCOL_VERSION, helloBody(introduction)))
  })
}

function helloBody({ name, mapsSegments, pollsAs }: Introduction): Buffer {
  const capabilities = {
    ...(mapsSegments
      ? { [CAPABILITY_RING]: RING_LAYOUT_VERSION, [CAPABILITY_PAIR]: PAIR_LAYOUT_VERSION }
      : {}),
    ...(pollsAs === undefined ? {} : { [CAPABILITY_POLL]: pollsAs }),
  }
  return encodeBody(Kind.HELLO, {
    pid: process.pid,
    ...(name === undefined ? {} : { name }),
    ...(Object.keys(capabilities).length === 0 ? {} : { capabilities }),
  })
}

function parseWelcome(bytes: Buffer, start: number, length: number): Welcome {
  const kind = bytes[start + Offset.KIND]
  if (kind === Kind.ERROR) throw errorOf(decodeBody(Kind.ERROR, bytes, start, length))
  const version = readU32(bytes, start + Offset.ID)
  if (kind !== Kind.WELCOME || readU32(bytes, start + Offset.TOPIC) !== MAGIC) throw notRingbus()
  if (version !== PROTOCOL_VERSION) {
    throw new RingbusError(
      'VERSION_UNSUPPORTED',
      `The broker speaks version ${version} of the protocol, this client version ${PROTOCOL_VERSION}`,
    )
  }
  return readWelcome(decodeBody(Kind.WELCOME, bytes, start, length))
}

/** A stream that cannot even be cut into frames is another program's. */
function refusalOf(error: RingbusError): RingbusError {
  return error.cause instanceof RingbusError ? notRingbus(error.cause) : error
}

function notRingbus(cause?: RingbusError): RingbusError {
  return new RingbusError('NOT_RINGBUS', 'What listens there does not speak the protocol of ringbus', {
    cause,
  })
}
