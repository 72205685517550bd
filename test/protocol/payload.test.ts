import test from 'ava'
import fc from 'fast-check'
import {
  decodeHeaders,
  decodePayload,
  type EncodeOptions,
  Encoding,
  encodePayload,
  HEADERS_BYTES_MAX,
  packValue,
  visibleHeaders,
} from '../../protocol/index.js'

const SEED = 20_260_103

function encoded(data: unknown, options?: EncodeOptions) {
  const { encoding, payload, headers } = encodePayload(data, options)
  const bytes = Buffer.from(payload as Uint8Array)
  return { encoding, bytes, headers: headers === undefined ? {} : decodeHeaders(headers) }
}

function roundTrip(data: unknown, options?: EncodeOptions): unknown {
  const { encoding, bytes, headers } = encoded(data, options)
  return decodePayload(encoding, bytes, headers)
}

const NATURAL: [title: string, data: unknown, encoding: Encoding, back?: unknown][] = [
  ['text', 'hej 😀', Encoding.UTF8],
  ['empty text', '', Encoding.UTF8],
  ['a Buffer', Buffer.from([1, 2]), Encoding.BYTES],
  ['a Uint8Array', new Uint8Array([1, 2]), Encoding.BYTES, Buffer.from([1, 2])],
  ['an ArrayBuffer', new Uint8Array([1, 2]).buffer, Encoding.BYTES, Buffer.from([1, 2])],
  ['no bytes', Buffer.alloc(0), Encoding.BYTES],
  ['an object', { a: [1, 'two', null, { deep: true }] }, Encoding.MSGPACK],
  ['a number', 42.5, Encoding.MSGPACK],
  ['null', null, Encoding.MSGPACK],
  ['undefined', undefined, Encoding.MSGPACK, null],
  ['a bigint', 2n ** 63n, Encoding.MSGPACK],
  ['a small bigint', 5n, Encoding.MSGPACK, 5],
  ['a Date', new Date(86_400_123), Encoding.MSGPACK],
  ['a Date before 1970', new Date(-1), Encoding.MSGPACK],
  ['a Set', new Set([1, 2]), Encoding.MSGPACK, [1, 2]],
  ['a Map', new Map([['a', 1]]), Encoding.MSGPACK, { a: 1 }],
  ['a URL', new URL('http://localhost/a'), Encoding.MSGPACK, 'http://localhost/a'],
]

for (const [title, data, encoding, back = data] of NATURAL) {
  test(`[PAYLOAD-2] [PAYLOAD-3] ${title} travels by its type and comes back`, (t) => {
    t.is(encoded(data).encoding, encoding)
    t.deepEqual(roundTrip(data), back)
  })
}

const ARRAYS = [
  new Int8Array([-128, 127]),
  new Uint8ClampedArray([0, 255]),
  new Int16Array([-32_768, 32_767]),
  new Uint16Array([65_535]),
  new Int32Array([-2_147_483_648, 1]),
  new Uint32Array([4_294_967_295]),
  new Float32Array([1.5, Number.NaN, Number.POSITIVE_INFINITY]),
  new Float64Array([0.1, -0]),
  new BigInt64Array([-(2n ** 63n)]),
  new BigUint64Array([2n ** 64n - 1n]),
  new Float64Array(0),
]

for (const array of ARRAYS) {
  test(`[PAYLOAD-5] ${array.constructor.name} of ${array.length} comes back as it is`, (t) => {
    t.is(encoded(array).encoding, Encoding.ARRAY)
    t.deepEqual(encoded(array).headers.$shape, [array.length])
    t.deepEqual(roundTrip(array), array)
  })
}

test('[PAYLOAD-5] a Uint8Array is an array when it has a shape, and bytes otherwise', (t) => {
  const pixels = new Uint8Array([1, 2, 3, 4, 5, 6])
  t.deepEqual(encoded(pixels, { shape: [2, 3] }).headers, { $dtype: 'uint8', $shape: [2, 3] })
  t.deepEqual(roundTrip(pixels, { shape: [2, 3] }), pixels)
  t.deepEqual(roundTrip(pixels, { encoding: 'array' }), pixels)
})

