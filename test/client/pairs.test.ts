import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { BrokerOptions } from '../../broker/index.js'
import { BLOCK_BYTES } from '../../client/inbound/read-memory.js'
import type { Message, RingbusClient } from '../../client/index.js'
import { FEATURE_RING, Kind } from '../../protocol/index.js'
import { type Child, startBrokerProcess } from '../broker/processes.js'
import { brokerIn, clientOf, eventOf, settled, socketIn, until } from './fixtures.js'
import { deliver, error, message, name, ScriptedBroker } from './scripted-broker.js'
import { paired, ScriptedPair } from './scripted-pair.js'

/** Every client is busy enough at once. */
const AT_ONCE = { pairAfterBytes: 1, pairPieceBytesMin: 1, pairBytes: 64 * 1024 }

/** No payload goes by a ring of its own. */
const INLINE = { ringThresholdBytes: 2 ** 30 }

/** Ends of pairs that this process has mapped. */
function endsHere(): number {
  return readFileSync('/proc/self/maps', 'utf8').split('/memfd:ringbus-pair').length - 1
}

/** What earlier tests had is gone. */
async function noEndsHere(): Promise<void> {
  await until(() => endsHere() === 0)
}

/** A broker in this process, and clients whose streams have moved to pairs. */
async function pairedClients(
  t: ExecutionContext,
  names: readonly string[],
  options: BrokerOptions = {},
): Promise<RingbusClient[]> {
  await noEndsHere()
  const path = await brokerIn(t, { ...AT_ONCE, ...options })
  const clients = await Promise.all(names.map((each) => clientOf(t, path, { name: each })))
  await until(() => endsHere() === 2 * clients.length)
  await settled(...clients)
  return clients
}

/** From 16 bytes to 300 KiB, and more small ones than large ones; numbered. */
function payload(number: number): Buffer {
  const sizes = [16, 100, 16, 1500, 16, 20_000, 16, 5000, number % 20 === 8 ? 307_200 : 70_000, 16]
  const data = Buffer.alloc(sizes[number % sizes.length]!, number)
  data.writeUInt32LE(number, 0)
  return data
}

/** Publishes numbered messages; each waits for room. */
async function publishAll(bus: RingbusClient, topic: string, count: number): Promise<void> {
  for (let number = 0; number < count; number++) {
    if (!bus.publish(topic, payload(number), { priority: number % 3 })) await bus.ready(topic)
    if (number % 50 === 0) await delay(0)
  }
  await bus.flush()
}

/** Notes what comes; checks every byte. */
function watch(t: ExecutionContext): { numbers: number[]; take: (message: Message<Buffer>) => void } {
  const numbers: number[] = []
  const take = ({ data }: Message<Buffer>) => {
    const number = data.readUInt32LE(0)
    if (!data.equals(payload(number))) t.fail(`message ${number} has other bytes`)
    numbers.push(number)
  }
  return { numbers, take }
}

/** Every message is there, and those of a priority are in order. */
function allInOrder(t: ExecutionContext, numbers: readonly number[], count: number): void {
  t.is(numbers.length, count)
  for (const level of [0, 1, 2]) {
    const ofLevel = numbers.filter((number) => number % 3 === level)
    t.deepEqual(
      ofLevel,
      ofLevel.toSorted((one, other) => one - other),
    )
  }
  t.is(new Set(numbers).size, count)
}

for (const [title, options] of [
  ['inline alone', INLINE],
  ['ring payloads mixed in', {}],
] as const) {
  test.serial(`[PAIR-3] no message is lost or overtaken as streams move to pairs: ${title}`, async (t) => {
    await noEndsHere()
    const path = await brokerIn(t, { ...AT_ONCE, ...options, pairAfterBytes: 500_000 })
    const [publisher, one, other] = await Promise.all(
      ['publisher', 'one', 'other'].map((each) => clientOf(t, path, { name: each })),
    )
    const watches = [watch(t), watch(t)]
    await one!.subscribe<Buffer>('numbers', watches[0]!.take).ready
    await other!.subscribe<Buffer>('numbers', watches[1]!.take).ready
    t.is(endsHere(), 0)
    const count = 2000
    await publishAll(publisher!, 'numbers', count)
    await until(() => watches.every(({ numbers }) => numbers.length >= count))
    await settled(one!, other!)
    for (const { numbers } of watches) allInOrder(t, numbers, count)
    t.is(endsHere(), 6)
  })
}

