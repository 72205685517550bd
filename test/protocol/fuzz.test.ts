import test from 'ava'
import fc from 'fast-check'
import {
  Flag,
  FrameDecoder,
  type FrameFault,
  HEADER_BYTES,
  KIND_RULES,
  Kind,
  messageFrame,
  packValue,
  readU32,
} from '../../protocol/index.js'
import { readSpec, readVectors } from './spec.js'
import { readStream } from './stream.js'

const SEED = 20_260_105
const RUNS = 1500

const vectors = readVectors(readSpec()).filter(({ type }) => type !== 'msgpack')

/** What the decoder hands over and how it ends. Throws when a frame lies outside of its bytes. */
function outcome(from: 'client' | 'broker', chunks: readonly Buffer[]) {
  const frames: string[] = []
  const sink = {
    frame(bytes: Buffer, start: number, length: number) {
      if (start + length > bytes.length || length < HEADER_BYTES || length !== readU32(bytes, start)) {
        throw new Error('out of bounds')
      }
      if (KIND_RULES[bytes[start + 4]!] === undefined) throw new Error('an unknown kind')
      frames.push(bytes.toString('latin1', start, start + length))
      return undefined
    },
  }
  const decoder = new FrameDecoder(sink, { from, payloadBytesMax: 4096 })
  let fault: FrameFault | undefined
  for (const chunk of chunks) fault ??= decoder.push(Buffer.from(chunk))
  return { frames, fault }
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return [...chunks, bytes.subarray(at)]
}

const from = fc.constantFrom('client' as const, 'broker' as const)
const cuts = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 12 })

test('[WIRE-1.7] random bytes never throw, and give the same however they are cut', (t) => {
  fc.assert(
    fc.property(from, fc.uint8Array({ maxLength: 256 }), cuts, (sender, random, sizes) => {
      const bytes = Buffer.from(random)
      t.deepEqual(outcome(sender, cut(bytes, sizes)), outcome(sender, [bytes]))
    }),
    { seed: SEED, numRuns: RUNS },
  )
})

const headerLike = fc.record({
  length: fc.oneof(
    fc.integer({ min: 16, max: 80 }),
    fc.constantFrom(0, 15, 4112, 4113, 2 ** 31 - 1, 2 ** 32 - 1),
  ),
  kind: fc.oneof(fc.constantFrom(0x20, 0x21, 0x30, 0x28), fc.integer({ min: 0, max: 255 })),
  flags: fc.integer({ min: 0, max: 0x3f }),
  rest: fc.uint8Array({ minLength: 0, maxLength: 80 }),
})

test('[WIRE-3.1] plausible headers before random bytes never throw, and give the same however they are cut', (t) => {
  fc.assert(
    fc.property(from, fc.array(headerLike, { maxLength: 4 }), cuts, (sender, headers, sizes) => {
      const bytes = Buffer.concat(
        headers.map(({ length, kind, flags, rest }) => {
          const frame = Buffer.concat([Buffer.alloc(HEADER_BYTES), rest])
          frame.writeUInt32LE(length)
          frame[4] = kind
          frame[5] = flags
          return frame
        }),
      )
      t.deepEqual(outcome(sender, cut(bytes, sizes)), outcome(sender, [bytes]))
    }),
    { seed: SEED, numRuns: RUNS },
  )
})

/** A word of a descriptor: mostly one that only just passes, or only just does not. */
const word = fc.oneof(
  fc.constantFrom(0, 1, 2, 0x1f_ffff, 0x20_0000, 2 ** 31, 2 ** 32 - 1),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
)
const byRing = fc.record({
  kind: fc.constantFrom(Kind.REQUEST, Kind.REPLY, Kind.MESSAGE),
  expiryNs: fc.constantFrom(0, 1),
  headers: fc.constantFrom(undefined, packValue({ trace: 'abc' })),
  reserved: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, word),
  restarted: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0, 1) }, word),
  words: fc.array(word, { minLength: 6, maxLength: 6 }),
  size: fc.oneof({ weight: 4, arbitrary: fc.constant(32) }, fc.integer({ min: 0, max: 40 })),
})

test('[RING-1] of frames by ring those and only those pass whose descriptor is sound, however they are cut', (t) => {
  const seen = { sound: 0, faulty: 0 }
  fc.assert(
    fc.property(from, byRing, cuts, (sender, { reserved, restarted, words, size, ...head }, sizes) => {
      const descriptor = Buffer.alloc(40)
      const [segment, ...rest] = words as [number, ...number[]]
      for (const [index, value] of [segment, reserved, ...rest, restarted].entries()) {
        descriptor.writeUInt32LE(value, index * 4)
      }
      const bytes = messageFrame({ ...head, flags: Flag.RING }, descriptor.subarray(0, size))
      const isSound =
        size === 32 &&
        reserved === 0 &&
        descriptor.readBigUInt64LE(8) < 2n ** 53n &&
        descriptor.readBigUInt64LE(16) < 2n ** 53n &&
        restarted <= 1
      seen[isSound ? 'sound' : 'faulty']++
      const result = outcome(sender, cut(bytes, sizes))
      t.is(result.fault?.code, isSound ? undefined : 'BAD_FRAME')
      t.is(result.frames.length, isSound ? 1 : 0)
      t.deepEqual(result, outcome(sender, [bytes]))
    }),
    { seed: SEED, numRuns: RUNS },
  )
  t.true(seen.sound > 100 && seen.faulty > 100, JSON.stringify(seen))
})

test('[WIRE-2.5] vectors with one byte changed are decoded or refused by code, never worse', (t) => {
  const place = fc.tuple(fc.nat(vectors.length - 1), fc.nat(), fc.integer({ min: 0, max: 255 }))
  fc.assert(
    fc.property(place, ([index, at, value]) => {
      const { bytes, from: sender } = vectors[index]!
      const changed = Buffer.from(bytes)
      changed[at % changed.length] = value
      const { fault } = readStream(sender, [changed])
      t.regex(fault?.code ?? 'NONE', /^[A-Z_]+$/)
    }),
    { seed: SEED, numRuns: 4 * RUNS },
  )
})
