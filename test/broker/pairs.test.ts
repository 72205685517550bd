import test, { type ExecutionContext } from 'ava'
import { type ErrorCode, Kind, Offset, PAIR_SEGMENT, readU32 } from '../../protocol/index.js'
import { ownRingMemory } from '../deaths/ring-memory.js'
import { PairWord } from '../shmring/pair-fixtures.js'
import { type Bench, startBench } from './fixtures.js'
import { flush, publish, request, subscribe, topic } from './frames.js'
import { PairClient, paired } from './pair-client.js'
import { native, patterned } from './ring-client.js'
import { attach, decline } from './ring-frames.js'
import { Client } from './transcript.js'

const KIB = 1024
const WIDE = { window: 2 ** 30 }

/** Every client is busy enough as soon as it has greeted. */
const AT_ONCE = { pairAfterBytes: 1, pairPieceBytesMin: 1, pairBytes: 64 * KIB }

/** Numbered payloads of many sizes, from a few bytes to more than a ring holds. */
function payloads(count: number, seed = 0): Buffer[] {
  return Array.from({ length: count }, (_, index) => {
    const size = index % 10 === 9 ? 100_000 + index : 16 + ((index * 797) % 3000)
    return patterned(size, index + seed)
  })
}

/** The next messages have these payloads, in this order. */
async function expectPayloads(
  t: ExecutionContext,
  client: Client,
  expected: readonly Buffer[],
): Promise<void> {
  for (const [index, payload] of expected.entries()) {
    const received = await client.expect('MESSAGE')
    t.true(received.payload.equals(payload), `message ${index}`)
  }
}

/** A publisher and a subscriber by socket, which go on whatever happens to others. */
async function bystandersOf(t: ExecutionContext, { client }: Bench): Promise<() => Promise<void>> {
  const [publisher, subscriber] = [await client(), await client()]
  subscriber.send(subscribe(1, 'bystanders', WIDE))
  await subscriber.expectNothing()
  publisher.send(topic(0, 'bystanders'))
  return async () => {
    const sent = payloads(20)
    publisher.send(...sent.map((payload) => publish(0, payload)))
    await expectPayloads(t, subscriber, sent)
    await publisher.expectNothing()
  }
}

/** A subscriber to `a` by socket, that nobody disturbs. */
async function listenerOf({ client }: Bench): Promise<Client> {
  const subscriber = await client()
  subscriber.send(subscribe(1, 'a', WIDE))
  await subscriber.expectNothing()
  return subscriber
}

for (const [title, capabilities] of [
  ['says nothing of pairs', { ring: 1 }],
  ['knows another layout', { ring: 1, pair: 2 }],
  ['maps no segments', { pair: 1 }],
  ['says it in another way', { ring: 1, pair: true }],
] as const) {
  test(`[PAIR-1] a client that ${title} is offered no pair`, async (t) => {
    const { path } = await startBench(t, AT_ONCE)
    const client = await PairClient.open(t, path, 'plain', capabilities)
    client.send(topic(0, 'a'), ...payloads(50).map((payload) => publish(0, payload)))
    await client.expectNothing()
  })
}

test('[PAIR-1] a broker without rings, or without pairs, offers none', async (t) => {
  for (const options of [{ rings: false }, { pairsMax: 0 }]) {
    const { path } = await startBench(t, { ...AT_ONCE, ...options })
    const client = await PairClient.open(t, path)
    client.send(topic(0, 'a'), ...payloads(50).map((payload) => publish(0, payload)))
    await client.expectNothing()
  }
})

test('[PAIR-2] PAIR comes once the socket has carried enough, and once', async (t) => {
  const { path } = await startBench(t, { pairAfterBytes: 20_000, pairPieceBytesMin: 1, pairBytes: 128 * KIB })
  const client = await PairClient.open(t, path)
  client.send(topic(0, 'a'), publish(0, Buffer.alloc(10_000)))
  await client.expectNothing()
  client.send(publish(0, Buffer.alloc(10_000)))
  t.is(await client.expectPair(), 128 * KIB)
  client.send(publish(0, Buffer.alloc(50_000)))
  await client.expectNothing()
  // What it reads counts as well.
  const reader = await PairClient.open(t, path)
  reader.send(subscribe(1, 'a', WIDE))
  await reader.expectNothing()
  client.send(publish(0, Buffer.alloc(30_000)))
  await reader.expect('MESSAGE')
  reader.send(flush(1))
  await reader.expect('FLUSHED')
  t.is(await reader.expectPair(), 128 * KIB)
})

