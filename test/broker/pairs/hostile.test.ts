import test from 'ava'
import { type ErrorCode, PAIR_SEGMENT } from '../../../protocol/index.js'
import { PairWord } from '../../shmring/pair-fixtures.js'
import { startBench } from '../fixtures.js'
import { flush, publish, subscribe, topic } from '../frames.js'
import { decline } from '../ring-frames.js'
import { AT_ONCE, bystandersOf } from './fixtures.js'
import { PairClient, paired } from './pair-client.js'

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
