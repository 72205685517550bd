import { Packr } from 'msgpackr'
import { RingbusError } from './errors.js'

/*
 * msgpackr, set up so that every language reads what it writes and nothing unsafe comes out: [PAYLOAD-4]
 *   useRecords: false        its record extension is known to msgpackr alone [PAYLOAD-4.1]
 *   variableMapSize: true    the shortest map header, as other encoders write it [PAYLOAD-4.1]
 *   encodeUndefinedAsNil     `undefined` is nil, not an extension of msgpackr's own [PAYLOAD-4.2]
 *   int64AsType: 'auto'      a 64-bit integer is a number while that is exact, a bigint beyond [PAYLOAD-4.3]
 *   copyBuffers: true        a decoded binary does not keep the whole read chunk alive [PAYLOAD-4.5]
 *   structuredClone: false   references within a value are refused: a few bytes of them print as gigabytes
 * A typed array within a value is refused: without `moreTypes` msgpackr would send whatever memory lies
 * around it, and its extension for them is known to msgpackr alone. [PAYLOAD-4.5]
 */
const OPTIONS = {
  useRecords: false,
  variableMapSize: true,
  encodeUndefinedAsNil: true,
  int64AsType: 'auto',
  copyBuffers: true,
  structuredClone: false,
}

// The package's types lag behind its documentation: they know no 'auto'.
const packr = new Packr(OPTIONS as object)

/** Encodes a value; throws ENCODE_FAILED when it has no portable form. */
export function packValue(value: unknown): Buffer {
  refuseUnportable(value, 0)
  try {
    return packr.pack(value)
  } catch (cause) {
    throw new RingbusError('ENCODE_FAILED', `The value cannot be encoded as msgpack: ${String(cause)}`, {
      cause,
    })
  }
}

/** Decodes one value that fills `bytes`; throws DECODE_FAILED when it does not. [PAYLOAD-4.8] */
export function unpackValue(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes)
  } catch (cause) {
    throw new RingbusError('DECODE_FAILED', `The bytes are no msgpack value: ${String(cause)}`, { cause })
  }
}

/** Whether a decoded value is a msgpack map, and not a timestamp or what an extension made. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** Deeper than any sensible message, and far from the end of the stack of either side. [PAYLOAD-4.7] */
const DEPTH_MAX = 200

/** Objects of these classes would travel as something that the sender did not mean, mostly an empty map. */
const UNPORTABLE_CLASSES = [Error, RegExp, Promise, WeakMap, WeakSet, Number, String, Boolean]

function refuseUnportable(value: unknown, depth: number): void {
  if (typeof value === 'function' || typeof value === 'symbol') throw expectedPlain(`a ${typeof value}`)
  if (typeof value !== 'object' || value === null) return
  if (depth === DEPTH_MAX) {
    throw new RingbusError('ENCODE_FAILED', `The value is nested deeper than ${DEPTH_MAX}, or in a circle`)
  }
  if (value.constructor === Object) refuseUnportableFields(value, depth)
  else if (Array.isArray(value)) for (const entry of value) refuseUnportable(entry, depth + 1)
  else if (value instanceof Map) refuseUnportableEntries(value, depth)
  else if (value instanceof Set) for (const entry of value) refuseUnportable(entry, depth + 1)
  else if (!(value instanceof Uint8Array)) refuseUnportableInstance(value, depth)
}

function refuseUnportableFields(value: object, depth: number): void {
  for (const key in value) refuseUnportable((value as Record<string, unknown>)[key], depth + 1)
}

function refuseUnportableEntries(value: Map<unknown, unknown>, depth: number): void {
  for (const [key, entry] of value) {
    if (typeof key === 'object' && key !== null) throw expectedPlain('a Map with an object as a key')
    refuseUnportable(key, depth + 1)
    refuseUnportable(entry, depth + 1)
  }
}

function refuseUnportableInstance(value: object, depth: number): void {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    throw new RingbusError(
      'ENCODE_FAILED',
      'A typed array travels as the whole payload, not within a value; use Uint8Array within',
    )
  }
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw expectedPlain('an invalid Date')
    return
  }
  for (const unportable of UNPORTABLE_CLASSES) {
    if (value instanceof unportable) throw expectedPlain(`a ${unportable.name}`)
  }
  // msgpackr sends what `toJSON` returns, so that is what must be portable.
  if ('toJSON' in value && typeof value.toJSON === 'function') refuseUnportable(value.toJSON(), depth + 1)
  else refuseUnportableFields(value, depth)
}

function expectedPlain(got: string): RingbusError {
  return new RingbusError('ENCODE_FAILED', `Expected a value that can be sent, got ${got}`)
}
