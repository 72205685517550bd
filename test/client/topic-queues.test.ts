import test from 'ava'
import type { RingbusError } from '../../client/index.js'
import { Barriers } from '../../client/outbound/barriers.js'
import { descriptorBytes } from '../../client/rings/loan-memory.js'
import { EMPTY_HEAD, Flag, Kind, paddedLength, readU32 } from '../../protocol/index.js'
import { frameBytes, numbered, OutboxStage, StagedOutlet } from './outbox-stage.js'

const MEBIBYTE = 1024 * 1024
const KIBIBYTE = numbered(0, 1008)

/** Publishes `data` on a topic until it is told to pause; returns how many messages that were. */
function fill(stage: OutboxStage, topic: string, data = KIBIBYTE): number {
  let messages = 1
  while (stage.publisher.publish(topic, data, undefined)) messages += 1
  return messages
}

function textsOf({ messages }: StagedOutlet): string[] {
  return messages.map(({ topic, text }) => `${topic}=${text.trim()}`)
}

test('[ORDER-3] an urgent message overtakes bulk that waits in the client, of its topic and of others', (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect()
  stage.congest()
  fill(stage, 'bulk')
  stage.publisher.publish('bulk', numbered(1), { priority: 1 })
  stage.publisher.publish('other', numbered(2), { priority: 31 })
  stage.publisher.publish('bulk', numbered(3), { priority: 31 })
  stage.drain()
  t.deepEqual(textsOf(outlet).slice(0, 4), ['other=2', 'bulk=3', 'bulk=1', 'bulk=0'])
})

test('topics of one priority take turns, a block at a time', (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect()
  stage.congest()
  for (const topic of ['a', 'b', 'c']) fill(stage, topic)
  stage.drain()
  const turns = outlet.messages.filter(({ topic }, index, all) => topic !== all[index - 1]?.topic)
  t.true(turns.length > 30, `${turns.length} turns`)
  for (const [index, { topic }] of turns.slice(0, 30).entries()) t.is(topic, 'abc'.charAt(index % 3))
})

test('what is handed over to an outlet that takes no more is a block, and the rest can still be overtaken', (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect()
  stage.congest()
  fill(stage, 'bulk')
  stage.drain(0)
  t.true(outlet.queuedBytes <= 128 * 1024, `${outlet.queuedBytes} bytes were handed over`)
  const before = outlet.messages.length
  stage.publisher.publish('urgent', numbered(1), { priority: 9 })
  stage.drain(0)
  t.is(
    outlet.messages.slice(before).findIndex(({ topic }) => topic === 'urgent'),
    0,
  )
})

test('[WIRE-2.8] PAUSE holds back what has not left, on that topic alone', async (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect()
  for (const topic of ['a', 'b']) stage.publisher.publish(topic, numbered(0), undefined)
  await Promise.resolve()
  stage.outbox.pause(stage.aliasOf('a'), outlet.bindings)
  for (const topic of ['a', 'b', 'a']) t.true(stage.publisher.publish(topic, numbered(1), undefined))
  await Promise.resolve()
  t.deepEqual(textsOf(outlet), ['a=0', 'b=0', 'b=1'])
  t.is(stage.waitingBytes('a'), 2 * frameBytes(numbered(1)))
  stage.outbox.resume(stage.aliasOf('b'), 0)
  stage.outbox.resume(7, 0)
  await Promise.resolve()
  t.is(outlet.messages.length, 3)
  stage.outbox.resume(stage.aliasOf('a'), 0)
  stage.publisher.publish('a', numbered(2), undefined)
  await Promise.resolve()
  t.deepEqual(textsOf(outlet).slice(3), ['a=1', 'a=1', 'a=2'])
  t.true(stage.outbox.isDirect)
})

