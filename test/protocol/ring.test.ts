import test from 'ava'
import fc from 'fast-check'
import {
  CAPABILITY_RING,
  descriptorOffset,
  FEATURE_RING,
  FEATURE_RING_REQUESTS,
  Flag,
  GRANULE_BYTES,
  granulesOf,
  HEADER_BYTES,
  inlineLength,
  isByRing,
  Kind,
  MAGIC,
  messageFrame,
  optionsFault,
  POSITION_MAX,
  packValue,
  RING_DESCRIPTOR_BYTES,
  RING_LAYOUT_VERSION,
  type RingDescriptor,
  readDescriptor,
  recordName,
  SegmentRole,
  TOKEN_BYTES,
  writeDescriptor,
} from '../../protocol/index.js'
import { readProjectFile } from '../project-files.js'
import { complete, type DescribedFrame } from './described-frame.js'
import { readSpec, readVectors } from './spec.js'

const SEED = 20_261_121
const RUNS = 500

/** Granules of the largest data area, 2^30 bytes. */
const CAPACITY_MAX = 2 ** 24

const vectors = readVectors(readSpec())

/** The frame of a vector, and its body. */
function shown(name: string) {
  const { bytes, json } = vectors.find((vector) => vector.name === name)!
  const frame = complete(json as DescribedFrame)
  return { bytes, ...frame, body: frame.body as Record<string, unknown> }
}

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const upTo2To53 = fc.oneof(
  fc.integer({ min: 0, max: POSITION_MAX }),
  fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, POSITION_MAX),
)
const descriptors: fc.Arbitrary<RingDescriptor> = fc.record({
  segment: u32,
  position: upTo2To53,
  length: upTo2To53,
  padding: u32,
  restarted: fc.boolean(),
})
const options = fc.record({
  expiryNs: fc.constantFrom(0, 1),
  sentAtNs: fc.constantFrom(0, 2),
  headers: fc.constantFrom(undefined, packValue({}), packValue({ trace: 'abc' })),
})

/** A frame with RING between other bytes, so that nothing works by standing at 0. */
function framed(descriptor: RingDescriptor, head: object, margin: number) {
  const payload = Buffer.alloc(RING_DESCRIPTOR_BYTES, 0xff)
  writeDescriptor(payload, 0, descriptor)
  const frame = messageFrame({ kind: Kind.MESSAGE, flags: Flag.RING, ...head }, payload)
  return Buffer.concat([Buffer.alloc(margin, 0xff), frame, Buffer.alloc(margin, 0xff)])
}

test('[RING-1] a descriptor comes back as it was written, behind any options and anywhere in a chunk', (t) => {
  fc.assert(
    fc.property(descriptors, options, fc.nat(20), (descriptor, head, margin) => {
      const bytes = framed(descriptor, head, margin)
      const length = bytes.readUInt32LE(margin)
      t.is(optionsFault(bytes, margin, length), undefined)
      t.true(isByRing(bytes, margin))
      t.is(descriptorOffset(bytes, margin), margin + length - RING_DESCRIPTOR_BYTES)
      t.deepEqual(readDescriptor(bytes, margin), descriptor)
    }),
    { seed: SEED, numRuns: RUNS },
  )
})

test('[RING-1] the descriptors of the vectors are read and written', (t) => {
  const byRing = vectors.filter(({ type, bytes }) => type === 'frame' && bytes[5]! & Flag.RING)
  t.true(byRing.length >= 5)
  for (const { bytes, json } of byRing) {
    const { $ring } = (json as { payload: { $ring: RingDescriptor } }).payload
    const descriptor = { ...$ring, restarted: Number($ring.restarted) === 1 }
    t.deepEqual(readDescriptor(bytes, 0), descriptor)
    const written = Buffer.alloc(RING_DESCRIPTOR_BYTES, 0xff)
    writeDescriptor(written, 0, descriptor)
    t.deepEqual(written, bytes.subarray(HEADER_BYTES, HEADER_BYTES + RING_DESCRIPTOR_BYTES))
  }
})

test('[REQUEST-5] a frame by ring counts as much as the same message inline', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), options, fc.nat(20), (byteLength, head, margin) => {
      const inline = messageFrame({ kind: Kind.REPLY, flags: Flag.STREAM, ...head }, Buffer.alloc(byteLength))
      t.is(inlineLength(inline, 0, inline.readUInt32LE(0)), inline.readUInt32LE(0))
      const descriptor = { segment: 1, position: 5, length: byteLength, padding: 0, restarted: false }
      const flags = Flag.RING | Flag.STREAM
      const byRing = framed(descriptor, { kind: Kind.REPLY, flags, ...head }, margin)
      t.is(inlineLength(byRing, margin, byRing.readUInt32LE(margin)), inline.readUInt32LE(0))
    }),
    { seed: SEED, numRuns: RUNS },
  )
})

test('[RING-1] only the flag says that a payload lies in a ring', (t) => {
  for (const flags of [0, Flag.RETAIN]) {
    t.false(isByRing(messageFrame({ kind: Kind.MESSAGE, flags }, Buffer.alloc(RING_DESCRIPTOR_BYTES)), 0))
  }
})