test('[PAIR-2] small pieces do not count, however many they are', async (t) => {
  const { path } = await startBench(t, { pairAfterBytes: 20_000, pairPieceBytesMin: 8 * KIB })
  const client = await PairClient.open(t, path)
  client.send(topic(0, 'a'))
  for (let round = 0; round < 30; round++) {
    client.send(publish(0, Buffer.alloc(1000)), flush(round))
    await client.expect('FLUSHED')
  }
  await client.expectNothing()
  client.send(publish(0, Buffer.alloc(60_000)))
  t.is(await client.expectPair(), 4096 * KIB)
})

test('[PAIR-2] ATTACH for segment 0 is granted once, to whom it was offered', async (t) => {
  const { path } = await startBench(t, { ...AT_ONCE, pairAfterBytes: 1000 })
  const [client, other] = [await PairClient.open(t, path), await PairClient.open(t, path)]
  const refused = { fd: -1, kind: Kind.ERROR, code: 'ATTACH_REFUSED' }
  t.like(await client.fetch(PAIR_SEGMENT), refused, 'nothing is offered yet')
  client.send(topic(0, 'a'), publish(0, Buffer.alloc(1000)))
  await client.expectPair()
  t.like(await client.fetch(PAIR_SEGMENT, client.clientId, Buffer.alloc(16)), refused)
  t.like(await client.fetch(PAIR_SEGMENT, client.clientId, other.token), refused)
  t.like(await other.fetch(PAIR_SEGMENT), refused)
  const { fd, reply } = await native.attach(path, attach(PAIR_SEGMENT, client.clientId, client.token), 20_000)
  t.is(reply[Offset.KIND], Kind.GRANT)
  t.is(readU32(reply, Offset.TOPIC), PAIR_SEGMENT)
  native.pairClose(native.pairMap(fd, client.ringBytes))
  t.like(await client.fetch(PAIR_SEGMENT), refused, 'it was granted')
  await client.expectNothing()
})

test('[PAIR-2] GRANT has the bytes of PAIR', async (t) => {
  const { path } = await startBench(t, AT_ONCE)
  const client = await PairClient.open(t, path)
  await client.expectPair()
  const fetching = await Client.connect(t, path)
  fetching.send(attach(PAIR_SEGMENT, client.clientId, client.token))
  await fetching.expect('GRANT', { topic: 0, body: { bytes: 64 * KIB } })
  await fetching.expectEnd()
})

test('[PAIR-3] [PAIR-5] after PAIRED, frames go by the rings both ways, and the socket brings bells', async (t) => {
  const bench = await startBench(t, AT_ONCE)
  const [one, two] = [await PairClient.open(t, bench.path), await PairClient.open(t, bench.path)]
  for (const client of [one, two]) {
    await client.usePair()
    client.send(topic(0, 'a'), subscribe(1, 'a', WIDE))
    await client.expectNothing()
  }
  const sent = payloads(300)
  one.send(...sent.map((payload) => publish(0, payload)))
  await expectPayloads(t, two, sent)
  await expectPayloads(t, one, sent)
  two.send(publish(0, 'and back'))
  t.deepEqual([await one.texts(1), await two.texts(1)], [['and back'], ['and back']])
  t.true(one.bells > 0 && two.bells > 0)
  t.true(two.bells < 2 * sent.length, 'a bell has one byte')
})

test('[PAIR-3] the byte behind PAIRED is the first of the ring: order holds across it', async (t) => {
  const bench = await startBench(t, AT_ONCE)
  const listener = await listenerOf(bench)
  const client = await PairClient.open(t, bench.path)
  await client.expectPair()
  await client.mapPair()
  const sent = payloads(100)
  const frames = sent.map((payload) => publish(0, payload))
  client.send(topic(0, 'a'), ...frames.slice(0, 50))
  client.sendPaired()
  client.send(...frames.slice(50))
  await expectPayloads(t, listener, sent)
  await client.expectPaired()
  await client.expectNothing()
})

