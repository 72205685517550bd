import test from 'ava'
import {
  controlFrame,
  Encoding,
  Flag,
  FrameDecoder,
  type FrameFault,
  HEADER_BYTES,
  HEADERS_BYTES_MAX,
  Kind,
  messageFrame,
  PAYLOAD_BYTES_CEILING,
  packValue,
  paddedLength,
  readU32,
} from '../../protocol/index.js'
import { readSpec, readVectors } from './spec.js'
import { byteByByte, everyCut } from './stream.js'

/** Takes raw frames and checks each against the bounds of what it lies in. */
class RawSink {
  readonly frames: string[] = []
  refuse: FrameFault | undefined

  frame(bytes: Buffer, start: number, length: number): FrameFault | undefined {
    if (
      start < 0 ||
      length < HEADER_BYTES ||
      start + length > bytes.length ||
      readU32(bytes, start) !== length
    ) {
      throw new Error(`A frame of ${length} at ${start} is out of the bounds of ${bytes.length} bytes`)
    }
    this.frames.push(bytes.toString('hex', start, start + length))
    return this.refuse
  }
}

function decoderOf(sink: RawSink, payloadBytesMax = 1024, from: 'client' | 'broker' = 'client') {
  return new FrameDecoder(sink, { from, payloadBytesMax })
}

function pushAll(decoder: FrameDecoder, chunks: readonly Buffer[]): FrameFault | undefined {
  let fault: FrameFault | undefined
  for (const chunk of chunks) fault ??= decoder.push(Buffer.from(chunk))
  return fault
}

/** A header alone, whatever it claims. */
function header(length: number, kind: number, flags = 0): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.writeUInt32LE(length, 0)
  bytes[4] = kind
  bytes[5] = flags
  return bytes
}

test('[WIRE-1.2] the bytes of the padding are not looked at, and never handed over', (t) => {
  const frame = messageFrame({ kind: Kind.MESSAGE }, 'a')
  frame.fill(0xff, 17)
  for (const chunks of everyCut(Buffer.concat([frame, frame]))) {
    const sink = new RawSink()
    t.is(pushAll(decoderOf(sink), chunks), undefined)
    t.deepEqual(sink.frames, [frame.toString('hex', 0, 17), frame.toString('hex', 0, 17)])
  }
})

test('[WIRE-1.9] a frame of more than 64 KiB arrives in chunks as a socket gives them', (t) => {
  const payload = Buffer.alloc(200_001, 'payload')
  const frames = [messageFrame({ kind: Kind.MESSAGE, topic: 1 }, payload), controlFrame(Kind.FLUSH, 0, 1)]
  const stream = Buffer.concat([...frames, ...frames])
  for (const size of [65_536, 65_535, 8192, 1000]) {
    const sink = new RawSink()
    const decoder = decoderOf(sink, 300_000)
    for (let at = 0; at < stream.length; at += size) decoder.push(stream.subarray(at, at + size))
    t.is(sink.frames.length, 4)
    t.is(sink.frames[2]?.slice(32), payload.toString('hex'))
    t.is(decoder.partialBytes, 0)
  }
})

test('[WIRE-1.9] a frame that is complete is handed over before the next byte comes', (t) => {
  const sink = new RawSink()
  const decoder = decoderOf(sink)
  for (const frame of [controlFrame(Kind.FLUSH, 0, 1), messageFrame({ kind: Kind.MESSAGE }, 'abc')]) {
    const before = sink.frames.length
    pushAll(decoder, byteByByte(frame).slice(0, -1))
    t.is(sink.frames.length, before)
    decoder.push(frame.subarray(-1))
    t.is(sink.frames.length, before + 1)
  }
})

test('[WIRE-1.6] payloads up to the limit pass and not one byte more, whatever the options', (t) => {
  const headers = packValue({ a: 'x'.repeat(500) })
  for (const options of [
    {},
    { expiryNs: 1 },
    { expiryNs: 1, sentAtNs: 2 },
    { headers },
    { sentAtNs: 2, headers },
  ]) {
    for (const [payloadBytes, code] of [
      [1024, undefined],
      [1025, 'MESSAGE_TOO_LARGE'],
    ] as const) {
      const frame = messageFrame({ kind: Kind.REPLY, ...options }, Buffer.alloc(payloadBytes))
      const sink = new RawSink()
      t.is(decoderOf(sink).push(frame)?.code, code)
      t.is(sink.frames.length, code === undefined ? 1 : 0)
    }
  }
})

