import test from 'ava'
import {
  controlFrame,
  type ErrorCode,
  Flag,
  HEADER_BYTES,
  Kind,
  messageFrame,
  Offset,
  packValue,
  writeU32,
} from '../../protocol/index.js'
import { startBench } from './fixtures.js'
import {
  credit,
  failure,
  flush,
  publish,
  reply,
  request,
  serve,
  subscribe,
  topic,
  unsubscribe,
} from './frames.js'
import type { Client } from './transcript.js'

/** A bystander, whose own messages must go on through whatever another client does. */
async function startBystander(client: () => Promise<Client>) {
  const bystander = await client()
  bystander.send(subscribe(1, 'calm.*'), topic(0, 'calm.down'))
  let count = 0
  return async () => {
    count += 1
    bystander.send(publish(0, `still here ${count}`))
    await bystander.expect('MESSAGE', { text: `still here ${count}` })
    await bystander.expectNothing()
  }
}

function withField(frame: Buffer, offset: number, value: number): Buffer {
  const changed = Buffer.from(frame)
  changed[offset] = value
  return changed
}

function withLength(frame: Buffer, length: number): Buffer {
  const changed = Buffer.from(frame)
  writeU32(changed, Offset.LENGTH, length)
  return changed
}

const text = (body: string) => Buffer.from(body)

/** Frames that cost a client its connection: each breaks one rule. */
const FATAL: Record<string, [ErrorCode, Buffer]> = {
  '[WIRE-1.3] an unknown kind': ['UNKNOWN_KIND', withField(flush(1), Offset.KIND, 0x7f)],
  '[WIRE-1.3] a kind of the other direction': ['UNEXPECTED_FRAME', controlFrame(Kind.DELIVER, 0, 1)],
  '[WIRE-1.4] a flag that its kind does not allow': [
    'BAD_FRAME',
    withField(flush(1), Offset.FLAGS, Flag.HEADERS),
  ],
  '[WIRE-1.5] a priority of 32': ['BAD_FRAME', withField(publish(0, ''), Offset.PRIORITY, 32)],
  '[WIRE-1.5] an encoding of 5': ['BAD_FRAME', withField(publish(0, ''), Offset.ENCODING, 5)],
  '[WIRE-1.6] a length of 15': ['BAD_FRAME', withLength(flush(1), 15)],
  '[WIRE-1.6] a message of 2 GiB': ['MESSAGE_TOO_LARGE', withLength(publish(0, ''), 2 ** 31)],
  '[WIRE-1.6] a payload beyond the limit': ['MESSAGE_TOO_LARGE', publish(0, Buffer.alloc(100_001))],
  '[WIRE-1.6] a body beyond the limit': [
    'BAD_FRAME',
    controlFrame(Kind.TOPIC, 0, 0, Buffer.alloc(65_537, 'a')),
  ],
  '[WIRE-3.1] headers that reach beyond the frame': [
    'BAD_FRAME',
    withField(messageFrame({ kind: Kind.MESSAGE, headers: packValue({}) }, ''), HEADER_BYTES, 9),
  ],
  '[WIRE-2.5] a body that is no msgpack': [
    'BAD_FRAME',
    controlFrame(Kind.SUBSCRIBE, 0, 9, text('\xc1\xff{')),
  ],
  '[WIRE-2.5] a body that is no map': ['BAD_FRAME', controlFrame(Kind.SUBSCRIBE, 0, 9, packValue([1, 2]))],
  '[WIRE-2.5] a body that lacks a field': [
    'BAD_FRAME',
    controlFrame(Kind.SERVE, 0, 9, packValue({ pattern: 'a' })),
  ],
  '[WIRE-2.5] a field of the wrong type': [
    'BAD_FRAME',
    controlFrame(Kind.CREDIT, 0, 1, packValue({ bytes: -1 })),
  ],
  '[WIRE-2.5] a body that is missing': ['BAD_FRAME', controlFrame(Kind.SUBSCRIBE, 0, 9)],
  '[WIRE-2.5] a body nested without end': [
    'BAD_FRAME',
    controlFrame(Kind.PULL, 0, 9, Buffer.alloc(65_536, 0x91)),
  ],
  '[WIRE-2.5] a failure that no requester could read': [
    'BAD_FRAME',
    controlFrame(Kind.FAILURE, 0, 1, packValue({ code: 5, message: 'x' })),
  ],
  '[TOPIC-6] an alias beyond the last': ['ALIAS_OUT_OF_RANGE', topic(1024, 'a')],
  '[TOPIC-6] a topic with a wildcard': ['BAD_TOPIC', topic(0, 'a.*')],
  '[TOPIC-6] [TOPIC-2] a topic with white space': ['BAD_TOPIC', topic(0, 'a b')],
  '[TOPIC-6] [TOPIC-1] a topic of 17 tokens': ['BAD_TOPIC', topic(0, Array(17).fill('a').join('.'))],
  '[TOPIC-6] an empty topic': ['BAD_TOPIC', topic(0, '')],
  '[TOPIC-6] a topic of 60 KB, the quoting of which takes six times as much': [
    'BAD_TOPIC',
    topic(0, '\u0001'.repeat(60_000)),
  ],
  '[TOPIC-6] [TOPIC-2] a topic of broken UTF-8': [
    'BAD_TOPIC',
    controlFrame(Kind.TOPIC, 0, 0, Buffer.from([0x61, 0xff])),
  ],
  '[TOPIC-7] a message on an alias that was never bound': ['ALIAS_UNBOUND', publish(7, '')],
  '[TOPIC-7] a request on an alias that is out of range': ['ALIAS_UNBOUND', request(0xffff_ffff, 1)],
}