test('[PAIR-3] the broker’s stream moves behind what waits for the socket, and no bell comes in between', async (t) => {
  const { path, client: open } = await startBench(t, AT_ONCE)
  const [publisher, client] = [await open(), await PairClient.open(t, path)]
  await client.expectPair()
  await client.mapPair()
  client.send(topic(0, 'back'), subscribe(1, 'a', WIDE))
  await client.expectNothing()
  const listener = await open()
  listener.send(subscribe(1, 'back', WIDE))
  await listener.expectNothing()
  client.pause()
  // More than the kernel takes.
  const sent = payloads(400)
  publisher.send(topic(0, 'a'), ...sent.slice(0, 390).map((payload) => publish(0, payload)))
  await publisher.expectNothing()
  client.sendPaired()
  // More than the ring holds: it asks for a bell as soon as there is room.
  const back = payloads(60, 1000)
  client.send(...back.map((payload) => publish(0, payload)))
  t.true(client.unwrittenBytes > 0)
  publisher.send(...sent.slice(390).map((payload) => publish(0, payload)))
  await publisher.expectNothing()
  client.resume()
  await expectPayloads(t, client, sent.slice(0, 1))
  const rest: Buffer[] = []
  for (let isPaired = false; rest.length < sent.length - 1; ) {
    const frame = await client.next()
    if (frame.kind === 'PAIRED') isPaired = true
    else if (frame.kind === 'MESSAGE') rest.push(frame.payload)
    if (rest.length === sent.length - 1) t.true(isPaired)
  }
  for (const [index, payload] of rest.entries()) t.true(payload.equals(sent[index + 1]!), `message ${index}`)
  await expectPayloads(t, listener, back)
})

test('[PAIR-3] [PAIR-5] what the socket brings behind PAIRED are bells, whatever they say and wherever it is cut', async (t) => {
  const bench = await startBench(t, AT_ONCE)
  const listener = await listenerOf(bench)
  for (const cut of [0, 7, 16]) {
    const client = await PairClient.open(t, bench.path)
    await client.expectPair()
    await client.mapPair()
    // A broker must not take it for frames, which these would be.
    const behind = Buffer.concat([topic(0, 'a'), publish(0, 'by socket'), Buffer.alloc(1000, 0xff)])
    if (cut > 0) {
      client.socket.write(paired().subarray(0, cut))
      await listener.expectNothing()
    }
    client.sendPaired(cut, behind)
    await client.expectPaired()
    client.send(topic(0, 'a'), publish(0, `by ring ${cut}`))
    t.deepEqual(await listener.texts(1), [`by ring ${cut}`])
    client.socket.write(behind)
    client.send(publish(0, 'go on'))
    t.deepEqual(await listener.texts(1), ['go on'])
    await client.expectNothing()
  }
  await listener.expectNothing()
})

test('[PAIR-5] a bell without need is none', async (t) => {
  const bench = await startBench(t, AT_ONCE)
  const listener = await listenerOf(bench)
  const client = await PairClient.open(t, bench.path)
  await client.usePair()
  for (let count = 0; count < 100; count++) client.ring()
  client.send(topic(0, 'a'), publish(0, 'still here'))
  t.deepEqual(await listener.texts(1), ['still here'])
  await client.expectNothing()
})

/** What ends the connection of a client, and no other. */
const FAULTS: [title: string, code: ErrorCode, act: (client: PairClient) => Promise<void> | void][] = [
  ['[PAIR-3] PAIRED without an offer', 'UNEXPECTED_FRAME', (client) => client.send(paired())],
  [
    '[PAIR-3] PAIRED for a pair that was not granted',
    'UNEXPECTED_FRAME',
    async (client) => {
      await offered(client)
      client.send(paired())
    },
  ],
  [
    '[PAIR-3] PAIRED a second time',
    'UNEXPECTED_FRAME',
    async (client) => {
      await offered(client)
      await client.mapPair()
      client.sendPaired()
      await client.expectPaired()
      client.send(paired())
    },
  ],
  ['[PAIR-2] DECLINE without an offer', 'SEGMENT_UNKNOWN', (client) => client.send(decline(PAIR_SEGMENT))],
  [
    '[PAIR-2] DECLINE a second time',
    'SEGMENT_UNKNOWN',
    async (client) => {
      await offered(client)
      client.send(decline(PAIR_SEGMENT), decline(PAIR_SEGMENT))
    },
  ],
  [
    '[PAIR-3] PAIRED after DECLINE',
    'UNEXPECTED_FRAME',
    async (client) => {
      await offered(client)
      await client.mapPair()
      client.send(decline(PAIR_SEGMENT), paired())
    },
  ],
  [
    '[PAIR-2] DECLINE after PAIRED',
    'SEGMENT_UNKNOWN',
    async (client) => {
      await offered(client)
      await client.mapPair()
      client.sendPaired()
      client.send(decline(PAIR_SEGMENT))
      await client.expectPaired()
    },
  ],
  [
    '[PAIR-4] a head beyond what a ring holds',
    'BAD_FRAME',
    async (client) => {
      await used(client)
      client.store(0, PairWord.HEAD, 2 ** 31)
      client.ring()
    },
  ],
  [
    '[PAIR-4] a head that goes back',
    'BAD_FRAME',
    async (client) => {
      await used(client)
      client.store(0, PairWord.HEAD, 0)
      client.ring()
    },
  ],
  [
    '[PAIR-4] a frame in the ring that is none',
    'BAD_FRAME',
    async (client) => {
      await used(client)
      const frame = publish(0, 'x')
      frame.writeUInt32LE(3, 0)
      client.send(frame)
    },
  ],
  [
    '[PAIR-4] a kind in the ring that there is not',
    'UNKNOWN_KIND',
    async (client) => {
      await used(client)
      client.send(Buffer.alloc(64, 0xff))
    },
  ],
]