test('[WIRE-2.8] allowances add up, and fall below 0 by one frame at most', async (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect()
  stage.publisher.publish('a', numbered(0), undefined)
  await Promise.resolve()
  stage.outbox.pause(0, outlet.bindings)
  for (let number = 1; number <= 10; number++) stage.publisher.publish('a', numbered(number, 84), undefined)
  stage.outbox.resume(0, 100)
  await Promise.resolve()
  t.is(outlet.messages.length, 2)
  // 100 - 100 is nothing; one byte more is a frame.
  stage.outbox.resume(0, 1)
  await Promise.resolve()
  t.is(outlet.messages.length, 3)
  // Now it stands at -99.
  stage.outbox.resume(0, 50)
  await Promise.resolve()
  t.is(outlet.messages.length, 3)
  stage.outbox.resume(0, 150)
  await Promise.resolve()
  t.is(outlet.messages.length, 5)
  stage.outbox.resume(0, 0)
  await Promise.resolve()
  t.is(outlet.messages.length, 11)
})

test('[WIRE-2.8] a PAUSE that was meant for an earlier binding of the alias is ignored, and so is one of no binding', (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect(new StagedOutlet(), 2)
  for (const topic of ['a', 'b', 'c']) stage.publisher.publish(topic, numbered(0), undefined)
  stage.outbox.flush()
  const alias = stage.aliasOf('c')
  t.is(outlet.bindings, 3)
  stage.outbox.pause(alias, 2)
  stage.outbox.pause(9, 3)
  stage.outbox.resume(alias, 5)
  t.true(stage.outbox.isDirect)
  stage.outbox.pause(alias, 3)
  t.false(stage.outbox.isDirect)
  stage.publisher.publish('c', numbered(1), undefined)
  t.is(stage.waitingBytes('c'), frameBytes(numbered(1)))
})

test('[WIRE-2.8] urgent messages of a paused topic pass, 2,048 bytes of each priority beyond the one below', (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect()
  stage.publisher.publish('a', numbered(0), undefined)
  stage.outbox.flush()
  stage.outbox.pause(0, outlet.bindings)
  const before = outlet.messages.length
  for (let number = 1; number <= 4; number++) {
    stage.publisher.publish('a', numbered(number, 1008), undefined)
    stage.publisher.publish('a', numbered(10 + number, 1008), { priority: 1 })
    stage.publisher.publish('a', numbered(20 + number, 1008), { priority: 2 })
  }
  stage.outbox.flush()
  t.deepEqual(textsOf({ messages: outlet.messages.slice(before) } as StagedOutlet), [
    'a=21',
    'a=22',
    'a=23',
    'a=24',
  ])
  // 4,096 are overdrawn; with these priority 1 may go on, down to 2,048 of it.
  stage.outbox.resume(0, 2048 + 1)
  stage.outbox.flush()
  t.deepEqual(textsOf({ messages: outlet.messages.slice(before + 4) } as StagedOutlet), ['a=11'])
})

test('[WIRE-2.8] the aliases of paused topics are left alone while there are others; to bind one anew ends its pause', async (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect(new StagedOutlet(), 3)
  for (const topic of ['a', 'b', 'c']) stage.publisher.publish(topic, numbered(0), undefined)
  await Promise.resolve()
  for (const alias of [0, 1]) stage.outbox.pause(alias, outlet.bindings)
  for (const topic of ['a', 'b']) stage.publisher.publish(topic, numbered(1), undefined)
  for (let number = 0; number < 20; number++) stage.publisher.publish(`t.${number}`, numbered(2), undefined)
  await Promise.resolve()
  t.deepEqual(outlet.topics, ['a', 'b', 't.19'])
  stage.outbox.pause(2, outlet.bindings)
  stage.publisher.publish('d', numbered(3), undefined)
  await Promise.resolve()
  await Promise.resolve()
  const ended = ['a', 'b', 't.19'].filter((topic) => stage.outbox.queues.find(topic)?.isPaused !== true)
  t.is(ended.length, 1)
  t.is(textsOf(outlet).filter((text) => text === `${ended[0]}=1`).length, ended[0] === 't.19' ? 0 : 1)
})

