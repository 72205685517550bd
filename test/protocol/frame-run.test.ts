import test from 'ava'
import fc from 'fast-check'
import {
  Flag,
  FrameDecoder,
  type FrameFault,
  FrameRun,
  Kind,
  messageFrame,
  paddedLength,
  readU32,
} from '../../protocol/index.js'
import { everyCut } from './stream.js'

const LARGEST = 2 ** 30

interface Shape {
  readonly kind?: number
  readonly topic?: number
  readonly priority?: number
  readonly encoding?: number
  readonly expiryNs?: number
  readonly bytes?: number
}

function frame({ kind = Kind.MESSAGE, bytes = 5, ...head }: Shape): Buffer {
  return messageFrame({ kind, ...head }, Buffer.alloc(bytes, 'payload')) as Buffer
}

function stream(...shapes: Shape[]): Buffer {
  return Buffer.concat(shapes.map(frame))
}

function runAt(
  bytes: Buffer,
  start = 0,
  limit = bytes.length,
  lengthMax = LARGEST,
  lengthBytesMax = LARGEST,
) {
  return new FrameRun().set(bytes, start, readU32(bytes, start), limit, lengthMax, lengthBytesMax)
}

const lengthsOf = (run: FrameRun) => [...run].map(({ lengthBytes }) => lengthBytes)

test('frames that differ in kind, priority, encoding, topic or flags are in different runs', (t) => {
  const others: Shape[] = [
    { kind: Kind.REQUEST },
    { priority: 1 },
    { encoding: 1 },
    { topic: 1 },
    { topic: 256 },
    { topic: 2 ** 31 },
    { expiryNs: 9 },
  ]
  for (const other of others) {
    const bytes = stream({}, { bytes: 9 }, other, {})
    const run = runAt(bytes)
    t.is(run.messages, 2)
    t.is(run.lengthBytes, 21 + 25)
    t.is(run.byteLength, 24 + 28)
    t.is(runAt(bytes, run.end).messages, 1)
  }
})

test('a run that mixes topics goes on with others, and says so', (t) => {
  const mixed = (bytes: Buffer, start = 0) =>
    new FrameRun(true).set(bytes, start, readU32(bytes, start), bytes.length)
  for (const topic of [1, 256, 2 ** 31]) {
    for (const shapes of [
      [{}, { topic }, {}],
      [{}, {}, { topic }],
      [{ topic }, {}, {}],
    ]) {
      const run = mixed(stream(...shapes))
      t.deepEqual([run.messages, run.lengthBytes, run.isMixed], [3, 63, true])
    }
  }
  const same = mixed(stream({ topic: 7 }, { topic: 7 }))
  t.deepEqual([same.messages, same.isMixed], [2, false])
  for (const other of [{ kind: Kind.REQUEST }, { priority: 1 }, { encoding: 1 }, { expiryNs: 9 }]) {
    const bytes = stream({ topic: 1 }, { topic: 2 }, other, { topic: 3 })
    const run = mixed(bytes)
    t.deepEqual([run.messages, run.isMixed], [2, true])
    const next = run.set(bytes, run.end, readU32(bytes, run.end), bytes.length)
    t.deepEqual([next.messages, next.isMixed], [1, false], 'it was that of the run before')
  }
})

test('a frame with flags is alone', (t) => {
  const bytes = stream({ expiryNs: 9 }, { expiryNs: 9 })
  t.is(runAt(bytes).messages, 1)
  t.is(runAt(bytes).flags, Flag.EXPIRY)
})

test('a run ends before a frame that is not whole, too long, or shorter than a header', (t) => {
  const bytes = stream({}, { bytes: 40 }, {})
  t.is(runAt(bytes).messages, 3)
  for (let limit = bytes.length - 1; limit > 24; limit--)
    t.is(runAt(bytes, 0, limit).messages, limit < 24 + 56 ? 1 : 2)
  t.is(runAt(bytes, 0, bytes.length, 55).messages, 1)
  t.is(runAt(bytes, 0, bytes.length, 56).messages, 3)
  bytes.writeUInt32LE(15, 24)
  t.is(runAt(bytes).messages, 1)
})