test('[WIRE-1.6] the longest options and the largest payload pass together', (t) => {
  const text = 'x'.repeat(HEADERS_BYTES_MAX - 6)
  const headers = packValue({ a: text })
  t.is(headers.length, HEADERS_BYTES_MAX)
  const frame = messageFrame({ kind: Kind.MESSAGE, expiryNs: 1, sentAtNs: 1, headers }, Buffer.alloc(1024))
  t.is(decoderOf(new RawSink()).push(frame), undefined)
})

test('[WIRE-1.6] lengths that would overflow 32-bit arithmetic are refused at the largest limit', (t) => {
  for (const length of [2 ** 31 - 4, 2 ** 31 - 3, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 4, 2 ** 32 - 1]) {
    for (const kind of [Kind.MESSAGE, Kind.HELLO]) {
      const sink = new RawSink()
      const stream = Buffer.concat([header(length, kind), Buffer.alloc(64)])
      const fault = decoderOf(sink, PAYLOAD_BYTES_CEILING).push(stream)
      t.is(fault?.code, kind === Kind.MESSAGE ? 'MESSAGE_TOO_LARGE' : 'BAD_FRAME')
      t.deepEqual(sink.frames, [])
    }
  }
  t.true(paddedLength(PAYLOAD_BYTES_CEILING + HEADERS_BYTES_MAX + 36) > PAYLOAD_BYTES_CEILING)
})

test('[WIRE-1.6] a decoder is not made with a limit beyond the largest', (t) => {
  for (const limit of [PAYLOAD_BYTES_CEILING + 1, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => decoderOf(new RawSink(), limit), { code: 'INVALID_ARGUMENT' })
  }
})

test('[WIRE-1.7] a fault is found with the last byte of the header, and names its frame', (t) => {
  const bad = header(4000, Kind.MESSAGE)
  bad.writeUInt32LE(77, 12)
  const decoder = decoderOf(new RawSink())
  for (const byte of byteByByte(bad).slice(0, -1)) t.is(decoder.push(byte), undefined)
  t.like(decoder.push(bad.subarray(-1)), { code: 'MESSAGE_TOO_LARGE', kind: Kind.MESSAGE, id: 77 })
  t.is(decoder.partialBytes, 0)
})

test('[WIRE-1.7] faults are found in the order of the rule', (t) => {
  const all = header(2 ** 32 - 1, 0x7f, 0xff).fill(0xff, 6, 8)
  const steps: [code: string, message: RegExp, repair: () => unknown][] = [
    ['UNKNOWN_KIND', /0x7f/, () => (all[4] = Kind.WELCOME)],
    ['UNEXPECTED_FRAME', /WELCOME/, () => (all[4] = Kind.MESSAGE)],
    ['BAD_FRAME', /flags/, () => (all[5] = 0)],
    ['BAD_FRAME', /priority/, () => (all[6] = 0)],
    ['BAD_FRAME', /encoding/, () => (all[7] = 0)],
    ['MESSAGE_TOO_LARGE', /limit is 1040/, () => all.writeUInt32LE(15, 0)],
    ['BAD_FRAME', /less than a header/, () => (all[5] = 0xff)],
    ['BAD_FRAME', /less than a header/, () => 0],
  ]
  for (const [code, message, repair] of steps) {
    const fault = decoderOf(new RawSink()).push(Buffer.from(all))
    t.is(fault?.code, code as never)
    t.regex(fault?.message ?? '', message)
    repair()
  }
})

test('[WIRE-1.7] nothing is read after a fault, in the same chunk or a later one', (t) => {
  const good = controlFrame(Kind.FLUSH, 0, 1)
  for (const chunks of everyCut(Buffer.concat([good, header(16, 0), good]))) {
    const sink = new RawSink()
    const decoder = decoderOf(sink)
    const faults = [...chunks, good].map((chunk) => decoder.push(Buffer.from(chunk))).filter(Boolean)
    t.is(faults.length, 1)
    t.deepEqual(sink.frames, [good.toString('hex')])
  }
})