test('the limits are those of each topic: 1 MiB, where publish asks for a pause, and 16 MiB', (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect()
  stage.publisher.publish('paused', numbered(0), undefined)
  stage.outbox.flush()
  stage.outbox.pause(0, outlet.bindings)
  t.is(fill(stage, 'paused'), 1025, 'the first beyond 1 MiB, of 1 KiB each')
  const isFull = {
    code: 'BACKPRESSURE',
    message: /^16777216 bytes of "paused" .*subscribers take no more.*16777216/,
  }
  const error = t.throws<RingbusError>(() => {
    for (;;) stage.publisher.publish('paused', KIBIBYTE, undefined)
  }, isFull)
  t.like(error!.details, {
    topic: 'paused',
    waitingBytes: 16 * MEBIBYTE,
    bytesMax: 16 * MEBIBYTE,
    paused: true,
  })
  t.true(stage.publisher.publish('other', KIBIBYTE, undefined))
  stage.congest()
  t.is(fill(stage, 'other'), 1025)
  t.throws(
    () => {
      for (;;) stage.publisher.publish('other', KIBIBYTE, undefined)
    },
    { code: 'BACKPRESSURE', message: /^16777216 bytes of "other" wait to be sent, the limit/ },
  )
})

test('[FLOW-2] whoever publishes on and on is asked to wait for another turn, though all of it is taken at once', async (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect()
  const turnBytes = fill(stage, 'a') * frameBytes(KIBIBYTE)
  t.true(turnBytes >= 2 * MEBIBYTE && turnBytes <= 2.2 * MEBIBYTE, `${turnBytes} bytes`)
  t.false(stage.publisher.publish('b', numbered(1), undefined))
  t.is(stage.outbox.waitingBytes < 64 * 1024, true, 'nothing is kept back for that')
  let isReady = false
  const ready = stage.publisher.ready('a').then(() => {
    isReady = true
  })
  // The rest of this turn, in which nothing is read.
  for (let step = 0; step < 100; step++) await Promise.resolve()
  t.deepEqual([isReady, stage.drained], [false, []])
  t.false(stage.publisher.publish('a', KIBIBYTE, undefined))
  await ready
  t.deepEqual(stage.drained, ['a', 'b'])
  t.true(stage.publisher.publish('a', KIBIBYTE, undefined))
  stage.outbox.flush()
  t.is(outlet.messages.length, turnBytes / frameBytes(KIBIBYTE) + 3)
})

test('whoever lets the loop turn is never asked to wait for that', async (t) => {
  const stage = new OutboxStage()
  stage.connect()
  for (let turn = 0; turn < 20; turn++) {
    for (let count = 0; count < 900; count++) t.true(stage.publisher.publish('a', KIBIBYTE, undefined))
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    await new Promise(setImmediate)
  }
})

test('of many requests the first leave before the turn ends, 32 at a time; messages wait for the end of the turn', async (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect()
  let frames = 0
  outlet.write = (bytes) => {
    for (let start = 0; start < bytes.length; frames++) start += paddedLength(readU32(bytes, start))
    return true
  }
  const send = (kind: number, count: number) => {
    for (; count > 0; count--) stage.outbox.message({ ...EMPTY_HEAD, kind }, KIBIBYTE.subarray(0, 10))
    return frames
  }
  t.is(send(Kind.MESSAGE, 20), 0)
  t.is(send(Kind.REQUEST, 31), 0)
  t.is(send(Kind.REPLY, 1), 52, 'with what was written before')
  t.is(send(Kind.REPLY, 31), 52)
  await Promise.resolve()
  t.is(frames, 83)
  t.is(send(Kind.REQUEST, 31), 83, 'each turn begins anew')
  t.is(send(Kind.REQUEST, 1), 115)
  stage.disconnect()
  t.is(send(Kind.REQUEST, 100), 115)
})