test.serial('[PAIR-3] requests and replies go on as streams move to pairs', async (t) => {
  await noEndsHere()
  const path = await brokerIn(t, { ...AT_ONCE, ...INLINE, pairAfterBytes: 200_000 })
  const [requester, responder] = await Promise.all([clientOf(t, path), clientOf(t, path)])
  await responder.serve<Buffer>('echo', ({ data }) => data, { concurrency: 4 }).ready
  for (let round = 0; round < 10; round++) {
    const numbers = Array.from({ length: 30 }, (_, index) => 30 * round + index)
    const replies = await Promise.all(
      numbers.map((number) => requester.request<Buffer>('echo', payload(number))),
    )
    for (const [index, { data }] of replies.entries()) t.true(data.equals(payload(numbers[index]!)))
  }
  t.is(endsHere(), 4)
})

test.serial('[PAIR-6] a subscriber that is slow holds its publisher up, and misses nothing', async (t) => {
  const [publisher, subscriber] = await pairedClients(t, ['publisher', 'slow'], {
    ...INLINE,
    backlogBytesMax: 1024 * 1024,
    pauseTimeoutMs: 60_000,
  })
  const { numbers, take } = watch(t)
  const handler = async (each: Message<Buffer>) => {
    take(each)
    if (numbers.length % 20 === 0) await delay(2)
  }
  await subscriber!.subscribe<Buffer>('numbers', { overflow: 'block' }, handler).ready
  let waits = 0
  for (let number = 0; number < 1000; number++) {
    if (publisher!.publish('numbers', payload(number))) continue
    waits += 1
    await publisher!.ready('numbers')
  }
  await until(() => numbers.length === 1000)
  t.deepEqual(
    numbers,
    numbers.map((_, index) => index),
  )
  t.true(waits > 0)
})

/** A broker process with pairs, which can be stopped. */
async function brokerProcess(t: ExecutionContext, path: string): Promise<Child> {
  const configPath = `${path}.json`
  writeFileSync(configPath, JSON.stringify({ ...AT_ONCE, ...INLINE }))
  return startBrokerProcess(t, path, { configPath })
}

for (const way of ['flush', 'close', 'drain'] as const) {
  test.serial(`[PAIR-6] \`${way}\` loses nothing of what waits for room in the ring`, async (t) => {
    await noEndsHere()
    const path = socketIn(t)
    const broker = await brokerProcess(t, path)
    const [publisher, subscriber] = await Promise.all([clientOf(t, path), clientOf(t, path)])
    await until(() => endsHere() === 2)
    const { numbers, take } = watch(t)
    await subscriber.subscribe<Buffer>('numbers', take).ready
    await settled(publisher, subscriber)
    await broker.stop()
    for (let number = 0; number < 200; number++) publisher.publish('numbers', payload(number))
    const done = publisher[way]()
    // By now the ring is full, and the rest waits.
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
    broker.continue()
    await done
    await settled(subscriber)
    await until(() => numbers.length >= 200)
    t.deepEqual(
      numbers,
      Array.from({ length: 200 }, (_, index) => index),
    )
  })
}

test.serial('a client comes back to the next broker by socket, and has another pair', async (t) => {
  await noEndsHere()
  const path = socketIn(t)
  const broker = await brokerProcess(t, path)
  const bus = await clientOf(t, path)
  await until(() => endsHere() === 1)
  const { numbers, take } = watch(t)
  const subscription = bus.subscribe<Buffer>('numbers', take)
  await subscription.ready
  await publishAll(bus, 'numbers', 100)
  await until(() => numbers.length === 100)
  const [gone, back] = [eventOf(bus, 'disconnect'), eventOf(bus, 'reconnect')]
  await broker.end('SIGKILL')
  t.is((await gone).code, 'DISCONNECTED')
  await noEndsHere()
  await brokerProcess(t, path)
  await back
  await settled(bus)
  await until(() => endsHere() === 1)
  numbers.length = 0
  await publishAll(bus, 'numbers', 100)
  await until(() => numbers.length >= 100)
  await settled(bus)
  allInOrder(t, numbers, 100)
})

// --- a broker that a test speaks for

async function stage(t: ExecutionContext) {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome({}, [FEATURE_RING]), clientOf(t, broker.path)])
  return { broker, peer, bus }
}

test('[PAIR-3] PAIRED without a pair is an error of the broker’s, and ends the connection', async (t) => {
  for (const frames of [[paired()], [new ScriptedPair(t, await ScriptedBroker.start(t)).offer(), paired()]]) {
    const { peer, bus } = await stage(t)
    const gone = eventOf(bus, 'disconnect')
    peer.send(...frames)
    t.regex((await gone).message, /PAIRED was not asked for/)
  }
})

