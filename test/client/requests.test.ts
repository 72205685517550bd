import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { type Message, type Request, RingbusError } from '../../client/index.js'
import { Kind, messageFrame } from '../../protocol/index.js'
import { brokerIn, clientOf, settled, until } from './fixtures.js'
import { ScriptedBroker } from './scripted-broker.js'

async function pair(t: Parameters<typeof clientOf>[0], options = {}) {
  const path = await brokerIn(t, options)
  return { path, requester: await clientOf(t, path), responder: await clientOf(t, path) }
}

test('a request gets its reply, from functions and from promises', async (t) => {
  const { requester, responder } = await pair(t)
  await responder.serve<{ a: number; b: number }, number>('math.add', ({ data }) => data.a + data.b).ready
  await responder.serve<string, string>('text.*', async ({ topic, data }) => `${topic}:${data}`).ready
  const sum: Message<number> = await requester.request<number>('math.add', { a: 1, b: 2 })
  t.is(sum.data, 3)
  t.is(sum.topic, 'math.add')
  t.is((await requester.request('text.upper', 'x')).data, 'text.upper:x')
  t.is((await requester.request('text.upper', 'x', { priority: 9 })).priority, 9)
})

test('[REQUEST-7] nobody serves: NO_RESPONDERS at once', async (t) => {
  const { requester } = await pair(t)
  await t.throwsAsync(requester.request('nobody', 1, { timeout: 0 }), { code: 'NO_RESPONDERS' })
})

test('a handler that throws fails the request with its message, name and code', async (t) => {
  const { requester, responder } = await pair(t)
  responder.serve('plain', () => {
    throw Object.assign(new TypeError('no such thing'), { code: 'ENOENT' })
  })
  responder.serve('rejected', () => Promise.reject(new Error('later')))
  responder.serve('on-purpose', () => {
    throw new RingbusError('OVERLOADED', 'come back later', { details: { seconds: 3 } })
  })
  responder.serve('unsendable', () => () => {})
  await responder.flush()
  await t.throwsAsync(requester.request('plain'), { code: 'HANDLER_ERROR', message: 'no such thing' })
  const { details } = (await t.throwsAsync(requester.request('plain'))) as RingbusError
  t.deepEqual(details, { name: 'TypeError', code: 'ENOENT' })
  await t.throwsAsync(requester.request('rejected'), { code: 'HANDLER_ERROR', message: 'later' })
  const purpose = (await t.throwsAsync(requester.request('on-purpose'))) as RingbusError
  t.like(purpose, { code: 'OVERLOADED', message: 'come back later', details: { seconds: 3 } })
  await t.throwsAsync(requester.request('unsendable'), { code: 'ENCODE_FAILED' })
})

test('[REQUEST-6] a request without a reply in time is cancelled, and a late reply ignored', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  const request = bus.request('slow', 'x', { timeout: 5 })
  await peer.expect('TOPIC', { text: 'slow' })
  const { id } = await peer.expect('REQUEST', { text: 'x' })
  await t.throwsAsync(request, { code: 'TIMEOUT', message: '"slow": no reply within 5 ms' })
  await peer.expect('CANCEL', { id })
  const next = bus.request('slow', 'y')
  const second = await peer.expect('REQUEST', { text: 'y' })
  t.not(second.id, id, 'a late reply would answer the wrong request')
  peer.send(
    messageFrame({ kind: Kind.REPLY, id }, 'late'),
    messageFrame({ kind: Kind.REPLY, id: second.id }, 'right'),
  )
  t.is((await next).bytes.toString(), 'right')
})

test('[REQUEST-6] a signal cancels the request, and the handler sees it', async (t) => {
  const { requester, responder } = await pair(t)
  const aborted: string[] = []
  let started = 0
  responder.serve<string>('slow', ({ data, signal }) => {
    started += 1
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        aborted.push(data)
        resolve(undefined)
      })
    })
  })
  await responder.flush()
  const controller = new AbortController()
  const request = requester.request('slow', 'signal', { signal: controller.signal, timeout: 0 })
  await until(() => started === 1)
  controller.abort(new Error('enough'))
  const error = (await t.throwsAsync(request, { code: 'CANCELLED' })) as RingbusError
  t.is((error.cause as Error).message, 'enough')
  await until(() => aborted.length === 1)
  await t.throwsAsync(requester.request('slow', 1, { signal: AbortSignal.abort() }), { code: 'CANCELLED' })
  t.is(started, 1)
})