test('a run is cut where its lengths come to a sum', (t) => {
  const whole = runAt(stream({}, { bytes: 6 }, { bytes: 7 }, { bytes: 8 }))
  for (let bytes = 1; bytes <= whole.lengthBytes; bytes++) {
    const first = whole.upTo(bytes)
    const rest = whole.after(first)
    t.deepEqual([...lengthsOf(first), ...(rest === undefined ? [] : lengthsOf(rest))], [21, 22, 23, 24])
    t.is(first.messages + (rest?.messages ?? 0), 4)
    t.is(first.lengthBytes + (rest?.lengthBytes ?? 0), whole.lengthBytes)
    t.true(first.lengthBytes >= bytes)
    t.true(first.lengthBytes - lengthsOf(first).at(-1)! < bytes)
  }
})

test('a topic is written into every frame of a run, and into no other', (t) => {
  const bytes = stream({ topic: 3 }, { topic: 3, bytes: 9 }, { topic: 4 })
  const run = runAt(bytes)
  run.stampTopic(0x01020304)
  t.deepEqual(
    [...run].map(({ topicId }) => topicId),
    [0x01020304, 0x01020304],
  )
  t.is(runAt(bytes, run.end).topicId, 4)
  t.is(run.last.start, paddedLength(21))
})

/** What a sink gets: every frame in order, whether it comes alone or in a run. */
class Sink {
  readonly frames: string[] = []
  readonly runs: number[] = []

  frame(bytes: Buffer, start: number, length: number): FrameFault | undefined {
    this.frames.push(bytes.toString('hex', start, start + length))
    return undefined
  }

  run(run: FrameRun): FrameFault | undefined {
    this.runs.push(run.messages)
    for (const { bytes, start, lengthBytes } of run) this.frame(bytes, start, lengthBytes)
    return undefined
  }
}

class MixingSink extends Sink {
  readonly mixesTopics = true
}

class PlainSink {
  readonly frames: string[] = []
  frame = Sink.prototype.frame
}

function read(sink: Sink | PlainSink, chunks: readonly Buffer[]): FrameFault | undefined {
  const decoder = new FrameDecoder(sink, { from: 'client', payloadBytesMax: 64 })
  let fault: FrameFault | undefined
  for (const chunk of chunks) fault ??= decoder.push(Buffer.from(chunk))
  return fault
}

const shape = fc.record({
  topic: fc.constantFrom(0, 0, 0, 1),
  priority: fc.constantFrom(0, 0, 0, 0, 0, 31, 32),
  encoding: fc.constantFrom(0, 0, 0, 0, 1),
  expiryNs: fc.constantFrom(0, 0, 0, 0, 7),
  bytes: fc.constantFrom(0, 4, 5, 64, 64, 65),
})

test('[WIRE-1.9] a sink that takes runs gets the frames, and the fault, that any other gets', (t) => {
  let runs = 0
  fc.assert(
    fc.property(fc.array(shape, { maxLength: 8 }), fc.boolean(), (shapes, isCut) => {
      const whole = stream(...shapes)
      // A fault of any header, in the midst of what would be a run.
      const bytes = isCut && whole.length > 0 ? whole.subarray(0, whole.length - 1) : whole
      for (const chunks of everyCut(bytes)) {
        const alone = new PlainSink()
        const fault = read(alone, chunks)
        for (const inRuns of [new Sink(), new MixingSink()]) {
          t.deepEqual(read(inRuns, chunks), fault)
          t.deepEqual(inRuns.frames, alone.frames)
          runs += inRuns.runs.filter((messages) => messages > 1).length
        }
      }
    }),
    { numRuns: 60 },
  )
  t.true(runs > 100)
})