for (const [what, [code, frame]] of Object.entries(FATAL)) {
  test(`[ERR-2] [ERR-3] ${code} for ${what}`, async (t) => {
    const { client } = await startBench(t, { payloadBytesMax: 100_000 })
    const undisturbed = await startBystander(client)
    const bad = await client()
    // What follows the fault must not be looked at, though it comes in the same piece.
    bad.send(frame, topic(1, 'calm.forged'), publish(1, 'forged'))
    await bad.expectFatal(code)
    await undisturbed()
  })
}

test('[ERR-2] after a fatal ERROR the broker ends its half, discards what still comes, and then hangs up', async (t) => {
  const { client } = await startBench(t, { refusedLingerMs: 50 })
  const undisturbed = await startBystander(client)
  const bad = await client()
  const closed = new Promise((resolve) => bad.socket.once('close', resolve))
  bad.send(topic(0, 'calm.x'), publish(9, ''))
  await bad.expectFatal('ALIAS_UNBOUND')
  bad.send(publish(0, 'forged'), Buffer.alloc(1_000_000, 0xee))
  await undisturbed()
  // The client keeps its half open; the broker does not wait for ever.
  const writing = setInterval(() => bad.socket.write('x'), 5)
  t.teardown(() => clearInterval(writing))
  await closed
  await undisturbed()
})

test('[WIRE-2.6] [ERR-2] a fatal ERROR names the kind and the id of the frame at fault', async (t) => {
  const { client } = await startBench(t)
  const bad = await client()
  bad.send(serve(77, 'svc', 0))
  const { body } = await bad.expect('ERROR', { topic: Kind.SERVE, id: 77 })
  t.true(body['fatal'])
  t.regex(String(body['message']), /concurrency/)
})

test('[ERR-5] an error does not repeat all of what a client sent', async (t) => {
  const { client } = await startBench(t)
  const bad = await client()
  bad.send(subscribe(1, '\u0001'.repeat(60_000)))
  const { body } = await bad.expect('ERROR', { topic: Kind.SUBSCRIBE, id: 1 })
  t.is(body['code'], 'BAD_PATTERN')
  t.true((body['message'] as string).length < 2000)
  bad.send(topic(0, 'x'.repeat(65_000)))
  t.true((await bad.expectFatal('BAD_TOPIC')).length < 2000)
})

test('[WIRE-2.5] the message names the field at fault', async (t) => {
  const { client } = await startBench(t)
  const bad = await client()
  bad.send(controlFrame(Kind.SUBSCRIBE, 0, 1, packValue({ pattern: 'a', window: 'wide' })))
  t.regex(await bad.expectFatal('BAD_FRAME'), /window/)
})