test('[PAYLOAD-5] a part of a larger array travels alone, from any offset', (t) => {
  const whole = new Float32Array([1, 2, 3, 4])
  t.deepEqual(roundTrip(whole.subarray(1, 3)), new Float32Array([2, 3]))
  const { bytes, headers } = encoded(whole)
  const unaligned = Buffer.concat([Buffer.alloc(1), bytes]).subarray(1)
  t.deepEqual(decodePayload(Encoding.ARRAY, unaligned, headers), whole)
})

test('[PAYLOAD-5] shapes of no, many and empty dimensions', (t) => {
  t.deepEqual(roundTrip(new Int8Array([7]), { shape: [] }), new Int8Array([7]))
  t.deepEqual(roundTrip(new Int8Array(0), { shape: [3, 0] }), new Int8Array(0))
  const shape = Array.from({ length: 32 }, () => 1)
  t.deepEqual(roundTrip(new Int8Array([7]), { shape }), new Int8Array([7]))
})

test('[PAYLOAD-5] a shape that does not fit is refused on both sides', (t) => {
  const array = new Int16Array(6)
  const bytes = Buffer.alloc(12)
  for (const shape of [
    [5],
    [2, 2],
    [-6],
    [1.5, 4],
    [Number.NaN],
    Array.from({ length: 33 }, () => 1),
    [2 ** 53],
  ]) {
    t.throws(() => encodePayload(array, { shape }), { code: 'ENCODE_FAILED' })
    t.throws(() => decodePayload(Encoding.ARRAY, bytes, { $dtype: 'int16', $shape: shape }), {
      code: 'DECODE_FAILED',
    })
  }
})

const BAD_ARRAY_HEADERS: Record<string, unknown>[] = [
  {},
  { $dtype: 'int16' },
  { $shape: [2] },
  { $dtype: 'int17', $shape: [2] },
  { $dtype: 'constructor', $shape: [2] },
  { $dtype: 2, $shape: [2] },
  { $dtype: 'int16', $shape: 2 },
  { $dtype: 'int64', $shape: [1] },
]

for (const headers of BAD_ARRAY_HEADERS) {
  test(`[PAYLOAD-5] four bytes are no array with ${JSON.stringify(headers)}`, (t) => {
    t.throws(() => decodePayload(Encoding.ARRAY, Buffer.alloc(4), headers), { code: 'DECODE_FAILED' })
  })
}

const REFUSED: [title: string, data: unknown, options?: EncodeOptions][] = [
  ['a function', () => 1],
  ['a symbol within', { a: Symbol('a') }],
  ['a function within', [() => 1]],
  ['a promise', Promise.resolve(1)],
  ['an Error', new Error('no')],
  ['a RegExp', /a/],
  ['a DataView', new DataView(new ArrayBuffer(2))],
  ['an invalid Date', { at: new Date(Number.NaN) }],
  ['a bigint of 65 bits', 2n ** 64n],
  ['a Map with objects as keys', new Map([[{}, 1]])],
  ['bytes that are none', { a: 1 }, { encoding: 'bytes' }],
  ['text that is none', 1, { encoding: 'utf8' }],
  ['JSON of undefined', undefined, { encoding: 'json' }],
  ['JSON of a bigint', 1n, { encoding: 'json' }],
  ['an array that is none', [1, 2], { encoding: 'array' }],
  ['a shape without an array', 'text', { shape: [4] }],
]

for (const [title, data, options] of REFUSED) {
  test(`[PAYLOAD-2] refused: ${title}`, (t) => {
    t.throws(() => encodePayload(data, options), { code: 'ENCODE_FAILED', name: 'RingbusError' })
  })
}