/** Makes itself busy enough, and is offered a pair. */
async function offered(client: PairClient): Promise<void> {
  client.send(topic(0, 'busy'), publish(0, Buffer.alloc(1000)))
  await client.expectPair()
}

async function used(client: PairClient): Promise<void> {
  await offered(client)
  await client.mapPair()
  client.sendPaired()
  await client.expectPaired()
  client.send(flush(1))
  await client.expect('FLUSHED')
}

for (const [title, code, act] of FAULTS) {
  test(`${title} is ${code}, and nobody else is disturbed`, async (t) => {
    const bench = await startBench(t, { ...AT_ONCE, pairAfterBytes: 1000 })
    const goOn = await bystandersOf(t, bench)
    const other = await PairClient.open(t, bench.path)
    await used(other)
    const client = await PairClient.open(t, bench.path)
    await act(client)
    await client.expectFatal(code)
    await goOn()
    await other.expectNothing()
  })
}

test('[PAIR-4] a spoilt tail is BAD_FRAME, which has no way to the client any more', async (t) => {
  const bench = await startBench(t, { ...AT_ONCE, pairAfterBytes: 1000 })
  const goOn = await bystandersOf(t, bench)
  const observer = await bench.client()
  observer.send(subscribe(1, '$SYS.client.disconnected'))
  await observer.expectNothing()
  const client = await PairClient.open(t, bench.path)
  await used(client)
  client.pause()
  client.store(1, PairWord.TAIL, 2 ** 31)
  client.send(flush(2))
  await client.expectEnd()
  const { payload } = await observer.expect('MESSAGE')
  t.true(payload.includes('BAD_FRAME'), payload.toString('latin1'))
  await goOn()
})

test('[PAIR-2] DECLINE keeps the stream with its socket, and no other pair is offered', async (t) => {
  const bench = await startBench(t, { ...AT_ONCE, pairsMax: 1 })
  const listener = await listenerOf(bench)
  const client = await PairClient.open(t, bench.path)
  await client.expectPair()
  client.send(decline(PAIR_SEGMENT))
  t.like(await client.fetch(PAIR_SEGMENT), { fd: -1, code: 'ATTACH_REFUSED' })
  const sent = payloads(100)
  client.send(topic(0, 'a'), ...sent.map((payload) => publish(0, payload)))
  await expectPayloads(t, listener, sent)
  await client.expectNothing()
  // Its place is free.
  const other = await PairClient.open(t, bench.path)
  await other.usePair()
  await other.expectNothing()
})

test('there are `pairsMax` pairs at a time, and a place is free again after a hang-up', async (t) => {
  const { path } = await startBench(t, { ...AT_ONCE, pairsMax: 2 })
  const [first, second] = [await PairClient.open(t, path), await PairClient.open(t, path)]
  await first.usePair()
  await second.expectPair()
  for (const leaving of [first, second]) {
    const next = await PairClient.open(t, path)
    await next.expectNothing()
    leaving.hangUp()
    do next.send(flush(1))
    while ((await next.next()).kind !== 'PAIR')
  }
})

for (const way of ['ends', 'vanishes'] as const) {
  test(`[PAIR-6] what a client had written before it ${way} is delivered`, async (t) => {
    const bench = await startBench(t, AT_ONCE)
    const listener = await listenerOf(bench)
    const client = await PairClient.open(t, bench.path)
    await client.usePair()
    client.send(topic(0, 'a'))
    await client.expectNothing()
    const sent = payloads(30).filter(({ length }) => length < 10_000)
    client.send(...sent.map((payload) => publish(0, payload)))
    t.is(client.unwrittenBytes, 0)
    if (way === 'ends') client.socket.end()
    else client.hangUp()
    client.unmap()
    await expectPayloads(t, listener, sent)
    await listener.expectNothing()
  })
}

