import test from 'ava'
import { Kind, Offset, PAIR_SEGMENT, readU32 } from '../../../protocol/index.js'
import { startBench } from '../fixtures.js'
import { flush, publish, subscribe, topic } from '../frames.js'
import { native } from '../ring-client.js'
import { attach, decline } from '../ring-frames.js'
import { Client } from '../transcript.js'
import { AT_ONCE, expectPayloads, KIB, listenerOf, payloads, WIDE } from './fixtures.js'
import { PairClient, paired } from './pair-client.js'

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