test('[TOPIC-6] [TOPIC-7] [ERR-3] faults of aliases are fatal to the client alone', async (t) => {
  const { client } = await startBench(t, { aliasesMax: 4 })
  const undisturbed = await startBystander(client)
  const faults: [ErrorCode, Buffer][] = [
    ['ALIAS_OUT_OF_RANGE', topic(4, 'a')],
    ['BAD_TOPIC', topic(3, 'a.>')],
    ['ALIAS_UNBOUND', publish(3, '')],
  ]
  for (const [code, frame] of faults) {
    const bad = await client()
    bad.send(frame)
    await bad.expectFatal(code)
    await undisturbed()
  }
})

test('[WIRE-2.7] a frame that is cut off by the hang-up is dropped, and what came before it is not', async (t) => {
  const { client } = await startBench(t)
  const [subscriber, dying] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a'))
  await subscriber.expectNothing()
  const cut = publish(0, 'never arrives')
  dying.socket.end(Buffer.concat([topic(0, 'a'), publish(0, 'arrives'), cut.subarray(0, cut.length - 5)]))
  t.deepEqual(await subscriber.texts(1), ['arrives'])
  await dying.expectEnd()
  await subscriber.expectNothing()
})

test('[WIRE-1.9] frames in pieces of every size are understood', async (t) => {
  const { client } = await startBench(t)
  const [subscriber, publisher] = [await client(), await client()]
  subscriber.send(subscribe(1, 'a'))
  await subscriber.expectNothing()
  const bytes = Buffer.concat([topic(0, 'a'), ...['1', '22', '333'].map((mark) => publish(0, mark))])
  for (const size of [1, 2, 3, 5, 7, 15, 16, 17, 31]) {
    for (let offset = 0; offset < bytes.length; offset += size) {
      publisher.send(bytes.subarray(offset, offset + size))
      await new Promise(setImmediate)
    }
    t.deepEqual(await subscriber.texts(3), ['1', '22', '333'])
  }
})

test('a flood of TOPIC leaves no more topics behind than there are aliases', async (t) => {
  const { client } = await startBench(t)
  const [flooder, observer] = [await client(), await client()]
  for (let round = 0; round < 50; round++) {
    flooder.send(...Array.from({ length: 1000 }, (_, index) => topic(index % 10, `flood.${round}.${index}`)))
  }
  await flooder.expectNothing()
  // Ten of the flood, and the alias by which the observer asks.
  t.like(await observer.ask('$SYS.stats'), { topics: 11 })
  flooder.send(topic(0, 'a'), subscribe(1, 'a'), publish(0, 'works'))
  t.deepEqual(await flooder.texts(1), ['works'])
})

test('[SUB-8] a flood of SUBSCRIBE and UNSUBSCRIBE is served, and leaves nothing; others go on meanwhile', async (t) => {
  const { client } = await startBench(t)
  const undisturbed = await startBystander(client)
  const [flooder, observer] = [await client(), await client()]
  const toggles = Array.from({ length: 500 }, (_, index) => [
    subscribe(index + 1, '>'),
    unsubscribe(index + 1),
  ])
  for (let round = 0; round < 20; round++) {
    flooder.send(...toggles.flat())
    await undisturbed()
  }
  let drained = 0
  // MESSAGE frames of the bystander may come between.
  while (drained < 10_000) if ((await flooder.next()).kind === 'DRAINED') drained += 1
  // The bystander's one.
  const { total } = await observer.ask<{ total: number }>('$SYS.subscriptions')
  t.is(total, 1)
  flooder.send(topic(0, 'a'), subscribe(1, 'a'), publish(0, 'works'))
  t.deepEqual(await flooder.texts(1), ['works'])
})

test('[ERR-3] a flood of CANCEL is let go', async (t) => {
  const { client } = await startBench(t)
  const undisturbed = await startBystander(client)
  const bad = await client()
  bad.send(...Array.from({ length: 10_000 }, (_, id) => controlFrame(Kind.CANCEL, 0, id)))
  await bad.expectFatal('ID_UNKNOWN')
  await undisturbed()
})

test('FAILURE, REPLY, CREDIT and PULL out of nowhere are ignored', async (t) => {
  const { client } = await startBench(t)
  const user = await client()
  for (const id of [0, 1, 0xffff_ffff, 0x0010_0000]) {
    user.send(reply(id, 'x'), failure(id, 'HANDLER_ERROR', 'x'), credit(id, 5, 5))
    user.send(controlFrame(Kind.PULL, 0, id, packValue({ bytes: 5 })))
  }
  await user.expectNothing()
})