test('[PAIR-3] a client’s PAIRED is its last frame by socket, and it reads its ring from the broker’s on', async (t) => {
  const { broker, peer, bus } = await stage(t)
  const got: unknown[] = []
  bus.subscribe('data', ({ data }) => got.push(data))
  await peer.expect('SUBSCRIBE', { id: 1 })
  await peer.untilFlush()
  const pair = new ScriptedPair(t, broker)
  peer.send(pair.offer())
  await pair.grant()
  await peer.expect('PAIRED', { topic: 0, id: 0, flags: 0 })
  bus.publish('back', 'by ring')
  pair.write(message(1, 'third'))
  peer.send(deliver(1), name(1, 'data'), message(1, 'first'))
  await until(() => got.length === 1)
  const behind = Buffer.concat([message(1, 'a bell'), Buffer.alloc(100, 0xff)])
  peer.send(message(1, 'second'), paired(), behind)
  await until(() => got.length === 3)
  t.deepEqual(got, ['first', 'second', 'third'])
  let written = Buffer.alloc(0)
  await until(() => {
    written = Buffer.concat([written, pair.read()])
    return written.includes('by ring')
  })
  t.is(written[4], Kind.TOPIC)
  t.true(pair.write(message(1, 'fourth')), 'it rests')
  peer.send(behind)
  await until(() => got.length === 4)
  t.is(got[3], 'fourth')
  peer.socket.end()
  await peer.expectEnd()
})

test('[PAIR-2] a pair that cannot be had is declined, and the connection goes on', async (t) => {
  const { broker, peer, bus } = await stage(t)
  const ways: ((pair: ScriptedPair) => Promise<void>)[] = [
    // Other memory than was offered.
    async (pair) => {
      peer.send(pair.offer(2 * pair.bytes))
      await pair.grant(2 * pair.bytes)
    },
    async (pair) => {
      peer.send(pair.offer())
      await pair.grant(2 * pair.bytes)
    },
    async (pair) => {
      peer.send(pair.offer())
      const refusing = await broker.accept()
      await refusing.expect('ATTACH', { id: 0 })
      refusing.send(error('ATTACH_REFUSED', Kind.ATTACH, 0, true))
    },
  ]
  for (const [index, way] of ways.entries()) {
    await way(new ScriptedPair(t, broker))
    await peer.expect('DECLINE', { topic: 0, id: 0 })
    bus.publish('data', `by socket ${index}`)
    if (index === 0) await peer.expect('TOPIC')
    await peer.expect('MESSAGE', { text: `by socket ${index}` })
  }
  t.true(bus.isConnected)
})

test('[PAIR-6] what the broker had written to the ring before it ended is read', async (t) => {
  const { broker, peer, bus } = await stage(t)
  const got: unknown[] = []
  bus.subscribe('data', ({ data }) => got.push(data))
  await peer.expect('SUBSCRIBE', { id: 1 })
  await peer.untilFlush()
  const pair = new ScriptedPair(t, broker)
  peer.send(pair.offer())
  await pair.grant()
  await peer.expect('PAIRED')
  peer.send(paired())
  const gone = eventOf(bus, 'disconnect')
  const texts = Array.from({ length: 500 }, (_, index) => `${index}`.padEnd(90))
  pair.write(deliver(1), name(1, 'data'), ...texts.map((text) => message(1, text)))
  peer.hangUp()
  await gone
  await until(() => got.length >= texts.length)
  t.deepEqual(got, texts)
})

test.serial('messages that are kept stay as they were, and keep no more than a block each', async (t) => {
  const [publisher, subscriber] = await pairedClients(t, ['publisher', 'keeper'], INLINE)
  const kept: { message: Message<Buffer>; copy: Buffer }[] = []
  let received = 0
  await subscriber!.subscribe<Buffer>('numbers', (each) => {
    received += 1
    if (received % 7 === 0) kept.push({ message: each, copy: Buffer.from(each.bytes) })
  }).ready
  const count = 3000
  for (let number = 0; number < count; number++) {
    const data = Buffer.alloc(16 + ((number * 37) % 900), number)
    if (!publisher!.publish('numbers', data)) await publisher!.ready('numbers')
  }
  await until(() => received === count)
  t.is(kept.length, Math.floor(count / 7))
  for (const { message: each, copy } of kept) {
    t.true(each.bytes.equals(copy))
    t.true(each.bytes.buffer.byteLength <= BLOCK_BYTES, `${each.bytes.buffer.byteLength} bytes are kept`)
  }
})

test('`$SYS` tells whose streams go through shared memory, and what that takes', async (t) => {
  interface Clients {
    readonly rows: readonly { readonly name: string; readonly pair: boolean }[]
  }
  const [bus] = await pairedClients(t, ['busy'])
  await clientOf(t, bus!.path, { name: 'without', ring: false })
  const { rows } = (await bus!.request<Clients>('$SYS.clients')).data
  t.deepEqual(
    rows.map(({ name, pair }) => [name, pair]),
    [
      ['busy', true],
      ['without', false],
    ],
  )
  const stats = await bus!.request<{ pairs: unknown }>('$SYS.stats')
  t.deepEqual(stats.data.pairs, { count: 1, used: 1, bytes: 128 * 1024 })
})