test('a request that is cancelled before its turn never reaches the handler', async (t) => {
  const { requester, responder } = await pair(t)
  const got: unknown[] = []
  let release = () => {}
  responder.serve(
    'one',
    ({ data }) => {
      got.push(data)
      return new Promise((resolve) => (release = () => resolve(data)))
    },
    { concurrency: 1 },
  )
  await responder.flush()
  const first = requester.request('one', 1)
  await until(() => got.length === 1)
  const second = requester.request('one', 2, { signal: AbortSignal.timeout(5) })
  await t.throwsAsync(second, { code: 'CANCELLED' })
  await settled(requester, responder)
  release()
  t.is((await first).data, 1)
  const third = requester.request('one', 3)
  await until(() => got.length === 2)
  release()
  t.is((await third).data, 3)
  t.deepEqual(got, [1, 3])
})

test('[REQUEST-3] a service handles as many requests at a time as it says, the most urgent first', async (t) => {
  const { requester, responder } = await pair(t)
  const order: unknown[] = []
  const releases: (() => void)[] = []
  responder.serve(
    'w',
    ({ data }) => {
      order.push(data)
      return new Promise((resolve) => releases.push(() => resolve(data)))
    },
    { concurrency: 2 },
  )
  await responder.flush()
  const requests = [0, 0, 0, 31].map((priority, index) => requester.request('w', index, { priority }))
  await until(() => order.length === 2)
  await settled(requester, responder)
  t.deepEqual(order, [0, 1])
  releases[0]!()
  await until(() => order.length === 3)
  t.deepEqual(order, [0, 1, 3])
  releases[1]!()
  await until(() => order.length === 4)
  for (const release of releases.slice(2)) release()
  t.deepEqual(
    (await Promise.all(requests)).map(({ data }) => data),
    [0, 1, 2, 3],
  )
})

test('[REQUEST-5] a stream of replies comes in order, and is held back while nobody fetches', async (t) => {
  const { requester, responder } = await pair(t)
  let produced = 0
  responder.serve<number, Buffer>('numbers', async function* ({ data: count }) {
    for (let number = 0; number < count; number++) {
      produced += 1
      const part = Buffer.alloc(10_000)
      part.writeUInt32LE(number)
      yield part
    }
  })
  await responder.flush()
  const count = 500
  let expected = 0
  for await (const { data } of requester.requestStream<Buffer>('numbers', count)) {
    t.is(data.readUInt32LE(), expected)
    expected += 1
    if (expected === 1) {
      await delay(20)
      // 256 KiB of credit are 26 parts and the one that goes below zero.
      t.true(produced < 60, `${produced} parts were produced for one that was fetched`)
    }
  }
  t.is(expected, count)
})

test('`break` cancels a stream, and an error in it ends the loop', async (t) => {
  const { requester, responder } = await pair(t)
  let ended = false
  responder.serve('endless', async function* ({ signal }) {
    try {
      for (let number = 0; ; number++) {
        yield number
        await delay(1, undefined, { signal })
      }
    } finally {
      ended = true
    }
  })
  responder.serve('broken', async function* () {
    yield 1
    throw new Error('half way')
  })
  await responder.flush()
  for await (const { data } of requester.requestStream<number>('endless')) if (data === 3) break
  await until(() => ended)
  const got: unknown[] = []
  await t.throwsAsync(
    async () => {
      for await (const { data } of requester.requestStream('broken')) got.push(data)
    },
    { code: 'HANDLER_ERROR', message: 'half way' },
  )
  t.deepEqual(got, [1])
})

test('a stream whose service falls silent times out', async (t) => {
  const { requester, responder } = await pair(t)
  responder.serve('pauses', async function* ({ signal }) {
    yield 0
    yield 1
    await delay(60_000, undefined, { signal }).catch(() => {})
  })
  await responder.flush()
  const got: unknown[] = []
  await t.throwsAsync(
    async () => {
      for await (const { data } of requester.requestStream('pauses', undefined, { timeout: 200 }))
        got.push(data)
    },
    { code: 'TIMEOUT' },
  )
  // A busy machine may not come that far.
  t.deepEqual(got, [0, 1].slice(0, got.length))
})

