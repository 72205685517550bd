import test from 'ava'
import {
  type BodyKind,
  encodeBody,
  FrameWriter,
  KIND_RULES,
  Kind,
  packValue,
  unpackValue,
} from '../../protocol/index.js'
import {
  complete,
  type DescribedFrame,
  decodedFrom,
  encodeDescribed,
  encodeValue,
  meantBy,
} from './described-frame.js'
import { readSpec, readVectors, type Vector } from './spec.js'
import { everyCut, readStream } from './stream.js'

const vectors = readVectors(readSpec())
const frames = vectors.filter((vector) => vector.type === 'frame')
const described = (vector: Vector): DescribedFrame => vector.json as DescribedFrame

for (const vector of frames) {
  test(`[${vector.rule}] frame ${vector.name}: decoded at every cut`, (t) => {
    for (const chunks of everyCut(vector.bytes)) {
      t.deepEqual(readStream(vector.from, chunks), {
        frames: [complete(described(vector))],
        fault: undefined,
      })
    }
  })

  test(`[${vector.rule}] frame ${vector.name}: encoded byte for byte`, (t) => {
    t.is(encodeDescribed(described(vector)).toString('hex'), vector.bytes.toString('hex'))
  })
}

for (const vector of vectors.filter(({ type }) => type === 'invalid' || type === 'undecodable')) {
  test(`[${vector.rule}] ${vector.type} ${vector.name}: ${vector.code} at every cut`, (t) => {
    for (const chunks of everyCut(vector.bytes)) {
      const { frames, fault } = readStream(vector.from, chunks)
      t.is(fault?.code, vector.code as never)
      t.is(fault?.kind, vector.bytes[4])
      t.true(frames.length === 0 || vector.code === 'BAD_TOPIC')
    }
  })
}

for (const vector of vectors.filter(({ type }) => type === 'msgpack')) {
  test(`[${vector.rule}] msgpack ${vector.name}`, (t) => {
    t.deepEqual(unpackValue(vector.bytes), decodedFrom(vector.json))
    if (vector.encodes) t.is(encodeValue(vector.json).toString('hex'), vector.bytes.toString('hex'))
    t.deepEqual(unpackValue(packValue(unpackValue(vector.bytes))), decodedFrom(vector.json))
  })
}

for (const from of ['client', 'broker'] as const) {
  test(`[WIRE-1.9] all vectors from the ${from} in one stream, in chunks of every size up to 64`, (t) => {
    const sent = frames.filter((vector) => vector.from === from)
    const stream = Buffer.concat(sent.map(({ bytes }) => bytes))
    const expected = sent.map((vector) => complete(described(vector)))
    for (let size = 1; size <= 64; size++) {
      const chunks = []
      for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size))
      t.deepEqual(readStream(from, chunks).frames, expected)
    }
  })

  test(`[WIRE-1.3] every kind that the ${from} sends has a vector`, (t) => {
    const shown = new Set(frames.filter((vector) => vector.from === from).map((vector) => vector.bytes[4]))
    const missing = Object.entries(Kind).filter(([, kind]) => {
      const rule = KIND_RULES[kind]!
      return (from === 'client' ? rule.toBroker : rule.toClient) && !shown.has(kind)
    })
    t.deepEqual(missing, [])
  })
}

test('[WIRE-1.2] a writer puts the control frames of all vectors behind one another, each padded', (t) => {
  for (const from of ['client', 'broker'] as const) {
    const written: Buffer[] = []
    const writer = new FrameWriter({
      write(bytes) {
        written.push(bytes)
        return false
      },
    })
    const sent = frames.filter((vector) => vector.from === from && !KIND_RULES[vector.bytes[4]!]!.message)
    for (const vector of sent) {
      const { kind, topic = 0, id = 0, body, name, encoding } = described(vector)
      const bytes =
        encoding === undefined ? undefined : encodeBody(Kind[kind] as BodyKind, meantBy(body) as never)
      writer.control(Kind[kind], topic, id, name === undefined ? bytes : Buffer.from(name))
    }
    writer.flush()
    t.deepEqual(Buffer.concat(written), Buffer.concat(sent.map(({ bytes }) => bytes)))
  }
})

test('the page has vectors of each type, with names of their own', (t) => {
  t.deepEqual([...new Set(vectors.map(({ type }) => type))].sort(), [
    'frame',
    'invalid',
    'msgpack',
    'undecodable',
  ])
  t.is(new Set(vectors.map(({ name }) => name)).size, vectors.length)
})
