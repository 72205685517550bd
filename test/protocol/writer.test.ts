import test from 'ava'
import fc from 'fast-check'
import {
  type ByteSink,
  CONTROL_BYTES_MAX,
  EMPTY_HEAD,
  Encoding,
  Flag,
  FrameWriter,
  Kind,
  type MessageHead,
  messageFrame,
  packValue,
} from '../../protocol/index.js'
import { readStream } from './stream.js'

const SEED = 20_260_106

/** Keeps what it is given: the very buffers when it hands nothing back, copies when it does. */
class KeepingSink implements ByteSink {
  readonly writes: Buffer[] = []
  readonly #handsBack: boolean

  constructor(handsBack: boolean) {
    this.#handsBack = handsBack
  }

  write(bytes: Buffer): boolean {
    this.writes.push(this.#handsBack ? Buffer.from(bytes) : bytes)
    return this.#handsBack
  }

  get stream(): Buffer {
    return Buffer.concat(this.writes)
  }
}

const head = (changes: Partial<MessageHead>): MessageHead => ({ ...EMPTY_HEAD, ...changes })

test('[WIRE-1.1] the length that a writer returns is that of the frame, without padding', (t) => {
  const writer = new FrameWriter(new KeepingSink(false))
  t.is(writer.message(head({}), ''), 16)
  t.is(writer.message(head({}), 'größe'), 16 + 7)
  t.is(
    writer.message(head({ expiryNs: 1, sentAtNs: 2, headers: packValue({}) }), Buffer.alloc(3)),
    16 + 16 + 5 + 3,
  )
  t.is(writer.message(head({}), Buffer.alloc(100_001)), 16 + 100_001)
  t.is(writer.message(head({}), '😀'.repeat(10_000)), 16 + 40_000)
})

test('frames of one turn leave in one write, and in several once 64 KiB are there', (t) => {
  const sink = new KeepingSink(false)
  const writer = new FrameWriter(sink)
  for (let index = 0; index < 10; index++) writer.message(head({}), Buffer.alloc(984))
  t.is(sink.writes.length, 0)
  t.is(writer.pendingBytes, 10_000)
  writer.flush()
  t.deepEqual(
    sink.writes.map(({ length }) => length),
    [10_000],
  )
  for (let index = 0; index < 70; index++) writer.message(head({}), Buffer.alloc(984))
  t.deepEqual(
    sink.writes.map(({ length }) => length),
    [10_000, 66_000],
  )
  writer.flush()
  writer.flush()
  t.deepEqual(
    sink.writes.map(({ length }) => length),
    [10_000, 66_000, 4000],
  )
})

test('a large frame leaves after what was written before it, and before what comes after', (t) => {
  const sink = new KeepingSink(false)
  const writer = new FrameWriter(sink)
  writer.message(head({ id: 1 }), 'first')
  writer.message(head({ id: 2 }), Buffer.alloc(50_000, 'x'))
  writer.message(head({ id: 3 }), 'ß'.repeat(30_000))
  writer.control(Kind.FLUSH, 0, 4)
  writer.flush()
  const { frames, fault } = readStream('client', [sink.stream])
  t.is(fault, undefined)
  t.deepEqual(
    frames.map(({ id }) => id),
    [1, 2, 3, 4],
  )
  t.deepEqual(frames[2]?.payload, Buffer.from('ß'.repeat(30_000)))
})

test('a buffer that the sink keeps is never written again', (t) => {
  const sink = new KeepingSink(false)
  const writer = new FrameWriter(sink)
  const copies: Buffer[] = []
  for (let round = 0; round < 20; round++) {
    for (let index = 0; index < 60; index++) writer.message(head({ id: round }), `${round}`.repeat(600))
    writer.control(Kind.FLUSH, 0, round)
    writer.flush()
    for (const bytes of sink.writes.slice(copies.length)) copies.push(Buffer.from(bytes))
  }
  t.true(sink.writes.length > 20)
  t.deepEqual(sink.writes, copies)
})

test('a buffer that the sink hands back is written again', (t) => {
  const memories = new Set<ArrayBufferLike>()
  const writer = new FrameWriter({
    write(bytes) {
      memories.add(bytes.buffer)
      return true
    },
  })
  for (let round = 0; round < 20; round++) {
    writer.message(head({}), 'text')
    writer.flush()
  }
  t.is(memories.size, 1)
})

test('a control frame with the longest body fits, also behind a batch that was handed back', (t) => {
  for (const handsBack of [true, false]) {
    const sink = new KeepingSink(handsBack)
    const writer = new FrameWriter(sink)
    writer.control(Kind.FLUSH, 0, 1)
    writer.flush()
    const body = packValue({ code: 'HANDLER_ERROR', message: 'x'.repeat(CONTROL_BYTES_MAX - 32) })
    const longest = Buffer.concat([body, Buffer.alloc(CONTROL_BYTES_MAX - body.length)])
    writer.control(Kind.FAILURE, 0, 2, longest)
    writer.control(Kind.FLUSH, 0, 3)
    writer.flush()
    t.is(sink.stream.length, 16 + 16 + CONTROL_BYTES_MAX + 16)
    t.is(sink.stream.readUInt32LE(16), 16 + CONTROL_BYTES_MAX)
  }
})

test('a sink that writes frames while it takes some loses none', (t) => {
  const sent: Buffer[] = []
  let more = 3
  const writer: FrameWriter = new FrameWriter({
    write(bytes) {
      sent.push(Buffer.from(bytes))
      if (more-- > 0) writer.control(Kind.FLUSH, 0, 100 + more)
      return true
    },
  })
  writer.control(Kind.FLUSH, 0, 1)
  for (let index = 0; index < 4; index++) {
    writer.flush()
    writer.control(Kind.FLUSH, 0, 10 + index)
  }
  writer.flush()
  const { frames } = readStream('client', [Buffer.concat(sent)])
  t.deepEqual(
    frames.map(({ id }) => id),
    [1, 102, 10, 101, 11, 100, 12, 13],
  )
})

test('what is discarded is never sent', (t) => {
  const sink = new KeepingSink(false)
  const writer = new FrameWriter(sink)
  writer.message(head({}), 'lost')
  writer.discard()
  writer.flush()
  t.is(writer.pendingBytes, 0)
  writer.control(Kind.FLUSH, 0, 1)
  writer.flush()
  t.deepEqual(
    sink.writes.map(({ length }) => length),
    [16],
  )
})

const messages = fc.array(
  fc.record({
    payload: fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 30_000, max: 70_000 }).map((size) => Buffer.alloc(size, size)),
      fc.integer({ min: 3000, max: 30_000 }).map((size) => '日'.repeat(size)),
    ),
    priority: fc.integer({ min: 0, max: 31 }),
    id: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    expiryNs: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    headers: fc.option(fc.constant(packValue({ a: 1 })), { nil: undefined }),
    flushes: fc.boolean(),
  }),
  { maxLength: 12 },
)

