import {
  type Body,
  type BodyKind,
  controlFrame,
  type Dtype,
  decodeBody,
  decodeHeaders,
  decodeName,
  decodePayload,
  ENCODING_NAMES,
  type Encoding,
  type EncodingName,
  encodeBody,
  encodePayload,
  Flag,
  frameLayout,
  KIND_RULES,
  Kind,
  kindName,
  messageFrame,
  Offset,
  packValue,
  readU32,
  type TypedArray,
  visibleHeaders,
  writeU32,
  writeU64,
} from '../../protocol/index.js'

/** A frame as the JSON of SPEC.md describes it; what is left out is 0 or absent. */
export interface DescribedFrame {
  readonly kind: keyof typeof Kind
  readonly flags?: readonly ('STREAM' | 'RETAIN' | 'RING')[]
  readonly priority?: number
  readonly encoding?: EncodingName
  readonly topic?: number
  readonly id?: number
  readonly body?: unknown
  readonly name?: string
  readonly expiryNs?: number
  readonly sentAtNs?: number
  readonly headers?: Record<string, unknown>
  readonly payload?: unknown
}

const ARRAYS = {
  float32: Float32Array,
  int16: Int16Array,
  uint8: Uint8Array,
} satisfies Partial<Record<Dtype, unknown>>

const NO_BODY_KINDS: readonly Kind[] = [
  Kind.DELIVER,
  Kind.UNSERVE,
  Kind.CANCEL,
  Kind.FLUSH,
  Kind.FLUSHED,
  Kind.PAUSE,
  Kind.RESUME,
  Kind.POLL,
  Kind.MAPPED,
  Kind.RELEASE,
  Kind.SPACE,
  Kind.RETIRE,
  Kind.RETIRED,
  Kind.DETACH,
  Kind.DETACHED,
  Kind.PAIRED,
]

/** The value that a piece of the page's JSON stands for. */
export function meantBy(json: unknown): unknown {
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return json.map(meantBy)
  const marked = json as Record<string, unknown>
  if (typeof marked.$bytes === 'string') return Buffer.from(marked.$bytes, 'hex')
  if (typeof marked.$bigint === 'string') return BigInt(marked.$bigint)
  if (typeof marked.$time === 'string') return new Date(marked.$time)
  if (marked.$undefined === true) return undefined
  if (Array.isArray(marked.$array)) return new ARRAYS[marked.dtype as keyof typeof ARRAYS](marked.$array)
  if (marked.$ring !== undefined) return encodeDescriptor(marked.$ring as RingDescriptor)
  return Object.fromEntries(Object.entries(marked).map(([name, value]) => [name, meantBy(value)]))
}

interface RingDescriptor {
  readonly segment: number
  readonly position: number
  readonly length: number
  readonly padding: number
  readonly restarted: number
}

function encodeDescriptor(descriptor: RingDescriptor): Buffer {
  const bytes = Buffer.alloc(32)
  writeU32(bytes, 0, descriptor.segment)
  writeU64(bytes, 8, descriptor.position)
  writeU64(bytes, 16, descriptor.length)
  writeU32(bytes, 24, descriptor.padding)
  writeU32(bytes, 28, descriptor.restarted)
  return bytes
}

/** Encodes a described frame the way that the client and the broker do. */
export function encodeDescribed(frame: DescribedFrame): Buffer {
  const kind = Kind[frame.kind]
  if (!KIND_RULES[kind]!.message) return controlFrame(kind, frame.topic ?? 0, frame.id ?? 0, bodyBytes(frame))
  const flags = (frame.flags ?? []).reduce((bits, name) => bits | Flag[name], 0)
  const { encoding, payload, headers } = describedPayload(frame)
  const { priority = 0, topic = 0, id = 0, expiryNs = 0, sentAtNs = 0 } = frame
  return messageFrame({ kind, flags, priority, encoding, topic, id, expiryNs, sentAtNs, headers }, payload)
}

