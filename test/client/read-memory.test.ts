import test from 'ava'
import fc from 'fast-check'
import { BLOCK_BYTES, keptFrames, READ_MEMORY } from '../../client/inbound/read-memory.js'
import { Kind, messageFrame } from '../../protocol/index.js'

/** Frames of one read, as they come behind one another. */
const payloadSizes = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.nat(300) },
    { weight: 1, arbitrary: fc.integer({ min: 5000, max: 20_000 }) },
  ),
  { minLength: 1, maxLength: 60 },
)

const reads = fc.array(payloadSizes, { minLength: 1, maxLength: 4 })

interface Kept {
  readonly bytes: Buffer
  readonly start: number
  readonly expected: Buffer
}

function keepRead(frames: readonly Buffer[], together: number): Kept[] {
  const length = Buffer.concat(frames).copy(READ_MEMORY)
  const chunk = READ_MEMORY.subarray(0, length)
  const kept: Kept[] = []
  let start = 0
  for (let index = 0; index < frames.length; index += together) {
    const run = Buffer.concat(frames.slice(index, index + together))
    const end = start + run.length
    for (let from = start; from < end; ) {
      const at = keptFrames.place(chunk, from, end)
      const placed = keptFrames.placedEnd
      const expected = Buffer.from(chunk.subarray(from, placed))
      kept.push({ bytes: keptFrames.memory.bytes, start: at, expected })
      from = placed
    }
    start = end
  }
  return kept
}

test('frames that are kept stay as they were read, one by one and in runs, whatever is read later', (t) => {
  fc.assert(
    fc.property(reads, fc.integer({ min: 1, max: 20 }), (list, together) => {
      let number = 0
      const kept = list.flatMap((sizes) => {
        const frames = sizes.map((size) => {
          number += 1
          return messageFrame({ kind: Kind.MESSAGE, topic: 1 }, Buffer.alloc(size, number))
        })
        return keepRead(frames, together)
      })
      READ_MEMORY.fill(0xff)
      for (const { bytes, start, expected } of kept) {
        t.not(bytes.buffer, READ_MEMORY.buffer)
        t.deepEqual(bytes.subarray(start, start + expected.length), expected)
        t.true(bytes.length <= Math.max(BLOCK_BYTES, expected.length), `${bytes.length} bytes are kept`)
      }
    }),
    { numRuns: 100 },
  )
})

test('frames that came in memory of their own stay there', (t) => {
  const frame = messageFrame({ kind: Kind.MESSAGE, topic: 1 }, 'abc')
  t.is(keptFrames.place(frame, 0, frame.length), 0)
  t.is(keptFrames.memory.bytes, frame)
  t.is(keptFrames.placedEnd, frame.length)
})
