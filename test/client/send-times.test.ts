import test from 'ava'
import type { Message } from '../../client/index.js'
import { SendTimes } from '../../client/outbound/send-times.js'
import { brokerIn, clientOf, settled, until } from './fixtures.js'

function nowNs(): number {
  return Number(process.hrtime.bigint())
}

test('[WIRE-3.3] [FLOW-4] a topic is stamped with the time of sending at most every 100 ms, topics that come later in a turn as well', async (t) => {
  const times = new SendTimes()
  const startNs = nowNs()
  const stamps: number[][] = [[], []]
  while (stamps[1]!.length < 3) {
    for (const alias of [0, 1]) {
      if (times.looksLeft === 0) continue
      const ns = times.look(alias)
      if (ns !== 0) stamps[alias]!.push(ns)
    }
    times.endTurn()
    await new Promise(setImmediate)
  }
  const intervals = (nowNs() - startNs) / 1e8
  for (const list of stamps) {
    t.true(
      list.length >= 2 && list.length <= intervals + 1,
      `${list.length} stamps in ${intervals} intervals`,
    )
    for (const [index, ns] of list.entries()) t.true(ns > (list[index - 1] ?? startNs) && ns <= nowNs())
  }
})

test('a burst costs a look at its first messages only, and the last of these gets no stamp', (t) => {
  const times = new SendTimes()
  t.is(times.look(-1), 0, 'there is no alias')
  let looks = 0
  let last = -1
  while (times.looksLeft > 0) {
    last = times.look(looks)
    looks += 1
  }
  t.is(looks, 16)
  t.is(last, 0)
})

test('[WIRE-3.3] about ten messages in a second say when they were sent, whatever they are and however they travel', async (t) => {
  const path = await brokerIn(t)
  const [publisher, subscriber] = [await clientOf(t, path), await clientOf(t, path)]
  const got: Message[] = []
  await subscriber.subscribe('>', (message) => got.push(message)).ready
  const payloads = [Buffer.alloc(100_000, 7), 'text', { a: 1 }, new Float64Array([1, 2])]
  const published: unknown[] = []
  const startNs = nowNs()
  const stamped = () => got.filter(({ sentAt }) => sentAt !== undefined)
  for (let turn = 0; stamped().length < 4 * payloads.length; turn++) {
    for (const [number, payload] of payloads.entries()) {
      published.push(payload)
      publisher.publish(`t.${number}`, payload, { ttl: 60_000, headers: { turn } })
    }
    await settled(publisher, subscriber)
  }
  await until(() => got.length === published.length)
  t.deepEqual(
    got.map(({ data }) => data),
    published,
  )
  for (const { sentAt } of stamped()) t.true(sentAt! * 1e6 >= startNs && sentAt! * 1e6 <= nowNs())
  t.true(stamped().length <= payloads.length * ((nowNs() - startNs) / 1e8 + 1))
})
