import test from 'ava'
import { Memory } from '../../client/inbound/memory.js'
import { Message } from '../../client/inbound/message.js'
import { Encoding, encodePayload, Kind, messageFrame, readU32 } from '../../protocol/index.js'
import { brokerIn, clientOf, until } from './fixtures.js'

function frameOf(data: unknown, head = {}, options = {}): Buffer {
  const { encoding, payload, headers } = encodePayload(data, options)
  return messageFrame({ kind: Kind.MESSAGE, topic: 1, encoding, headers, ...head }, payload)
}

function messageIn(frame: Buffer, start = 0): Message {
  return new Message(new Memory(frame), start, readU32(frame, start), 'a')
}

test('messages may be kept, and are read later as they were sent', async (t) => {
  const path = await brokerIn(t)
  const publisher = await clientOf(t, path)
  const subscriber = await clientOf(t, path)
  const kept: Message[] = []
  const iterated: Message[] = []
  await subscriber.subscribe('k.*', (message) => kept.push(message)).ready
  const loop = (async () => {
    for await (const message of subscriber.subscribe('k.*')) if (iterated.push(message) === 3000) break
  })()
  await subscriber.flush()
  const sent = Array.from({ length: 3000 }, (_, number) => {
    if (number % 3 === 0) return `text ${number}`
    return number % 3 === 1 ? { number } : Buffer.alloc(1 + (number % 1000), number)
  })
  for (const [number, data] of sent.entries()) {
    publisher.publish(`k.${number % 7}`, data, { headers: { number } })
    // Many reads, each of which overwrites what the one before has brought.
    if (number % 100 === 99) await publisher.flush()
  }
  await until(() => kept.length === sent.length)
  await loop
  for (const messages of [kept, iterated]) {
    const byNumber = [...messages].sort((a, b) => Number(a.headers['number']) - Number(b.headers['number']))
    t.deepEqual(
      byNumber.map(({ data }) => data),
      sent,
    )
  }
})

test('replies and parts of streams may be kept as well', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  bus.serve('echo', ({ data }) => data)
  bus.serve('parts', async function* () {
    for (let number = 0; number < 500; number++) yield `part ${number}`
  })
  await bus.flush()
  const replies: Message[] = []
  for (let number = 0; number < 200; number++) replies.push(await bus.request('echo', `reply ${number}`))
  const parts: Message[] = []
  for await (const part of bus.requestStream('parts')) parts.push(part)
  t.true(replies.every(({ data }, number) => data === `reply ${number}`))
  t.deepEqual(
    parts.map(({ data }) => data),
    Array.from({ length: 500 }, (_, number) => `part ${number}`),
  )
})

test('data is decoded once, and bytes serve as data where they are it', (t) => {
  const structured = messageIn(frameOf({ a: 1 }))
  t.is(structured.data, structured.data)
  const bytes = messageIn(frameOf(Buffer.from('x')))
  t.is(bytes.data, bytes.bytes)
})

test('a large payload is not copied', (t) => {
  const frame = frameOf(Buffer.alloc(100_000))
  t.is(messageIn(frame).bytes.buffer, frame.buffer)
})

test('[WIRE-3.3] [WIRE-3.5] the options of a frame are seen, but not the headers of the protocol', (t) => {
  const frame = frameOf(new Float32Array([1, 2]), { sentAtNs: 5_500_000, priority: 3 }, { headers: { x: 1 } })
  const message = messageIn(frame)
  t.deepEqual(message.headers, { x: 1 })
  t.is(message.sentAt, 5.5)
  t.is(message.priority, 3)
  t.is(message.encoding, 'array')
})

test('[PAYLOAD-3] what cannot be decoded throws at each access, and its bytes are still there', (t) => {
  const frame = messageFrame(
    { kind: Kind.MESSAGE, encoding: Encoding.JSON, headers: Buffer.from([0xc1]) },
    '{"cut"',
  )
  const message = messageIn(frame)
  for (let access = 0; access < 2; access++) {
    t.throws(() => message.data, { code: 'DECODE_FAILED' })
    t.throws(() => message.headers, { code: 'DECODE_FAILED' })
  }
  t.is(message.bytes.toString(), '{"cut"')
})