function bodyBytes(frame: DescribedFrame): Buffer | undefined {
  if (frame.name !== undefined) return Buffer.from(frame.name)
  if (frame.encoding === undefined) return undefined
  const kind = Kind[frame.kind] as BodyKind
  return encodeBody(kind, meantBy(frame.body) as Body<BodyKind>)
}

function describedPayload(frame: DescribedFrame): ReturnType<typeof encodePayload> {
  const value = 'payload' in frame ? meantBy(frame.payload) : Buffer.alloc(0)
  const headers = frame.headers === undefined ? undefined : visibleHeaders(frame.headers)
  if (frame.flags?.includes('RING')) {
    // The descriptor goes as it is; the encoding is that of the bytes in the ring. [RING-1]
    const encoding = ENCODING_NAMES.indexOf(frame.encoding ?? 'bytes') as Encoding
    return { ...encodePayload(value, { encoding: 'bytes', headers }), encoding }
  }
  if (frame.encoding === 'array') {
    const { shape } = frame.payload as { shape: number[] }
    return encodePayload(value as TypedArray, { encoding: 'array', shape, headers })
  }
  return encodePayload(value, { encoding: frame.encoding ?? 'bytes', headers })
}

/** Decodes the frame at `start` whole, as a client or the broker does in several steps. */
export function describe(bytes: Buffer, start: number, length: number): Required<DescribedFrame> {
  const kind = bytes[start + Offset.KIND] as Kind
  const flags = bytes[start + Offset.FLAGS]!
  const described = {
    kind: kindName(kind) as keyof typeof Kind,
    flags: (['RETAIN', 'RING', 'STREAM'] as const).filter((name) => flags & Flag[name]),
    priority: bytes[start + Offset.PRIORITY]!,
    encoding: ENCODING_NAMES[bytes[start + Offset.ENCODING]!]!,
    topic: readU32(bytes, start + Offset.TOPIC),
    id: readU32(bytes, start + Offset.ID),
    ...NOTHING,
  }
  if (kind === Kind.TOPIC || kind === Kind.NAME) {
    return { ...described, name: decodeName(bytes, start, length) }
  }
  if (!KIND_RULES[kind]!.message) {
    const body = NO_BODY_KINDS.includes(kind) ? undefined : decodeBody(kind as BodyKind, bytes, start, length)
    return { ...described, body }
  }
  const { expiryNs, sentAtNs, headersStart, headersEnd, payloadStart } = frameLayout(bytes, start)
  const headers = flags & Flag.HEADERS ? decodeHeaders(bytes.subarray(headersStart, headersEnd)) : {}
  const payload = bytes.subarray(payloadStart, start + length)
  const value =
    flags & Flag.RING
      ? Buffer.from(payload)
      : decodePayload(bytes[start + Offset.ENCODING]!, payload, headers)
  return { ...described, expiryNs, sentAtNs, headers, payload: value }
}

const NOTHING = {
  body: undefined,
  name: '',
  expiryNs: 0,
  sentAtNs: 0,
  headers: {},
  payload: undefined,
}

/** A described frame with every field, as `describe` gives it back. */
export function complete(frame: DescribedFrame): Required<DescribedFrame> {
  const kind = Kind[frame.kind]
  const isMessage = KIND_RULES[kind]!.message
  const defaults = { flags: [], priority: 0, encoding: 'bytes' as const, topic: 0, id: 0, ...NOTHING }
  const payload = isMessage ? ('payload' in frame ? meantBy(frame.payload) : Buffer.alloc(0)) : undefined
  return { ...defaults, ...frame, body: meantBy(frame.body), payload }
}

/** One msgpack value in the form that this package writes. */
export function encodeValue(json: unknown): Buffer {
  return packValue(meantBy(json))
}

/** The value that decoding gives: what was `undefined` comes back as null. */
export function decodedFrom(json: unknown): unknown {
  return JSON.stringify(json)?.includes('"$undefined"') ? nilForUndefined(meantBy(json)) : meantBy(json)
}

function nilForUndefined(value: unknown): unknown {
  if (value === undefined) return null
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, nilForUndefined(entry)]))
}