test('[WIRE-1.7] a fault that the sink finds stops the reading too', (t) => {
  const good = controlFrame(Kind.FLUSH, 0, 1)
  const refusal: FrameFault = { code: 'BAD_TOPIC', message: 'no', kind: Kind.FLUSH, id: 1 }
  for (const chunks of everyCut(Buffer.concat([good, good]))) {
    const sink = new RawSink()
    sink.refuse = refusal
    const decoder = decoderOf(sink)
    t.is(pushAll(decoder, chunks), refusal)
    t.is(decoder.push(Buffer.from(good)), undefined)
    t.is(sink.frames.length, 1)
  }
})

/** Kinds that only the broker sends: the table of [WIRE-1.3] once more. */
const TO_CLIENTS_ONLY = [
  ...['WELCOME', 'ERROR', 'NAME', 'DELIVER', 'DRAINED', 'SLOW', 'FLUSHED', 'PAUSE', 'RESUME', 'POLL'],
  ...['GRANT', 'SEGMENT', 'SPACE', 'RETIRE', 'DETACH', 'PAIR'],
]

test('[WIRE-1.4] no kind takes a flag that its rule does not list', (t) => {
  const payloadFlags = Flag.EXPIRY | Flag.SENT_AT | Flag.HEADERS | Flag.RING
  const allowed = new Map<number, number>([
    [Kind.MESSAGE, payloadFlags | Flag.RETAIN],
    [Kind.REQUEST, payloadFlags | Flag.STREAM],
    [Kind.REPLY, payloadFlags | Flag.STREAM],
  ])
  for (const [name, kind] of Object.entries(Kind)) {
    const from = TO_CLIENTS_ONLY.includes(name) ? 'broker' : 'client'
    for (let bit = 0x01; bit <= 0x80; bit <<= 1) {
      const fault = decoderOf(new RawSink(), 1024, from).push(header(16, kind, bit))
      const isAllowed = ((allowed.get(kind) ?? 0) & bit) !== 0
      t.is(/does not allow/.test(fault?.message ?? ''), !isAllowed, `${name} with 0x${bit.toString(16)}`)
    }
  }
})

test('[WIRE-1.5] every priority and encoding within the ranges is accepted, every other is not', (t) => {
  for (let value = 0; value < 256; value++) {
    const priority = header(16, Kind.MESSAGE)
    priority[6] = value
    t.is(decoderOf(new RawSink()).push(priority)?.code, value <= 31 ? undefined : 'BAD_FRAME')
    const encoding = header(16, Kind.FLUSH)
    encoding[7] = value
    t.is(decoderOf(new RawSink()).push(encoding)?.code, value <= Encoding.ARRAY ? undefined : 'BAD_FRAME')
  }
})

test('[WIRE-1.8] fields without use and bodies where there is none do not disturb', (t) => {
  const frame = Buffer.concat([header(20, Kind.FLUSH), Buffer.from('body')])
  frame.writeUInt32LE(123, 8)
  frame[6] = 31
  const sink = new RawSink()
  t.is(decoderOf(sink).push(Buffer.from(frame)), undefined)
  t.deepEqual(sink.frames, [frame.toString('hex')])
})

test('[PAYLOAD-3] a payload that cannot be decoded is a sound frame, and so is the one behind it', (t) => {
  const good = messageFrame({ kind: Kind.MESSAGE }, 'good')
  for (const vector of readVectors(readSpec()).filter(({ type }) => type === 'undecodable')) {
    const sink = new RawSink()
    t.is(decoderOf(sink, 1024, vector.from).push(Buffer.concat([vector.bytes, good])), undefined)
    t.is(sink.frames.length, 2, vector.name)
  }
})

test('the bytes held of a frame are counted until it is complete', (t) => {
  const decoder = decoderOf(new RawSink())
  const frame = messageFrame({ kind: Kind.MESSAGE }, Buffer.alloc(1001))
  decoder.push(frame.subarray(0, 10))
  t.is(decoder.partialBytes, 10)
  decoder.push(frame.subarray(10, 20))
  t.is(decoder.partialBytes, 20)
  decoder.push(frame.subarray(20))
  t.is(decoder.partialBytes, 0)
})
