import { Packr } from 'msgpackr'
import { RingbusError } from './errors.js'

/*
 * msgpackr, set up so that every language reads what it writes and nothing unsafe comes out: [PAYLOAD-4]
 *   useRecords: false        its record extension is known to msgpackr alone
 *   variableMapSize: true    the shortest map header, as other encoders write it
 *   copyBuffers: true        a decoded binary does not keep the whole read chunk alive
 *   int64AsType: 'auto'      a 64-bit integer is a number while that is exact, a bigint beyond
 *   encodeUndefinedAsNil     `undefined` is nil, not an extension of msgpackr's own
 * A typed array within a value is refused: without `moreTypes` msgpackr would send whatever memory lies
 * around it, and its extension for them is known to msgpackr alone.
 */
const OPTIONS = {
  useRecords: false,
  variableMapSize: true,
  copyBuffers: true,
  int64AsType: 'auto',
  encodeUndefinedAsNil: true,
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

/** Decodes one value that fills `bytes`; throws DECODE_FAILED when it does not. */
export function unpackValue(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes)
  } catch (cause) {
    throw new RingbusError('DECODE_FAILED', `The bytes are no msgpack value: ${String(cause)}`, { cause })
  }
}

/** Deeper than any sensible message, and far from the end of the stack of either side. */
const DEPTH_MAX = 200

function refuseUnportable(value: unknown, depth: number): void {
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new RingbusError('ENCODE_FAILED', `Expected a value that can be sent, got a ${typeof value}`)
  }
  if (typeof value !== 'object' || value === null) return
  if (depth === DEPTH_MAX)
    throw new RingbusError('ENCODE_FAILED', `The value is nested deeper than ${DEPTH_MAX}, or in a circle`)
  if (value instanceof Uint8Array) return
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    throw new RingbusError(
      'ENCODE_FAILED',
      'A typed array travels as the whole payload, not within a value; use Uint8Array within',
    )
  }
  if (value instanceof Error || value instanceof RegExp) {
    throw new RingbusError(
      'ENCODE_FAILED',
      `Expected a plain value, got ${value instanceof Error ? 'an Error' : 'a RegExp'}`,
    )
  }
  if (value instanceof Map) {
    for (const [key, entry] of value) {
      refuseUnportable(key, depth + 1)
      refuseUnportable(entry, depth + 1)
    }
  } else if (Array.isArray(value)) {
    for (const entry of value) refuseUnportable(entry, depth + 1)
  } else {
    for (const key in value) refuseUnportable((value as Record<string, unknown>)[key], depth + 1)
  }
}
