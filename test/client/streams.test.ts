import { once } from 'node:events'
import { type Readable, Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { Message, ReadStreamOptions, RingbusClient } from '../../client/index.js'
import { TopicStream } from '../../client/streams/topic-stream.js'
import { controlFrame, Kind, RingbusError } from '../../protocol/index.js'
import { brokerIn, clientOf, settled, until } from './fixtures.js'
import { deliver, error, message, name, ScriptedBroker, type ScriptedPeer } from './scripted-broker.js'

async function begin(t: ExecutionContext) {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  return { broker, peer, bus }
}

async function streamOf(
  { peer, bus }: { peer: ScriptedPeer; bus: RingbusClient },
  options?: ReadStreamOptions,
) {
  const stream = bus.createReadStream<string>('c', options)
  const { id } = await peer.expect('SUBSCRIBE')
  await peer.untilFlush()
  peer.send(name(1, 'c'), deliver(id))
  return { stream, id }
}

const texts = (count: number) => Array.from({ length: count }, (_, index) => message(1, String(index)))

/** A turn of the event loop, and what streams do a tick later. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await nextTurn()
}

async function collect(stream: Readable): Promise<unknown[]> {
  const got: unknown[] = []
  for await (const { data } of stream as AsyncIterable<Message>) got.push(data)
  return got
}

test('messages go through a pipeline, in order and as they were sent', async (t) => {
  const path = await brokerIn(t)
  const [source, bus, target] = [await clientOf(t, path), await clientOf(t, path), await clientOf(t, path)]
  const got: number[] = []
  await target.subscribe<{ number: number }>('out', ({ data }) => got.push(data.number)).ready
  const input = bus.createReadStream<number>('in.*')
  const add = new Transform({
    objectMode: true,
    transform: ({ data }: Message<number>, _encoding, done) => done(null, { number: data + 1 }),
  })
  const output = bus.createWriteStream('out', { priority: 3 })
  const piped = pipeline(input, add, output)
  await input.ready
  for (let number = 0; number < 5000; number++) source.publish('in.a', number)
  await source.flush()
  await input.drain()
  await piped
  await settled(bus, target)
  t.deepEqual(
    got,
    Array.from({ length: 5000 }, (_, number) => number + 1),
  )
})

test('[CREDIT-1] nothing comes before a stream is read', async (t) => {
  const scene = await begin(t)
  const stream = scene.bus.createReadStream('c')
  const { body, id } = await scene.peer.expect('SUBSCRIBE')
  t.is(body['window'], 0)
  await scene.peer.untilFlush()
  stream.resume()
  t.deepEqual((await scene.peer.expect('CREDIT', { id })).body, { bytes: 256 * 1024 })
})

test('[CREDIT-3] a message of a stream is handled when the one behind it is asked for', async (t) => {
  const scene = await begin(t)
  const { stream, id } = await streamOf(scene)
  t.is(stream.read(), null)
  scene.peer.send(...texts(3))
  await once(stream, 'readable')
  t.is(stream.read()?.data, '0')
  t.is(stream.readableLength, 0, 'a message was fetched that nobody has asked for')
  t.is(stream.read(), null)
  t.like(await scene.peer.creditFor(id, 1), { messages: 1 })
  await once(stream, 'readable')
  t.is(stream.read()?.data, '1')
  stream.destroy()
  await scene.peer.expect('UNSUBSCRIBE', { id })
  scene.peer.send(controlFrame(Kind.DRAINED, 0, id))
  // The second was taken, the third was not.
  t.like(await scene.peer.creditFor(id, 2), { messages: 1, discarded: 1 })
})

test('[CREDIT-3] what is in a stream when it is destroyed was not handled', async (t) => {
  const scene = await begin(t)
  const { stream, id } = await streamOf(scene, { highWaterMark: 4 })
  stream.read(0)
  scene.peer.send(...texts(6))
  await until(() => stream.readableLength === 4)
  t.is(stream.read()?.data, '0')
  t.is(stream.read()?.data, '1')
  await until(() => stream.readableLength === 4)
  stream.destroy()
  await scene.peer.expect('UNSUBSCRIBE', { id })
  scene.peer.send(controlFrame(Kind.DRAINED, 0, id))
  t.like(await scene.peer.creditFor(id, 6), { messages: 2, discarded: 4 })
})

test('a pipe into something slow takes no more than that has room for', async (t) => {
  const scene = await begin(t)
  const { stream, id } = await streamOf(scene)
  const writes: (() => void)[] = []
  const sink = new Writable({
    objectMode: true,
    highWaterMark: 2,
    write: (_message, _encoding, done) => {
      writes.push(done)
    },
  })
  stream.pipe(sink)
  scene.peer.send(...texts(10))
  await until(() => sink.writableLength === 2)
  await turns()
  t.is(sink.writableLength + stream.readableLength, 2)
  for (let written = 0; written < 10; written++) {
    await until(() => writes.length > written)
    writes[written]!()
  }
  t.like(await scene.peer.creditFor(id, 10), { messages: 10 })
})

test('an urgent message overtakes everything that no stream was asked for', async (t) => {
  const scene = await begin(t)
  const { stream } = await streamOf(scene)
  const got: string[] = []
  const writes: (() => void)[] = []
  const sink = new Writable({
    objectMode: true,
    highWaterMark: 1,
    write: ({ data }: Message<string>, _encoding, done) => {
      got.push(data)
      writes.push(done)
    },
  })
  stream.pipe(sink)
  scene.peer.send(...texts(10))
  await until(() => writes.length === 1)
  const flushed = scene.bus.flush()
  scene.peer.send(message(1, 'urgent', { priority: 31 }))
  await scene.peer.untilFlush()
  await flushed
  writes[0]!()
  await until(() => writes.length === 2)
  t.deepEqual(got, ['0', 'urgent'])
})

test('`drain` ends a stream after everything that was published before', async (t) => {
  const path = await brokerIn(t)
  const [source, bus] = [await clientOf(t, path), await clientOf(t, path)]
  const stream = bus.createReadStream('d')
  const got = collect(stream)
  await stream.ready
  for (let number = 0; number < 300; number++) source.publish('d', number)
  await source.flush()
  await stream.drain()
  source.publish('d', 'too late')
  t.is((await got).length, 300)
  const unread = bus.createReadStream('d')
  await unread.drain()
  t.deepEqual(await collect(unread), [])
})

test('a stream outlives its connection, and ends with the client', async (t) => {
  const scene = await begin(t)
  const { stream } = await streamOf(scene)
  const got = collect(stream)
  scene.peer.send(...texts(2))
  await scene.peer.creditFor(1, 1)
  scene.peer.hangUp()
  const next = await scene.broker.welcome()
  const { id } = await next.expect('SUBSCRIBE')
  await next.untilFlush()
  next.send(name(7, 'c'), deliver(id), message(7, 'after'))
  await next.creditFor(id, 1)
  scene.bus.destroy()
  t.deepEqual(await got, ['0', '1', 'after'])
})

test('the end of a client that comes against its will destroys a stream with the reason', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path, { reconnect: false })])
  const { stream } = await streamOf({ peer, bus })
  const failed = once(stream, 'error')
  stream.resume()
  peer.hangUp()
  t.is(((await failed)[0] as RingbusError).code, 'DISCONNECTED')
  t.true(stream.destroyed)
})

test('[SUB-2] a refusal destroys a stream with the error of the broker', async (t) => {
  const { peer, bus } = await begin(t)
  const stream = bus.createReadStream('c')
  const failed = once(stream, 'error')
  const { id } = await peer.expect('SUBSCRIBE')
  peer.send(error('SUBSCRIPTION_LIMIT', Kind.SUBSCRIBE, id, false))
  t.is(((await failed)[0] as RingbusError).code, 'SUBSCRIPTION_LIMIT')
  await t.throwsAsync(stream.ready, { code: 'SUBSCRIPTION_LIMIT' })
})

test('a listener that destroys, pauses or ends everything finds a stream that holds nothing up', async (t) => {
  for (const act of ['destroy', 'close', 'pause'] as const) {
    const scene = await begin(t)
    const { stream, id } = await streamOf(scene)
    const other: unknown[] = []
    scene.bus.subscribe('other', ({ data }) => other.push(data))
    const { id: otherId } = await scene.peer.expect('SUBSCRIBE')
    await scene.peer.untilFlush()
    let got = 0
    stream.on('data', () => {
      got += 1
      if (act === 'close') scene.bus.destroy()
      else stream[act]()
    })
    scene.peer.send(deliver(id), ...texts(3), name(2, 'other'), deliver(otherId), message(2, 'x'))
    if (act === 'close') await until(() => got === 1)
    else await until(() => other.length === 1)
    await turns()
    t.is(got, 1)
    if (act !== 'pause') continue
    stream.removeAllListeners('data')
    stream.on('data', () => (got += 1))
    stream.resume()
    await until(() => got === 3)
  }
})

test('options of streams that are not what they must be are refused, views with the reason', async (t) => {
  const bus = await clientOf(t, await brokerIn(t))
  const code = 'INVALID_ARGUMENT'
  t.throws(() => bus.createReadStream('c', { view: true } as never), {
    code,
    message: /no `view`: streams keep/,
  })
  t.throws(() => bus.createReadStream('c', { concurrency: 2 } as never), { code })
  t.throws(() => bus.createReadStream('c', { highWaterMark: -1 }), { code })
  t.throws(() => bus.createReadStream('c', { overflow: 'x' as never }), { code })
  t.throws(() => bus.createReadStream('c.>.d'), { code: 'BAD_PATTERN' })
  t.throws(() => bus.createWriteStream('c', { highWaterMark: 0.5 }), { code })
  t.throws(() => bus.createWriteStream('c', { qos: 1 } as never), { code })
  t.throws(() => bus.createWriteStream('c.*'), { code: 'BAD_TOPIC' })
  t.throws(() => bus.createWriteStream('$SYS.x'), { code: 'TOPIC_RESERVED' })
})

test('a write stream publishes with its options, and finishes when the broker has routed everything', async (t) => {
  const { peer, bus } = await begin(t)
  const stream = bus.createWriteStream('c', { priority: 9, headers: { a: 1 } })
  let finished = false
  stream.end('x', () => {
    finished = true
  })
  await peer.expect('TOPIC', { text: 'c' })
  await peer.expect('MESSAGE', { priority: 9, text: 'x' })
  const { id } = await peer.expect('FLUSH')
  await turns()
  t.false(finished)
  peer.send(controlFrame(Kind.FLUSHED, 0, id))
  await until(() => finished)
})

test('a read stream may be piped into a write stream, and messages arrive as they came', async (t) => {
  const path = await brokerIn(t)
  const [source, bus, target] = [await clientOf(t, path), await clientOf(t, path), await clientOf(t, path)]
  const got: Message[] = []
  const other: Message[] = []
  await target.subscribe('out', (received) => got.push(received)).ready
  await target.subscribe('other', (received) => other.push(received)).ready
  const input = bus.createReadStream('in')
  const outputs = [
    bus.createWriteStream('out'),
    bus.createWriteStream('other', { priority: 2, headers: { by: 'option' } }),
  ]
  for (const output of outputs) input.pipe(output)
  await input.ready
  source.publish('in', new Float32Array([1, 2, 3, 4]), { shape: [2, 2], priority: 7 })
  source.publish('in', { a: 1 }, { encoding: 'json', headers: { trace: 'x' } })
  source.publish('in', 'text')
  source.publish('in', Buffer.from([1, 2]))
  await source.flush()
  await Promise.all([input.drain(), ...outputs.map((output) => once(output, 'finish'))])
  await settled(bus, target)
  const shown = ({ data, encoding, shape, headers, priority }: Message) => ({
    data,
    encoding,
    shape,
    headers,
    priority,
  })
  const common = { shape: undefined, headers: {}, priority: 0 }
  t.deepEqual(got.map(shown), [
    { ...common, data: new Float32Array([1, 2, 3, 4]), encoding: 'array', shape: [2, 2], priority: 7 },
    { ...common, data: { a: 1 }, encoding: 'json', headers: { trace: 'x' } },
    { ...common, data: 'text', encoding: 'utf8' },
    { ...common, data: Buffer.from([1, 2]), encoding: 'bytes' },
  ])
  t.deepEqual(
    other.map(({ headers, priority }) => ({ headers, priority })),
    got.map(() => ({ headers: { by: 'option' }, priority: 2 })),
  )
})

/** Publishes as it is told, one answer for each message. */
class ScriptedPublisher {
  readonly published: unknown[] = []
  readonly answers: (boolean | string)[] = []
  readonly waiting: (() => void)[] = []

  publish(_topic: string, data: unknown): boolean {
    const answer = this.answers.shift() ?? true
    if (typeof answer === 'string') throw new RingbusError(answer as 'BACKPRESSURE', `a ${answer}`)
    this.published.push(data)
    return answer
  }

  ready(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  async flush(): Promise<void> {}
}

test('a write stream waits where `publish` returns false, and writes again what it did not take', async (t) => {
  const publisher = new ScriptedPublisher()
  const stream = new TopicStream('c', 16, publisher, undefined)
  publisher.answers.push(true, false, 'BACKPRESSURE', 'BACKPRESSURE', true)
  for (const data of [1, 2, 3, 4]) stream.write(data)
  const finished = once(stream, 'finish')
  stream.end()
  await turns()
  t.deepEqual(publisher.published, [1, 2])
  for (let waiter = 0; waiter < 3; waiter++) {
    await until(() => publisher.waiting.length > waiter)
    publisher.waiting[waiter]!()
  }
  await finished
  t.deepEqual(publisher.published, [1, 2, 3, 4])
})

test('what else `publish` throws destroys a write stream', async (t) => {
  const bus = await clientOf(t, await brokerIn(t))
  const stream = bus.createWriteStream('c', { encoding: 'utf8' })
  const failed = once(stream, 'error')
  stream.write(5)
  t.is(((await failed)[0] as RingbusError).code, 'ENCODE_FAILED')
  const closed = bus.createWriteStream('c')
  const failedToo = once(closed, 'error')
  bus.destroy()
  closed.write(5)
  t.is(((await failedToo)[0] as RingbusError).code, 'CLOSED')
})
