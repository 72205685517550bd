import { endianness } from 'node:os'
import {
  CONTROL_BYTES_MAX,
  ENCODING_MAX,
  Flag,
  FRAME_ALIGNMENT,
  HEADER_BYTES,
  HEADERS_BYTES_MAX,
  Kind,
  POSITION_MAX,
  PRIORITY_MAX,
  RING_DESCRIPTOR_BYTES,
} from './constants.js'
import { RingbusError } from './errors.js'

/*
 * A frame, little-endian, padded to 4 bytes: [WIRE-1.1]
 *
 *   0        4     5      6         7         8        12       16
 *   | length | kind| flags| priority| encoding| topic  | id     | [expiry] [sent-at] [headers] payload … padding
 *     u32      u8    u8     u8        u8        u32      u32
 *
 * `length` counts the header and everything up to the padding, which follows it and is not counted.
 */
export const Offset = { LENGTH: 0, KIND: 4, FLAGS: 5, PRIORITY: 6, ENCODING: 7, TOPIC: 8, ID: 12 } as const

if (endianness() !== 'LE') {
  throw new RingbusError(
    'FEATURE_UNSUPPORTED',
    'ringbus writes frames as the processor does, and needs a little-endian one',
  )
}

/** Bytes that a frame of this length, below 2^31 - 4, takes in the stream, padding included. [WIRE-1.2] */
export function paddedLength(length: number): number {
  return (length + FRAME_ALIGNMENT - 1) & -FRAME_ALIGNMENT
}

/** The `set` of typed arrays: to find it by way of a Buffer takes a third of what a small copy takes. */
const setBytes = Object.getPrototypeOf(Uint8Array.prototype).set as (
  this: Uint8Array,
  source: Uint8Array,
  offset: number,
) => void

/** What `target.set(source, offset)` does. */
export function copyBytes(target: Uint8Array, source: Uint8Array, offset: number): void {
  setBytes.call(target, source, offset)
}

export function readU32(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>>
    0
  )
}

export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value
  bytes[offset + 1] = value >>> 8
  bytes[offset + 2] = value >>> 16
  bytes[offset + 3] = value >>> 24
}

const TWO_TO_32 = 0x1_0000_0000

/** Reads a u64 as a number: nanoseconds stay exact for 104 days of uptime, and within 2 ns for centuries. */
export function readU64(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset) + readU32(bytes, offset + 4) * TWO_TO_32
}

export function writeU64(bytes: Uint8Array, offset: number, value: number): void {
  writeU32(bytes, offset, value >>> 0)
  writeU32(bytes, offset + 4, Math.floor(value / TWO_TO_32))
}

/** What a kind permits: the direction it travels in and the flags it may carry. */
interface KindRule {
  readonly name: string
  readonly toBroker: boolean
  readonly toClient: boolean
  readonly flags: number
  /** Carries a payload of any encoding and size; every other kind is a control frame. */
  readonly message: boolean
}

const MESSAGE_FLAGS = Flag.EXPIRY | Flag.SENT_AT | Flag.HEADERS | Flag.RING

function control(name: string, direction: 'broker' | 'client' | 'both'): KindRule {
  return {
    name,
    toBroker: direction !== 'client',
    toClient: direction !== 'broker',
    flags: 0,
    message: false,
  }
}

function message(name: string, extraFlags: number): KindRule {
  return { name, toBroker: true, toClient: true, flags: MESSAGE_FLAGS | extraFlags, message: true }
}

