import { Encoding, type Encoding as EncodingCode, HEADERS_BYTES_MAX } from './constants.js'
import { RingbusError } from './errors.js'
import { isMap, packValue, unpackValue } from './msgpack.js'

/** Names of the encodings, as the public API and the tools spell them. */
export type EncodingName = 'bytes' | 'utf8' | 'msgpack' | 'json' | 'array'

export const ENCODING_NAMES: readonly EncodingName[] = ['bytes', 'utf8', 'msgpack', 'json', 'array']

/** Headers of a message: small values beside the payload. Names that start with `$` belong to the protocol. */
export type Headers = Readonly<Record<string, string | number | boolean | null>>

type Scalars = Record<string, unknown>

export type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array

/** The element types of an array payload, by the name that travels. [PAYLOAD-5] */
const ARRAY_TYPES = {
  int8: Int8Array,
  uint8: Uint8Array,
  'uint8-clamped': Uint8ClampedArray,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
} as const
export type Dtype = keyof typeof ARRAY_TYPES

/** The typed array that has elements of this type. */
export type ArrayOf<D extends Dtype> = InstanceType<(typeof ARRAY_TYPES)[D]>

/** What is said of an array beside its bytes. */
export interface ArrayLayout {
  readonly dtype: Dtype
  /** How many elements in each dimension. */
  readonly shape: readonly number[]
}

/** Headers of the protocol itself, which describe an array payload. [PAYLOAD-5] */
export const DTYPE_HEADER = '$dtype'
export const SHAPE_HEADER = '$shape'

/** No array has more dimensions: NumPy's own limit was 32 for most of its life. */
const DIMENSIONS_MAX = 32

/** A payload as it travels: its encoding, its bytes (text is encoded as it is written), its headers. */
export interface EncodedPayload {
  readonly encoding: EncodingCode
  readonly payload: Uint8Array | string
  readonly headers: Uint8Array | undefined
}

const EMPTY = new Uint8Array(0)

export interface EncodeOptions {
  readonly encoding?: EncodingName | undefined
  readonly headers?: Headers | undefined
  /** The shape of a typed array; its product is the number of elements. Default: one dimension. */
  readonly shape?: readonly number[] | undefined
}

/** Encodes what a user publishes: by `options.encoding`, else by its type. Throws ENCODE_FAILED. [PAYLOAD-2] */
export function encodePayload(data: unknown, options: EncodeOptions = {}): EncodedPayload {
  const encoding = options.encoding ?? naturalEncoding(data, options.shape !== undefined)
  if (encoding === 'array') return encodeArray(data, options)
  if (options.shape !== undefined) throw new RingbusError('ENCODE_FAILED', 'Only a typed array has a shape')
  const headers = options.headers === undefined ? undefined : encodeHeaders(options.headers, {})
  switch (encoding) {
    case 'bytes':
      return { encoding: Encoding.BYTES, payload: asBytes(data), headers }
    case 'utf8':
      if (typeof data !== 'string') throw expected('a string', data)
      return { encoding: Encoding.UTF8, payload: data, headers }
    case 'json':
      return { encoding: Encoding.JSON, payload: encodeJson(data), headers }
    case 'msgpack':
      return { encoding: Encoding.MSGPACK, payload: packValue(data), headers }
  }
}

function naturalEncoding(data: unknown, shaped: boolean): EncodingName {
  if (typeof data === 'string') return 'utf8'
  if (data instanceof Uint8Array && !shaped) return 'bytes'
  if (data instanceof ArrayBuffer) return 'bytes'
  if (ArrayBuffer.isView(data) && !(data instanceof DataView)) return 'array'
  return 'msgpack'
}

function asBytes(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) return data
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  if (data === undefined) return EMPTY
  throw expected('bytes', data)
}

function encodeJson(data: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(data)
  } catch (cause) {
    throw new RingbusError('ENCODE_FAILED', `The value cannot be encoded as JSON: ${String(cause)}`, {
      cause,
    })
  }
  if (text === undefined) throw expected('a value that JSON knows', data)
  return text
}

function encodeArray(data: unknown, options: EncodeOptions): EncodedPayload {
  const dtype = dtypeOf(data)
  if (dtype === undefined) throw expected('a typed array', data)
  const array = data as TypedArray
  const shape = options.shape ?? [array.length]
  const fault = shapeFault(shape, array.length)
  if (fault !== undefined)
    throw new RingbusError('ENCODE_FAILED', `Expected \`shape\` to fit the array: ${fault}`)
  const payload = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  return { encoding: Encoding.ARRAY, payload, headers: payloadHeaders(options.headers, { dtype, shape }) }
}

/** Bytes of an array of this layout; throws INVALID_ARGUMENT when there is none. */
export function arrayByteLength({ dtype, shape }: ArrayLayout): number {
  if (typeof dtype !== 'string' || !Object.hasOwn(ARRAY_TYPES, dtype)) {
    const known = Object.keys(ARRAY_TYPES).join(', ')
    throw new RingbusError('INVALID_ARGUMENT', `Expected \`dtype\` to be one of ${known}`)
  }
  const elements = Array.isArray(shape) ? shape.reduce((product, extent) => product * extent, 1) : Number.NaN
  const fault = Array.isArray(shape) ? shapeFault(shape, elements) : 'it is no array'
  if (fault !== undefined || !Number.isSafeInteger(elements)) {
    throw new RingbusError(
      'INVALID_ARGUMENT',
      `Expected \`shape\` to be a shape: ${fault ?? 'it is too large'}`,
    )
  }
  return elements * ARRAY_TYPES[dtype].BYTES_PER_ELEMENT
}

