import test from 'ava'
import fc from 'fast-check'
import { packValue, unpackValue } from '../../protocol/index.js'

const SEED = 20_260_104

const unpackHex = (hex: string) => unpackValue(Buffer.from(hex, 'hex'))

test('[PAYLOAD-4.1] objects of one shape are maps each, without records', (t) => {
  const rows = Array.from({ length: 40 }, (_, index) => ({ id: index, name: 'n' }))
  const bytes = packValue(rows)
  t.is(bytes.filter((byte) => byte === 0x82).length, 40)
  t.deepEqual(unpackValue(bytes), rows)
})

test('[PAYLOAD-4.1] a record definition of msgpackr does not outlive its payload', (t) => {
  t.deepEqual(unpackHex('92d4724091a1610102'), [{ a: 1 }, 2])
  t.is(unpackHex('40'), 64)
  t.throws(() => unpackHex('d4724091a161'), { code: 'DECODE_FAILED' })
  t.is(unpackHex('40'), 64)
})

for (const [value, hex] of [
  [5n, 'd30000000000000005'],
  [-5n, 'd3fffffffffffffffb'],
  [2n ** 53n, 'd30020000000000000'],
  [2n ** 63n, 'cf8000000000000000'],
] as const) {
  test(`[PAYLOAD-4.3] a bigint of ${value} is sent as a 64-bit integer`, (t) => {
    t.is(packValue(value).toString('hex'), hex)
    const back = unpackHex(hex)
    t.is(typeof back, value > 2n ** 53n ? 'bigint' : 'number')
    t.is(BigInt(back as number), value)
  })
}

test('[PAYLOAD-4.3] every 64-bit integer comes back exactly', (t) => {
  fc.assert(
    fc.property(fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n), (value) => {
      t.is(BigInt(unpackValue(packValue(value)) as bigint), value)
    }),
    { seed: SEED },
  )
  for (const outside of [2n ** 64n, -(2n ** 63n) - 1n]) {
    t.throws(() => packValue(outside), { code: 'ENCODE_FAILED' })
  }
})

class Reading {
  readonly samples: unknown
  constructor(samples: unknown) {
    this.samples = samples
  }
}

class Masked {
  readonly #shown: unknown
  constructor(shown: unknown) {
    this.#shown = shown
  }
  toJSON(): unknown {
    return this.#shown
  }
}

const memory = new Float64Array(2)
for (const [place, value] of [
  ['alone', memory],
  ['in a field', { memory }],
  ['in a list', [[memory]]],
  ['in a Map', new Map([['a', memory]])],
  ['in a Set', new Set([memory])],
  ['in a class', new Reading(memory)],
  ['behind toJSON', { masked: new Masked(memory) }],
  ['as a DataView', { view: new DataView(memory.buffer) }],
  ['as an ArrayBuffer', [memory.buffer]],
  ['as shared memory', [new SharedArrayBuffer(2)]],
] as const) {
  test(`[PAYLOAD-4.5] a typed array is refused ${place}: it would send the memory around it`, (t) => {
    t.throws(() => packValue(value), { code: 'ENCODE_FAILED', message: /typed array/ })
  })
}

test('[PAYLOAD-4.5] what a class or toJSON holds is sent when it is portable', (t) => {
  t.deepEqual(unpackValue(packValue(new Reading(Buffer.from([1])))), { samples: Buffer.from([1]) })
  t.deepEqual(unpackValue(packValue([new Masked({ a: 1 })])), [{ a: 1 }])
})

for (const [what, hex] of [
  ['of an unknown type', 'd40500'],
  ['for references, its definition', 'd6690000000190'],
  ['for references, its use', 'd67000000001'],
] as const) {
  test(`[PAYLOAD-4.6] an extension ${what} is refused`, (t) => {
    t.throws(() => unpackHex(hex), { code: 'DECODE_FAILED' })
  })
}

test('[PAYLOAD-4.6] dates travel as timestamps of every form', (t) => {
  const dates = [
    '1969-12-31T23:59:59.001Z',
    '1970-01-01T00:00:00Z',
    '2026-01-02T03:04:05.678Z',
    '2200-01-01T00:00:00Z',
  ]
  for (const text of dates) {
    const bytes = packValue(new Date(text))
    t.true(bytes.includes(0xff))
    t.deepEqual(unpackValue(bytes), new Date(text))
  }
})

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { value }
  return value
}

test('[PAYLOAD-4.7] values nested up to 200 deep are sent, deeper ones and circles refused', (t) => {
  t.deepEqual(unpackValue(packValue(nested(200))), nested(200))
  const circle: unknown[] = []
  circle.push({ circle })
  const ring = new Set<unknown>()
  ring.add(ring)
  for (const value of [nested(201), circle, ring]) {
    t.throws(() => packValue(value), { code: 'ENCODE_FAILED', message: /nested deeper/ })
  }
})

test('[PAYLOAD-4.7] a payload nested without end is refused, and the next one is read', (t) => {
  t.throws(() => unpackValue(Buffer.alloc(1_000_000, 0x91)), { code: 'DECODE_FAILED' })
  t.is(unpackHex('05'), 5)
})

for (const hex of [
  '',
  '81',
  'a5',
  'cd01',
  'c403',
  'dbffffffff',
  'ddffffffff',
  'dfffffffff',
  'c6ffffffff',
  '0102',
  'c000',
]) {
  test(`[PAYLOAD-4.8] no value, or not exactly one: ${hex}`, (t) => {
    t.throws(() => unpackHex(hex), { code: 'DECODE_FAILED' })
  })
}

test('[PAYLOAD-4.8] random bytes give a value or DECODE_FAILED, and nothing of the bytes before', (t) => {
  const before = Buffer.from('secret-secret-secret-secret-secret-secret')
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (random) => {
      const memory = Buffer.concat([before, random, before])
      const bytes = memory.subarray(before.length, before.length + random.length)
      try {
        t.false(packValue(unpackValue(bytes)).includes('secret'))
      } catch (error) {
        t.regex((error as { code: string }).code, /^(DECODE|ENCODE)_FAILED$/)
      }
    }),
    { seed: SEED, numRuns: 5000 },
  )
})