/** Indexed by kind; an empty place is an unknown kind. [WIRE-1.3] [WIRE-1.4] */
export const KIND_RULES: readonly (KindRule | undefined)[] = (() => {
  const rules = new Array<KindRule | undefined>(256).fill(undefined)
  rules[Kind.HELLO] = control('HELLO', 'broker')
  rules[Kind.WELCOME] = control('WELCOME', 'client')
  rules[Kind.ERROR] = control('ERROR', 'client')
  rules[Kind.TOPIC] = control('TOPIC', 'broker')
  rules[Kind.NAME] = control('NAME', 'client')
  rules[Kind.SUBSCRIBE] = control('SUBSCRIBE', 'broker')
  rules[Kind.UNSUBSCRIBE] = control('UNSUBSCRIBE', 'broker')
  rules[Kind.DELIVER] = control('DELIVER', 'client')
  rules[Kind.DRAINED] = control('DRAINED', 'client')
  rules[Kind.CREDIT] = control('CREDIT', 'broker')
  rules[Kind.SLOW] = control('SLOW', 'client')
  rules[Kind.SERVE] = control('SERVE', 'broker')
  rules[Kind.UNSERVE] = control('UNSERVE', 'broker')
  rules[Kind.REQUEST] = message('REQUEST', Flag.STREAM)
  rules[Kind.REPLY] = message('REPLY', Flag.STREAM)
  rules[Kind.FAILURE] = control('FAILURE', 'both')
  rules[Kind.CANCEL] = control('CANCEL', 'both')
  rules[Kind.PULL] = control('PULL', 'both')
  rules[Kind.FLUSH] = control('FLUSH', 'broker')
  rules[Kind.FLUSHED] = control('FLUSHED', 'client')
  rules[Kind.PAUSE] = control('PAUSE', 'client')
  rules[Kind.RESUME] = control('RESUME', 'client')
  rules[Kind.LATENCY] = control('LATENCY', 'broker')
  rules[Kind.POLL] = control('POLL', 'client')
  rules[Kind.MESSAGE] = message('MESSAGE', Flag.RETAIN)
  rules[Kind.ATTACH] = control('ATTACH', 'broker')
  rules[Kind.GRANT] = control('GRANT', 'client')
  rules[Kind.OPEN] = control('OPEN', 'broker')
  rules[Kind.SEGMENT] = control('SEGMENT', 'client')
  rules[Kind.MAPPED] = control('MAPPED', 'broker')
  rules[Kind.DECLINE] = control('DECLINE', 'broker')
  rules[Kind.RELEASE] = control('RELEASE', 'broker')
  rules[Kind.ABORT] = control('ABORT', 'broker')
  rules[Kind.SPACE] = control('SPACE', 'client')
  rules[Kind.RETIRE] = control('RETIRE', 'client')
  rules[Kind.RETIRED] = control('RETIRED', 'broker')
  rules[Kind.DETACH] = control('DETACH', 'client')
  rules[Kind.DETACHED] = control('DETACHED', 'broker')
  rules[Kind.PAIR] = control('PAIR', 'client')
  rules[Kind.PAIRED] = control('PAIRED', 'both')
  return rules
})()

export function kindName(kind: number): string {
  return KIND_RULES[kind]?.name ?? `kind 0x${kind.toString(16).padStart(2, '0')}`
}

/** Bytes of the optional fields whose size the flags alone decide. */
export function fixedOptionBytes(flags: number): number {
  return (flags & Flag.EXPIRY ? 8 : 0) + (flags & Flag.SENT_AT ? 8 : 0)
}

/** Where the parts of one message frame lie within its buffer. */
export interface FrameLayout {
  readonly expiryNs: number
  readonly sentAtNs: number
  readonly headersStart: number
  readonly headersEnd: number
  readonly payloadStart: number
}

const NO_OPTIONS = (payloadStart: number): FrameLayout => ({
  expiryNs: 0,
  sentAtNs: 0,
  headersStart: payloadStart,
  headersEnd: payloadStart,
  payloadStart,
})

/** Locates the options and the payload of a frame that `optionsFault` has found sound. [WIRE-3.1] */
export function frameLayout(bytes: Uint8Array, start: number): FrameLayout {
  const flags = bytes[start + Offset.FLAGS]!
  let offset = start + HEADER_BYTES
  if ((flags & (Flag.EXPIRY | Flag.SENT_AT | Flag.HEADERS)) === 0) return NO_OPTIONS(offset)
  let expiryNs = 0
  let sentAtNs = 0
  if (flags & Flag.EXPIRY) {
    expiryNs = readU64(bytes, offset)
    offset += 8
  }
  if (flags & Flag.SENT_AT) {
    sentAtNs = readU64(bytes, offset)
    offset += 8
  }
  if (!(flags & Flag.HEADERS))
    return { expiryNs, sentAtNs, headersStart: offset, headersEnd: offset, payloadStart: offset }
  const headersStart = offset + 4
  const headersEnd = headersStart + readU32(bytes, offset)
  return { expiryNs, sentAtNs, headersStart, headersEnd, payloadStart: headersEnd }
}