test('all topics together have a limit of 256 MiB, and are asked to pause before when it is the socket that they wait for', async (t) => {
  const stage = new OutboxStage()
  stage.connect()
  stage.congest()
  const data = numbered(0, 128 * 1024)
  let refused = 0
  const error = t.throws<RingbusError>(() => {
    for (let number = 0; ; number++) {
      const isWelcome = stage.publisher.publish(`t.${number}`, data, undefined)
      if (isWelcome && refused > 0) t.fail(`${number} was welcome`)
      if (!isWelcome && refused === 0) refused = number
    }
  })
  t.is(error?.code, 'BACKPRESSURE')
  t.regex(error!.message, /of all topics wait to be sent, the limit is 268435456/)
  t.true(refused > 120 && refused <= 128, `${refused} topics were welcome`)
  stage.drain()
  while (stage.outbox.queues.costBytes > 0) await new Promise(setImmediate)
  t.is(stage.drained.length, new Set(stage.drained).size)
  t.true(stage.drained.length > 1900)
})

test('ready and `drain` come for each topic, when less than half waits and it is not held up', async (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect()
  for (const topic of ['a', 'b']) stage.publisher.publish(topic, numbered(0), undefined)
  stage.outbox.flush()
  for (const alias of [0, 1]) stage.outbox.pause(alias, outlet.bindings)
  for (const topic of ['a', 'b']) fill(stage, topic)
  const ready: string[] = []
  for (const topic of ['a', 'b', 'c']) void stage.publisher.ready(topic).then(() => ready.push(topic))
  await new Promise(setImmediate)
  t.deepEqual(ready, ['c'])
  stage.outbox.resume(0, 600 * 1024)
  await new Promise(setImmediate)
  t.deepEqual(stage.drained, [], 'what waits still waits for an allowance')
  stage.outbox.resume(0, MEBIBYTE)
  await new Promise(setImmediate)
  t.deepEqual(stage.drained, ['a'])
  t.deepEqual(ready, ['c', 'a'])
  stage.congest()
  stage.outbox.resume(1, 0)
  t.deepEqual(stage.drained, ['a'])
  stage.drain(700 * 1024)
  t.deepEqual(stage.drained, ['a', 'b'])
  await stage.publisher.ready('b')
})

test('flush waits for the messages that were published before, paused ones included, and for no others', async (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect()
  stage.publisher.publish('a', numbered(0), undefined)
  stage.outbox.flush()
  stage.outbox.pause(0, outlet.bindings)
  const barriers = new Barriers(stage.outbox)
  const settled: number[] = []
  const flushed: Promise<void>[] = []
  for (const priority of [0, 31]) {
    stage.publisher.publish('a', numbered(1), { priority })
    flushed.push(stage.publisher.flush(barriers).then(() => void settled.push(priority)))
  }
  stage.publisher.publish('a', numbered(2), undefined)
  await new Promise(setImmediate)
  t.deepEqual(outlet.flushes, [1, 2], 'these are about what has left before')
  for (const id of [1, 2]) barriers.passed(id)
  await new Promise(setImmediate)
  t.deepEqual(settled, [])
  // The urgent one leaves first, and with it neither flush is done.
  stage.outbox.resume(0, 1)
  await new Promise(setImmediate)
  t.is(outlet.messages.length, 2)
  t.deepEqual(outlet.flushes, [1, 2])
  stage.outbox.resume(0, 28)
  await new Promise(setImmediate)
  t.is(outlet.messages.length, 3)
  t.deepEqual(outlet.flushes, [1, 2, 3, 4])
  for (const id of [4, 3]) barriers.passed(id)
  await Promise.all(flushed)
  t.deepEqual(settled, [31, 0])
  t.is(stage.waitingBytes('a'), frameBytes(numbered(2)))
})

