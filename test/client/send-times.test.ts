import { mock } from 'node:test'
import test, { type ExecutionContext } from 'ava'
import type { Message } from '../../client/index.js'
import { SendTimes } from '../../client/outbound/send-times.js'
import { brokerIn, clientOf, settled, until } from './fixtures.js'
import { frameBytes, numbered, OutboxStage } from './outbox-stage.js'

/** Until the end of the test, no time passes between two stamps. */
function stopTheClock(t: ExecutionContext): void {
  const stoppedMs = performance.now()
  const clock = mock.method(performance, 'now', () => stoppedMs)
  t.teardown(() => clock.mock.restore())
}

function nowNs(): number {
  return Number(process.hrtime.bigint())
}

test('[WIRE-3.3] [FLOW-4] a topic is stamped with the time of sending at most every 100 ms, topics that come later in a turn as well', async (t) => {
  const times = new SendTimes()
  const startNs = nowNs()
  const stamps: number[][] = [[], []]
  while (stamps[1]!.length < 3) {
    for (const alias of [0, 1]) {
      const ns = times.timeFor(alias)
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

test('of a burst, the first messages alone may be stamped, and one topic once', async (t) => {
  t.is(new SendTimes().timeFor(-1), 0, 'there is no alias')
  stopTheClock(t)
  const stage = new OutboxStage({ sendTimes: true })
  const outlet = stage.connect()
  const publish = (topic: string) => stage.publisher.publish(topic, numbered(0), undefined)
  for (let number = 0; number < 100; number++) publish(`t.${number % 50}`)
  await Promise.resolve()
  t.deepEqual(
    outlet.messages.map(({ isStamped }) => isStamped),
    Array.from({ length: 100 }, (_, number) => number < 15),
  )
  for (const topic of ['t.3', 't.40', 't.40']) publish(topic)
  await Promise.resolve()
  t.deepEqual(
    outlet.messages.slice(100).map(({ isStamped }) => isStamped),
    [false, true, false],
  )
})

test('what waits is stamped as it is published', (t) => {
  const stage = new OutboxStage({ sendTimes: true })
  const outlet = stage.connect()
  for (const topic of ['a', 'b']) stage.publisher.publish(topic, numbered(0), undefined)
  stage.outbox.flush()
  stage.outbox.aliases.find('c')
  stage.outbox.pause(2, 3)
  stage.publisher.publish('c', numbered(1), undefined)
  t.is(stage.waitingBytes('c'), frameBytes(numbered(1)) + 8)
  stage.outbox.resume(2, 0)
  stage.outbox.flush()
  t.deepEqual(
    outlet.messages.map(({ isStamped }) => isStamped),
    [true, true, true],
  )
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