/** When a frame expires, in nanoseconds of CLOCK_MONOTONIC; Infinity when it does not. [WIRE-3.2] */
export function expiryOf(bytes: Uint8Array, start: number): number {
  if ((bytes[start + Offset.FLAGS]! & Flag.EXPIRY) === 0) return Number.POSITIVE_INFINITY
  // An expiry of 0 is none.
  return readU64(bytes, start + HEADER_BYTES) || Number.POSITIVE_INFINITY
}

/** Whether the expiry of a frame has passed; the clock is read only for frames that have one. [WIRE-3.2] */
export function hasExpired(bytes: Uint8Array, start: number): boolean {
  if ((bytes[start + Offset.FLAGS]! & Flag.EXPIRY) === 0) return false
  return expiryOf(bytes, start) <= Number(process.hrtime.bigint())
}

/** Bytes of the longest frame that its kind, its flags and the largest payload permit. [WIRE-1.6] */
export function frameBytesMax(rule: KindRule, flags: number, payloadBytesMax: number): number {
  if (!rule.message) return HEADER_BYTES + CONTROL_BYTES_MAX
  const headersBytesMax = flags & Flag.HEADERS ? 4 + HEADERS_BYTES_MAX : 0
  return HEADER_BYTES + fixedOptionBytes(flags) + headersBytesMax + payloadBytesMax
}

/**
 * Says what is wrong with the bytes between the header and the payload, or with the ring descriptor that stands
 * for the payload; undefined: nothing. [WIRE-3.1] [RING-1]
 */
export function optionsFault(bytes: Uint8Array, start: number, length: number): string | undefined {
  const flags = bytes[start + Offset.FLAGS]!
  let used = HEADER_BYTES + fixedOptionBytes(flags)
  if (used > length) return 'the frame ends within its options'
  if (flags & Flag.HEADERS) {
    if (used + 4 > length) return 'the frame ends within its options'
    const headersBytes = readU32(bytes, start + used)
    if (headersBytes > HEADERS_BYTES_MAX)
      return `its headers have ${headersBytes} bytes, the limit is ${HEADERS_BYTES_MAX}`
    used += 4 + headersBytes
    if (used > length) return 'its headers reach beyond its end'
  }
  if (!(flags & Flag.RING)) return undefined
  if (length - used !== RING_DESCRIPTOR_BYTES) return 'its ring descriptor has the wrong size'
  return descriptorFault(bytes, start + used)
}

/** Says what is wrong with the descriptor at `offset`, whatever segment it speaks of. [RING-1] */
function descriptorFault(bytes: Uint8Array, offset: number): string | undefined {
  if (readU32(bytes, offset + 4) !== 0) return 'the reserved word of its ring descriptor is not 0'
  if (readU64(bytes, offset + 8) > POSITION_MAX) return 'the position in its ring descriptor is beyond 2^53'
  if (readU64(bytes, offset + 16) > POSITION_MAX) return 'the length in its ring descriptor is beyond 2^53'
  if (readU32(bytes, offset + 28) > 1) return 'the `restarted` of its ring descriptor is neither 0 nor 1'
  return undefined
}

/** Whether a frame, which is not too long, is a message without flags and with a sound header: most frames are. */
export function isPlainMessage(bytes: Uint8Array, start: number, length: number): boolean {
  return (
    bytes[start + Offset.KIND] === Kind.MESSAGE &&
    bytes[start + Offset.FLAGS] === 0 &&
    bytes[start + Offset.PRIORITY]! <= PRIORITY_MAX &&
    bytes[start + Offset.ENCODING]! <= ENCODING_MAX &&
    length >= HEADER_BYTES
  )
}

/** Says what is wrong with the fixed header of a frame of a known kind, or returns undefined. [WIRE-1.4] [WIRE-1.5] */
export function headerFault(bytes: Uint8Array, start: number, rule: KindRule): string | undefined {
  if (bytes[start + Offset.FLAGS]! & ~rule.flags) return `${rule.name} does not allow these flags`
  if (bytes[start + Offset.PRIORITY]! > PRIORITY_MAX) return `its priority is above ${PRIORITY_MAX}`
  if (bytes[start + Offset.ENCODING]! > ENCODING_MAX) return 'its encoding is unknown'
  return undefined
}