test('what waits in queues outlives the connection; a flush that waits for it fails if something else may be lost', async (t) => {
  for (const isDoubtful of [false, true]) {
    const stage = new OutboxStage()
    const outlet = stage.connect()
    const barriers = new Barriers(stage.outbox)
    stage.publisher.publish('a', numbered(0), undefined)
    const routed = stage.publisher.flush(barriers)
    barriers.passed(1)
    await routed
    if (isDoubtful) stage.publisher.publish('b', numbered(9), undefined)
    stage.outbox.flush()
    stage.outbox.pause(0, outlet.bindings)
    stage.publisher.publish('a', numbered(1), undefined)
    const flushed = stage.publisher.flush(barriers)
    stage.disconnect()
    stage.publisher.publish('a', numbered(2), undefined)
    const next = stage.connect(new StagedOutlet(), 1)
    await new Promise(setImmediate)
    t.deepEqual(textsOf(next), ['a=1', 'a=2'])
    t.is(stage.outbox.queues.hasPauses, false)
    if (isDoubtful) {
      await t.throwsAsync(flushed, { code: 'DISCONNECTED' })
      await t.throwsAsync(stage.publisher.flush(barriers), { code: 'DISCONNECTED' })
    } else {
      t.is(next.flushes.length, 1)
      barriers.passed(next.flushes[0]!)
      await t.notThrowsAsync(flushed)
    }
  }
})

test('100,000 topics that are published once while the socket is busy take memory in proportion', async (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect()
  stage.congest()
  const data = Buffer.alloc(100)
  const before = process.memoryUsage()
  for (let number = 0; number < 100_000; number++) stage.publisher.publish(`topic.${number}`, data, undefined)
  const after = process.memoryUsage()
  const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
  t.log(`${Math.round(grown / 100_000)} bytes for each topic`)
  t.true(grown < 100_000 * 1500, `${grown} bytes`)
  t.is(stage.outbox.queues.costBytes, 100_000 * (116 + 512))
  stage.drain()
  while (stage.outbox.queues.costBytes > 0) await new Promise(setImmediate)
  t.is(outlet.messages.length, 100_000)
  t.is(outlet.bindings, 100_000)
  t.is(stage.aliasOf('topic.99999'), outlet.messages.at(-1)!.alias)
})

test('a flush fails when the connection is lost just after the last of its messages has left', async (t) => {
  const stage = new OutboxStage()
  stage.connect()
  const barriers = new Barriers(stage.outbox)
  stage.congest()
  stage.publisher.publish('a', numbered(0), undefined)
  const flushed = stage.publisher.flush(barriers)
  stage.drain()
  stage.disconnect()
  stage.connect()
  await t.throwsAsync(flushed, { code: 'DISCONNECTED' })
})

test('memory that the outlet still reads is not written again', (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect(new StagedOutlet(true))
  stage.congest()
  let number = 0
  for (let round = 0; round < 40; round++) {
    do number += 1
    while (stage.publisher.publish('a', numbered(number, 1008), undefined))
    t.true(outlet.isUntouched, `in round ${round}`)
    stage.drain(round % 3 === 0 ? 600_000 : 50_000)
  }
  t.true(outlet.isUntouched)
})

test('payloads in a ring count as what waits, until their frames have left', (t) => {
  const stage = new OutboxStage()
  const outlet = stage.connect()
  stage.congest()
  const head = { ...EMPTY_HEAD, flags: Flag.RING }
  const descriptor = { segment: 3, position: 0, length: 5000, padding: 0, restarted: false }
  for (let number = 0; number < 2; number++) {
    stage.outbox.enqueue(stage.outbox.queues.open('a'), head, descriptorBytes(descriptor), 5000)
  }
  t.is(stage.waitingBytes('a'), 2 * 5048)
  t.is(stage.outbox.queues.costBytes, 2 * 5048 + 512)
  stage.drain()
  t.is(outlet.messages.length, 2)
  t.is(stage.outbox.queues.costBytes, 0)
  t.is(stage.outbox.queues.unpausedCostBytes, 0)
})