test('a signal ends a stream, and a step that is waiting', async (t) => {
  const { requester, responder } = await pair(t)
  responder.serve('quiet', async function* ({ signal }) {
    yield 'first'
    await delay(60_000, undefined, { signal }).catch(() => {})
  })
  await responder.flush()
  const controller = new AbortController()
  const stream = requester.requestStream('quiet', 1, { signal: controller.signal })
  t.is((await stream.next()).value?.data, 'first')
  const waiting = stream.next()
  controller.abort()
  await t.throwsAsync(waiting, { code: 'CANCELLED' })
  t.true((await stream.next()).done)
})

test('streams and single replies: what is asked for decides', async (t) => {
  const { requester, responder } = await pair(t)
  responder.serve('stream', async function* () {
    yield 1
  })
  responder.serve('generator', function* () {
    yield 1
    yield 2
  })
  responder.serve('value', () => [1, 2])
  await responder.flush()
  await t.throwsAsync(requester.request('stream'), { code: 'HANDLER_ERROR' })
  const parts = async (topic: string) => {
    const got: unknown[] = []
    for await (const { data } of requester.requestStream(topic)) got.push(data)
    return got
  }
  t.deepEqual(await parts('generator'), [1, 2])
  t.deepEqual(await parts('value'), [[1, 2]])
  t.is((await parts('$SYS.ping')).length, 1)
  await t.throwsAsync(parts('nobody'), { code: 'NO_RESPONDERS' })
})

test('stop takes no more requests, and resolves when those it has are answered', async (t) => {
  const { requester, responder } = await pair(t)
  let release = () => {}
  const service = responder.serve('s', () => new Promise((resolve) => (release = () => resolve('answer'))))
  await service.ready
  const request = requester.request('s')
  await settled(requester, responder)
  let stopped = false
  const stopping = service.stop().then(() => {
    stopped = true
  })
  await settled(responder)
  await t.throwsAsync(requester.request('s'), { code: 'NO_RESPONDERS' })
  t.false(stopped)
  release()
  t.is((await request).data, 'answer')
  await stopping
})

test('[REQUEST-7] a responder that goes away with the request: RESPONDER_LOST', async (t) => {
  const { requester, responder } = await pair(t)
  const requests: Request[] = []
  responder.serve('lost', (request) => {
    requests.push(request)
    return new Promise(() => {})
  })
  await responder.flush()
  const request = requester.request('lost', 1, { timeout: 0 })
  await until(() => requests.length === 1)
  responder.destroy()
  await t.throwsAsync(request, { code: 'RESPONDER_LOST' })
  t.true(requests[0]!.signal.aborted)
})

test('serve is refused for topics of the broker and for bad patterns', async (t) => {
  const { responder } = await pair(t)
  t.throws(() => responder.serve('a..b', () => 1), { code: 'BAD_PATTERN' })
  t.throws(() => responder.serve('a', 7 as never), { code: 'INVALID_ARGUMENT' })
  await t.throwsAsync(responder.serve('$SYS.x', () => 1).ready, { code: 'TOPIC_RESERVED' })
})

test('request refuses bad arguments by rejecting', async (t) => {
  const { requester } = await pair(t)
  await t.throwsAsync(requester.request('a.*'), { code: 'BAD_TOPIC' })
  await t.throwsAsync(requester.request('a', 1, { timeout: -1 }), {
    code: 'INVALID_ARGUMENT',
    message:
      'Expected `timeout` to be a number of milliseconds from 0 to 2147483647 or Infinity, got `-1` (number)',
  })
  await t.throwsAsync(requester.request('a', 1, { signal: 7 as never }), { code: 'INVALID_ARGUMENT' })
  await t.throwsAsync(
    requester.request('a', () => 1),
    { code: 'ENCODE_FAILED' },
  )
})

test('many requests at once each get their own reply', async (t) => {
  const { requester, responder } = await pair(t)
  responder.serve('echo', async ({ data }) => {
    await delay(0)
    return data
  })
  await responder.flush()
  const replies = await Promise.all(
    Array.from({ length: 2000 }, (_, number) => requester.request<number>('echo', number)),
  )
  t.true(replies.every(({ data }, number) => data === number))
})
