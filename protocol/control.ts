import { CONTROL_BYTES_MAX, HEADER_BYTES, Kind } from './constants.js'
import { RingbusError } from './errors.js'
import { kindName } from './frame.js'
import { isMap, packValue, unpackValue } from './msgpack.js'

/*
 * The bodies of control frames: per kind the fields of its msgpack map. A `?` marks a field that may be
 * left out; unknown fields are ignored, so that a later minor version may add one. [WIRE-2.5]
 */
const BODIES = {
  [Kind.HELLO]: { name: 'string?', pid: 'uint?', capabilities: 'map?' },
  [Kind.WELCOME]: {
    clientId: 'uint',
    brokerVersion: 'string',
    features: 'list',
    limits: 'map',
    token: 'bytes',
  },
  [Kind.ERROR]: { code: 'string', message: 'string', fatal: 'bool?', details: 'map?' },
  [Kind.SUBSCRIBE]: {
    pattern: 'string',
    group: 'string?',
    window: 'uint',
    overflow: 'string?',
    backlogBytes: 'uint?',
    backlogMessages: 'uint?',
    retained: 'bool?',
  },
  [Kind.UNSUBSCRIBE]: { drain: 'bool?' },
  [Kind.DRAINED]: { matched: 'uint?', dropped: 'uint?' },
  [Kind.CREDIT]: { bytes: 'uint', messages: 'uint?', expired: 'uint?', discarded: 'uint?' },
  [Kind.SLOW]: { slow: 'bool', dropped: 'uint', queued: 'uint', queuedBytes: 'uint' },
  [Kind.LATENCY]: { samples: 'list' },
  [Kind.SERVE]: { pattern: 'string', concurrency: 'uint' },
  [Kind.FAILURE]: { code: 'string', message: 'string', details: 'map?' },
  [Kind.PULL]: { bytes: 'uint' },
  [Kind.ATTACH]: { client: 'uint', token: 'bytes' },
  [Kind.GRANT]: { bytes: 'uint' },
  [Kind.OPEN]: { bytes: 'uint' },
  [Kind.SEGMENT]: { bytes: 'uint' },
  [Kind.DECLINE]: { code: 'string', message: 'string' },
  [Kind.PAIR]: { bytes: 'uint' },
  [Kind.ABORT]: { position: 'uint', length: 'uint', padding: 'uint', restarted: 'bool?' },
} as const satisfies Partial<Record<Kind, Record<string, FieldType | `${FieldType}?`>>>

type FieldType = keyof FieldTypes
interface FieldTypes {
  string: string
  uint: number
  bool: boolean
  bytes: Uint8Array
  map: Record<string, unknown>
  list: unknown[]
}

/** Kinds whose body is a map; the others have no body, or text (TOPIC and NAME). */
export type BodyKind = keyof typeof BODIES

type RequiredFields<Fields> = {
  [Name in keyof Fields as Fields[Name] extends `${string}?` ? never : Name]: Fields[Name] extends FieldType
    ? FieldTypes[Fields[Name]]
    : never
}
type OptionalFields<Fields> = {
  [Name in keyof Fields as Fields[Name] extends `${string}?`
    ? Name
    : never]?: Fields[Name] extends `${infer Type extends FieldType}?` ? FieldTypes[Type] | undefined : never
}
/** The body of a control frame of this kind. */
export type Body<K extends BodyKind> = RequiredFields<(typeof BODIES)[K]> & OptionalFields<(typeof BODIES)[K]>

/** Messages of errors are for people: nobody reads more of one that is too long to be sent. [ERR-5] */
const MESSAGE_UNITS_KEPT = 1024

/**
 * Encodes the body of a control frame. An error that is longer than a peer accepts is cut; any other body of
 * that length throws ENCODE_FAILED. [WIRE-1.6]
 */
export function encodeBody<K extends BodyKind>(kind: K, body: Body<K>): Buffer {
  const bytes = packValue(body)
  if (bytes.length <= CONTROL_BYTES_MAX) return bytes
  if (kind === Kind.ERROR || kind === Kind.FAILURE) {
    const error = body as Body<typeof Kind.ERROR>
    return packValue({
      ...error,
      message: `${error.message.slice(0, MESSAGE_UNITS_KEPT)}…`,
      details: undefined,
    })
  }
  throw new RingbusError(
    'ENCODE_FAILED',
    `The body of ${kindName(kind)} has ${bytes.length} bytes, the limit is ${CONTROL_BYTES_MAX}`,
  )
}

/** Decodes and checks the body of a control frame; throws BAD_FRAME, which names the field at fault. */
export function decodeBody<K extends BodyKind>(
  kind: K,
  bytes: Buffer,
  start: number,
  length: number,
): Body<K> {
  const body =
    length === HEADER_BYTES ? {} : unpackMap(kind, bytes.subarray(start + HEADER_BYTES, start + length))
  for (const [name, rule] of Object.entries(BODIES[kind])) {
    const value = body[name]
    if (value === undefined || value === null) {
      if (!rule.endsWith('?')) throw badBody(kind, `lacks \`${name}\``)
      // Nil is no value of any type, and whoever reads the body shall meet none. [WIRE-2.5]
      if (value === null) body[name] = undefined
      continue
    }
    const type = rule.replace('?', '') as FieldType
    if (!isOfType(type, value)) throw badBody(kind, `has a \`${name}\` that is no ${type}`)
  }
  return body as Body<K>
}

function unpackMap(kind: BodyKind, bytes: Buffer): Record<string, unknown> {
  let value: unknown
  try {
    value = unpackValue(bytes)
  } catch (cause) {
    throw badBody(kind, 'has a body that is no msgpack', cause)
  }
  if (!isMap(value)) throw badBody(kind, 'has a body that is no map')
  return value
}

function isOfType(type: FieldType, value: unknown): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string'
    case 'uint':
      return Number.isSafeInteger(value) && (value as number) >= 0
    case 'bool':
      return typeof value === 'boolean'
    case 'bytes':
      return value instanceof Uint8Array
    case 'list':
      return Array.isArray(value)
    case 'map':
      return isMap(value)
  }
}

function badBody(kind: BodyKind, fault: string, cause?: unknown): RingbusError {
  return new RingbusError('BAD_FRAME', `${kindName(kind)} ${fault}`, { cause })
}

/** The text of a TOPIC or NAME frame. Broken UTF-8 becomes U+FFFD, which no topic may hold. [TOPIC-2] */
export function decodeName(bytes: Buffer, start: number, length: number): string {
  return bytes.toString('utf8', start + HEADER_BYTES, start + length)
}
