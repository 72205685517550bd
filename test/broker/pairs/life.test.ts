import test from 'ava'
import { PAIR_SEGMENT } from '../../../protocol/index.js'
import { ownRingMemory } from '../../deaths/ring-memory.js'
import { PairWord } from '../../shmring/pair-fixtures.js'
import { startBench } from '../fixtures.js'
import { flush, publish, request, subscribe, topic } from '../frames.js'
import { decline } from '../ring-frames.js'
import { AT_ONCE, expectPayloads, KIB, listenerOf, payloads, WIDE } from './fixtures.js'
import { PairClient, paired } from './pair-client.js'

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