const faults: readonly [string, number, readonly number[], RegExp][] = [
  ['a reserved word', 4, [1, 0, 0, 0], /reserved word/],
  ['the last byte of a reserved word', 7, [0x80], /reserved word/],
  ['a position of 2^53', 8, [0, 0, 0, 0, 0, 0, 0x20, 0], /position .* 2\^53/],
  ['a position of 2^64 - 1', 8, [255, 255, 255, 255, 255, 255, 255, 255], /position .* 2\^53/],
  ['a length of 2^53', 16, [0, 0, 0, 0, 0, 0, 0x20, 0], /length .* 2\^53/],
  ['a length of 2^63', 16, [0, 0, 0, 0, 0, 0, 0, 0x80], /length .* 2\^53/],
  ['restarted twice', 28, [2], /restarted/],
  ['a high bit of `restarted`', 31, [0x80], /restarted/],
]

for (const [name, at, bytes, message] of faults) {
  test(`[RING-1] a descriptor with ${name} is at fault, and the message says where`, (t) => {
    const sound = { segment: 1, position: POSITION_MAX, length: POSITION_MAX, padding: 5, restarted: true }
    for (const head of [{}, { expiryNs: 1, headers: packValue({ a: 1 }) }]) {
      const frame = framed(sound, head, 0)
      t.is(optionsFault(frame, 0, frame.length), undefined)
      frame.set(bytes, frame.length - RING_DESCRIPTOR_BYTES + at)
      t.regex(optionsFault(frame, 0, frame.length) ?? 'none', message)
    }
  })
}

test('[RING-1] a payload takes as many granules as hold it', (t) => {
  for (const [byteLength, granules] of [
    [1, 1],
    [GRANULE_BYTES - 1, 1],
    [GRANULE_BYTES, 1],
    [GRANULE_BYTES + 1, 2],
    [2 ** 30 - 1, CAPACITY_MAX],
    [2 ** 30, CAPACITY_MAX],
    [2 ** 30 + 1, CAPACITY_MAX + 1],
  ] as const) {
    t.is(granulesOf(byteLength), granules, `${byteLength} bytes`)
  }
})

test('[RING-2] capability, features and limits have the names of the page', (t) => {
  t.deepEqual(shown('hello-with-rings').body.capabilities, { [CAPABILITY_RING]: RING_LAYOUT_VERSION })
  const { features, limits } = shown('welcome-with-rings').body
  t.deepEqual(features, [FEATURE_RING, FEATURE_RING_REQUESTS])
  t.like(limits, { ringThresholdBytes: 8192, ringPayloadBytesMax: 2 ** 30 })
})

test('[RING-3] a segment is offered with the number of the part that the client has in it', (t) => {
  t.is(shown('segment-to-the-owner').id, SegmentRole.OWNER)
  t.is(shown('segment-to-a-reader').id, SegmentRole.READER)
})

test('[RING-4] ATTACH shows the magic where HELLO does, and the token that WELCOME gave', (t) => {
  const attach = shown('attach')
  t.is(attach.topic, MAGIC)
  t.is(attach.topic, shown('hello').topic)
  t.deepEqual(attach.body.token, shown('welcome-with-rings').body.token)
  t.is((attach.body.token as Buffer).length, TOKEN_BYTES)
})

test('[RING-5] the page and the C header agree on what lies where', (t) => {
  const table = /^\| offset \| word .*\n\| -.*\n(?<rows>(?:\|.*\n)+)/m.exec(readSpec())!.groups!.rows!
  const onPage = [...table.matchAll(/^\| (\d+) +\| `(\w+)`/gm)].map(([, offset, word]) => [
    word,
    Number(offset),
  ])
  const header = readProjectFile('shmring/include/ringbus_layout.h')
  const inHeader = [...header.matchAll(/offsetof\(struct ringbus_control, (\w+)\) == (\d+)/g)]
  t.is(onPage.length, 5)
  t.deepEqual(
    onPage,
    inHeader.map(([, word, offset]) => [word, Number(offset)]),
  )
  const number = (name: string) =>
    Number(new RegExp(`#define RINGBUS_${name} (0x[\\da-f]+|\\d+)u?\\b`).exec(header)![1])
  t.is(number('LAYOUT_VERSION'), RING_LAYOUT_VERSION)
  t.is(number('GRANULE_BYTES'), GRANULE_BYTES)
  t.is(number('DATA_BYTES_MAX'), CAPACITY_MAX * GRANULE_BYTES)
  t.is(number('LAYOUT_MAGIC'), Buffer.from('52494e47', 'hex').readUInt32LE())
  t.true(readSpec().includes('| the bytes `52 49 4e 47` (`RING`)'))
  t.is(number('CONTROL_BYTES'), 65_536)
})

test('[RING-7] no two records that live in one ring have the same name, and each name fits its field', (t) => {
  // Behind a restart, the head is up to two capacities beyond the tail.
  const apart = fc.integer({ min: 1, max: 2 * CAPACITY_MAX })
  fc.assert(
    fc.property(upTo2To53, apart, (position, distance) => {
      const other = Math.max(position - distance, 0)
      if (other !== position) t.not(recordName(position), recordName(other))
      const name = recordName(position)
      t.true(Number.isInteger(name) && name >= 0 && name < 2 ** 32)
      t.is(BigInt(name), BigInt(position) & 0xffff_ffffn)
    }),
    { seed: SEED, numRuns: RUNS },
  )
  const { position } = readDescriptor(shown('message-by-ring').bytes, 0)
  t.is(shown('release').id, recordName(position))
  t.is(shown('release').topic, readDescriptor(shown('message-by-ring').bytes, 0).segment)
})