/** A buffer as the array that it was made for. */
export function arrayIn(buffer: ArrayBuffer, dtype: Dtype): TypedArray {
  return new ARRAY_TYPES[dtype](buffer)
}

/** The headers of a payload whose bytes are encoded already. Throws ENCODE_FAILED. */
export function payloadHeaders(
  headers: Headers | undefined,
  layout: ArrayLayout | undefined,
): Buffer | undefined {
  if (layout !== undefined) return encodeHeaders(headers ?? {}, arrayHeaders(layout))
  return headers === undefined ? undefined : encodeHeaders(headers, {})
}

function arrayHeaders({ dtype, shape }: ArrayLayout): Scalars {
  return { [DTYPE_HEADER]: dtype, [SHAPE_HEADER]: [...shape] }
}

function dtypeOf(data: unknown): Dtype | undefined {
  for (const name in ARRAY_TYPES) if (data instanceof ARRAY_TYPES[name as Dtype]) return name as Dtype
  return undefined
}

function shapeFault(shape: readonly unknown[], elements: number): string | undefined {
  if (shape.length > DIMENSIONS_MAX) return `it has more than ${DIMENSIONS_MAX} dimensions`
  let product = 1
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || (extent as number) < 0) return `${String(extent)} is no extent`
    product *= extent as number
  }
  return product === elements ? undefined : `it covers ${product} elements, the array has ${elements}`
}

/** [WIRE-3.4] [WIRE-3.5] */
function encodeHeaders(headers: Headers, own: Scalars): Buffer {
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('$'))
      throw new RingbusError('ENCODE_FAILED', `The header "${name}" belongs to the protocol`)
    if (typeof value === 'object' && value !== null)
      throw new RingbusError('ENCODE_FAILED', `The header "${name}" is no string, number, boolean or null`)
  }
  const bytes = packValue({ ...own, ...headers })
  if (bytes.length > HEADERS_BYTES_MAX) {
    throw new RingbusError(
      'ENCODE_FAILED',
      `The headers have ${bytes.length} bytes, the limit is ${HEADERS_BYTES_MAX}`,
    )
  }
  return bytes
}

/** Headers as the user sees them, without the protocol's own. */
export function visibleHeaders(headers: Scalars): Headers {
  const visible: Record<string, string | number | boolean | null> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith('$')) visible[name] = value as string | number | boolean | null
  }
  return visible
}

/** Decodes the headers of a message; throws DECODE_FAILED when they are no map. [WIRE-3.4] */
export function decodeHeaders(bytes: Uint8Array): Scalars {
  const headers = unpackValue(bytes)
  if (!isMap(headers)) throw new RingbusError('DECODE_FAILED', 'The headers are no map')
  return headers
}

/**
 * Decodes a payload as it was sent. Bytes come back as a Buffer and arrays as a typed array, both in memory
 * of their own. Throws DECODE_FAILED. [PAYLOAD-3]
 */
export function decodePayload(encoding: number, bytes: Buffer, headers: Scalars): unknown {
  switch (encoding) {
    case Encoding.BYTES:
      return Buffer.from(bytes)
    case Encoding.UTF8:
      return bytes.toString('utf8')
    case Encoding.MSGPACK:
      return unpackValue(bytes)
    case Encoding.JSON:
      return decodeJson(bytes)
    case Encoding.ARRAY:
      return decodeArray(bytes, headers)
    default:
      throw new RingbusError('DECODE_FAILED', `Encoding ${encoding} is unknown`)
  }
}

function decodeJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new RingbusError('DECODE_FAILED', `The payload is no JSON: ${String(cause)}`, { cause })
  }
}

function decodeArray(bytes: Buffer, headers: Scalars): TypedArray {
  const type = arrayType(bytes, headers)
  const memory = new ArrayBuffer(bytes.length)
  new Uint8Array(memory).set(bytes)
  return new type(memory)
}

/** An array payload as a typed array over these very bytes; over a copy where they lie askew. Throws DECODE_FAILED. */
export function arrayOver(bytes: Buffer, headers: Scalars): TypedArray {
  const type = arrayType(bytes, headers)
  if (bytes.byteOffset % type.BYTES_PER_ELEMENT !== 0) return decodeArray(bytes, headers)
  return new type(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / type.BYTES_PER_ELEMENT)
}

function arrayType(bytes: Buffer, headers: Scalars): (typeof ARRAY_TYPES)[Dtype] {
  const dtype = headers[DTYPE_HEADER]
  const shape = headers[SHAPE_HEADER]
  if (typeof dtype !== 'string' || !Object.hasOwn(ARRAY_TYPES, dtype)) {
    throw new RingbusError('DECODE_FAILED', `The array's element type ${JSON.stringify(dtype)} is unknown`)
  }
  const type = ARRAY_TYPES[dtype as Dtype]
  if (bytes.length % type.BYTES_PER_ELEMENT !== 0) {
    throw new RingbusError('DECODE_FAILED', `${bytes.length} bytes are no whole number of ${dtype} elements`)
  }
  const fault = Array.isArray(shape)
    ? shapeFault(shape, bytes.length / type.BYTES_PER_ELEMENT)
    : 'it is missing'
  if (fault !== undefined) throw new RingbusError('DECODE_FAILED', `The array's shape is wrong: ${fault}`)
  return type
}

function expected(what: string, got: unknown): RingbusError {
  const described = got === null ? 'null' : Array.isArray(got) ? 'an array' : `a value of type ${typeof got}`
  return new RingbusError('ENCODE_FAILED', `Expected ${what}, got ${described}`)
}