test('[PAIR-6] the same for one that had not read what came by socket', async (t) => {
  const bench = await startBench(t, AT_ONCE)
  const listener = await listenerOf(bench)
  const client = await PairClient.open(t, bench.path)
  await client.expectPair()
  await client.mapPair()
  client.send(topic(0, 'a'), subscribe(1, 'to', WIDE))
  await client.expectNothing()
  client.pause()
  const publisher = await bench.client()
  publisher.send(topic(0, 'to'), ...Array.from({ length: 40 }, () => publish(0, Buffer.alloc(100_000))))
  await publisher.expectNothing()
  client.sendPaired()
  const sent = payloads(9)
  client.send(...sent.map((payload) => publish(0, payload)))
  await publisher.expectNothing()
  client.hangUp()
  await expectPayloads(t, listener, sent)
})

test('[PAIR-6] a client that does not read its ring gets everything once it does', async (t) => {
  const { path, client: open } = await startBench(t, AT_ONCE)
  const [publisher, reader] = [await open(), await PairClient.open(t, path)]
  await reader.usePair()
  reader.send(subscribe(1, 'a', WIDE))
  await reader.expectNothing()
  reader.pause()
  const sent = payloads(400)
  publisher.send(topic(0, 'a'), ...sent.map((payload) => publish(0, payload)))
  await publisher.expectNothing()
  reader.resume()
  await expectPayloads(t, reader, sent)
  await reader.expectNothing()
})

test('[PAIR-6] the limits of what is unread hold for a ring as well', async (t) => {
  const { path, client: open } = await startBench(t, { ...AT_ONCE, backlogMessagesMax: 100 })
  const [publisher, reader] = [await open(), await PairClient.open(t, path)]
  await reader.usePair()
  reader.send(subscribe(1, 'a', { ...WIDE, overflow: 'drop-newest' }))
  await reader.expectNothing()
  reader.pause()
  publisher.send(topic(0, 'a'), ...Array.from({ length: 3000 }, () => publish(0, Buffer.alloc(1000))))
  await publisher.expectNothing()
  const { messagesDropped } = await publisher.ask<{ messagesDropped: number }>('$SYS.stats')
  t.true(messagesDropped > 100, `${messagesDropped}`)
  reader.resume()
  t.is((await reader.arrived()).length, 3000 - messagesDropped)
})

test('[PAIR-6] whoever leaves more replies unread than may be is let go', async (t) => {
  const options = { outboxBytesMax: 64 * KIB, refusedLingerMs: 60_000 }
  const { path, client: open } = await startBench(t, { ...AT_ONCE, ...options })
  const [client, other] = [await PairClient.open(t, path), await open()]
  await client.usePair()
  client.send(topic(0, '$SYS.stats'))
  await client.expectNothing()
  client.pause()
  for (let id = 1; id <= 4000; id++) client.send(request(0, id))
  await other.expectNothing()
  client.resume()
  let frame = await client.next()
  while (frame.kind === 'REPLY') frame = await client.next()
  t.like(frame, { kind: 'ERROR', body: { code: 'OUTBOX_OVERFLOW', fatal: true } })
  await client.expectEnd()
})

test.serial('memory and descriptors are given back, however far a pair had come', async (t) => {
  const bench = await startBench(t, AT_ONCE)
  const listener = await listenerOf(bench)
  const before = ownRingMemory()
  const steps: ((client: PairClient) => Promise<void> | void)[] = [
    () => undefined,
    (client) => client.mapPair(),
    (client) => client.send(decline(PAIR_SEGMENT)),
    (client) => client.send(paired()),
    async (client) => {
      await client.mapPair()
      client.sendPaired()
      await client.expectPaired()
      client.send(topic(0, 'a'), publish(0, 'x'))
    },
    async (client) => {
      await client.mapPair()
      client.sendPaired()
      client.store(0, PairWord.HEAD, 2 ** 31)
      client.ring()
    },
  ]
  for (let round = 0; round < 5; round++) {
    await Promise.all(
      steps.map(async (step) => {
        const client = await PairClient.open(t, bench.path)
        await client.expectPair()
        await step(client)
        client.hangUp()
        client.unmap()
      }),
    )
  }
  while (bench.broker.clientCount > 1) await new Promise((resolve) => setTimeout(resolve, 5))
  t.deepEqual(ownRingMemory(), before)
  t.is((await listener.texts(5)).join(''), 'xxxxx')
})