test('[WIRE-1.2] any messages, written in batches that are handed back or not, are read as written', (t) => {
  fc.assert(
    fc.property(messages, fc.boolean(), (sent, handsBack) => {
      const sink = new KeepingSink(handsBack)
      const writer = new FrameWriter(sink)
      for (const { payload, priority, id, expiryNs, headers, flushes } of sent) {
        writer.message(head({ kind: Kind.REQUEST, priority, id, expiryNs, headers }), payload)
        if (flushes) writer.flush()
      }
      writer.flush()
      const { frames, fault } = readStream('client', sink.writes)
      t.is(fault, undefined)
      t.deepEqual(
        frames.map(({ priority, id, expiryNs, payload }) => ({ priority, id, expiryNs, payload })),
        sent.map(({ priority, id, expiryNs, payload }) => ({
          priority,
          id,
          expiryNs,
          payload: Buffer.from(payload as Uint8Array),
        })),
      )
    }),
    { seed: SEED, numRuns: 60 },
  )
})

test('[WIRE-1.1] a frame of its own has the bytes of one in a batch', (t) => {
  const fields = { kind: Kind.REPLY, flags: Flag.STREAM, encoding: Encoding.UTF8, id: 5, priority: 3 }
  const sink = new KeepingSink(false)
  const writer = new FrameWriter(sink)
  writer.message(head(fields), 'part')
  writer.flush()
  t.deepEqual(messageFrame(fields, 'part'), sink.stream)
})