test('[PAYLOAD-2] the encoding that the user names wins over the type', (t) => {
  t.deepEqual(roundTrip({ a: 1 }, { encoding: 'json' }), { a: 1 })
  t.deepEqual(roundTrip('text', { encoding: 'msgpack' }), 'text')
  t.deepEqual(roundTrip(new Float32Array([1]), { encoding: 'bytes' }), Buffer.from([0, 0, 0x80, 0x3f]))
  t.deepEqual(roundTrip(new DataView(new ArrayBuffer(2)), { encoding: 'bytes' }), Buffer.alloc(2))
  t.deepEqual(roundTrip(undefined, { encoding: 'bytes' }), Buffer.alloc(0))
})

test('[PAYLOAD-3] what is decoded lies in memory of its own', (t) => {
  const chunk = Buffer.from('abcd')
  const bytes = decodePayload(Encoding.BYTES, chunk, {}) as Buffer
  const array = decodePayload(Encoding.ARRAY, chunk, { $dtype: 'int16', $shape: [2] }) as Int16Array
  const packed = packValue(chunk)
  const within = decodePayload(Encoding.MSGPACK, packed, {}) as Buffer
  chunk.fill(0)
  packed.fill(0)
  t.is(bytes.toString(), 'abcd')
  t.is(array[0], 0x6261)
  t.is(within.toString(), 'abcd')
})

test('[PAYLOAD-3] broken payloads give DECODE_FAILED', (t) => {
  t.throws(() => decodePayload(Encoding.JSON, Buffer.from('{'), {}), { code: 'DECODE_FAILED' })
  t.throws(() => decodePayload(Encoding.MSGPACK, Buffer.from([0x81]), {}), { code: 'DECODE_FAILED' })
  t.throws(() => decodePayload(9, Buffer.alloc(0), {}), { code: 'DECODE_FAILED' })
  t.is(decodePayload(Encoding.UTF8, Buffer.from([0x61, 0xff]), {}), 'a\ufffd')
})

test('[PAYLOAD-1] anything that JSON knows survives as msgpack and as json', (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const expected = JSON.parse(JSON.stringify(value))
      t.deepEqual(roundTrip(expected, { encoding: 'json' }), expected)
      // A name that JavaScript gives a meaning to does not come back as it is.
      if (JSON.stringify(value).includes('__proto__')) return
      t.deepEqual(roundTrip(expected, { encoding: 'msgpack' }), expected)
    }),
    { seed: SEED },
  )
})

test('[WIRE-3.5] headers: scalars are sent, names with $ and anything larger are refused', (t) => {
  const headers = { text: 'a', number: 1.5, yes: true, nothing: null }
  t.deepEqual(encoded('x', { headers }).headers, headers)
  t.throws(() => encodePayload('x', { headers: { $dtype: 'int8' } }), { code: 'ENCODE_FAILED' })
  t.throws(() => encodePayload('x', { headers: { a: {} as never } }), { code: 'ENCODE_FAILED' })
  t.throws(() => encodePayload('x', { headers: { a: [1] as never } }), { code: 'ENCODE_FAILED' })
})

test('[WIRE-3.5] users do not see the headers of the protocol', (t) => {
  const { headers } = encoded(new Int8Array(2), { headers: { a: 1 } })
  t.deepEqual(headers, { $dtype: 'int8', $shape: [2], a: 1 })
  t.deepEqual(visibleHeaders(headers), { a: 1 })
})

test('[WIRE-3.4] headers beyond the limit are refused before they are sent', (t) => {
  const overhead = packValue({ a: 'x'.repeat(60_000) }).length - 60_000
  const longest = { a: 'x'.repeat(HEADERS_BYTES_MAX - overhead) }
  t.is(encodePayload('x', { headers: longest }).headers?.length, HEADERS_BYTES_MAX)
  t.throws(() => encodePayload('x', { headers: { a: `${longest.a}x` } }), { code: 'ENCODE_FAILED' })
})

for (const hex of ['', '05', '90', 'c0', 'a161', 'd6ff00000000', 'c400', '8101', '81']) {
  test(`[WIRE-3.4] headers that are no map: ${hex}`, (t) => {
    t.throws(() => decodeHeaders(Buffer.from(hex, 'hex')), { code: 'DECODE_FAILED' })
  })
}
