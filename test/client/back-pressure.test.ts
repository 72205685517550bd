import test from 'ava'
import { clientOf, eventOf, QUICK, until } from './fixtures.js'
import { ScriptedBroker } from './scripted-broker.js'

const MEBIBYTE = 1024 * 1024

test('publish asks for a pause, and says for each topic when it is over', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  peer.socket.pause()
  const data = Buffer.alloc(100_000)
  const refused: string[] = []
  while (refused.length < 2) {
    for (const topic of ['a', 'b']) if (!bus.publish(topic, data)) refused.push(topic)
  }
  const drained: string[] = []
  bus.on('drain', (topic) => drained.push(topic))
  let isReady = false
  const ready = bus.ready('a').then(() => {
    isReady = true
  })
  await bus.ready('never published')
  t.false(isReady)
  peer.socket.resume()
  await ready
  await until(() => drained.length === 2)
  t.deepEqual(drained.sort(), ['a', 'b'])
  t.true(bus.publish('a', data))
})

test('whoever does not pause gets BACKPRESSURE past 16 MiB, and nothing is taken of that', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  peer.socket.pause()
  const data = Buffer.alloc(MEBIBYTE)
  let taken = 0
  const error = t.throws(
    () => {
      for (; taken < 100; taken++) bus.publish('a', data)
    },
    { code: 'BACKPRESSURE' },
  )
  t.regex(error!.message, /await ready\("a"\)/)
  t.true(taken >= 16 && taken < 20, `${taken} messages of 1 MiB were taken`)
  const flushed = bus.flush()
  peer.socket.resume()
  const frames = await peer.untilFlush()
  await flushed
  t.is(frames.filter(({ kind }) => kind === 'MESSAGE').length, taken)
})

test('requests have 16 MiB of their own, whatever messages wait', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  peer.socket.pause()
  const data = Buffer.alloc(MEBIBYTE)
  t.throws(
    () => {
      for (;;) bus.publish('a', data)
    },
    { code: 'BACKPRESSURE' },
  )
  const requests: Promise<unknown>[] = []
  for (let index = 0; index < 20; index++) requests.push(bus.request('b', data, { timeout: 0 }))
  const outcomes = Promise.allSettled(requests)
  bus.destroy()
  const codes = (await outcomes).map((outcome) => outcome.status === 'rejected' && outcome.reason.code)
  const refused = codes.filter((code) => code === 'BACKPRESSURE').length
  t.true(refused > 0 && refused <= 4, `${refused} of 20 were refused`)
  t.deepEqual(codes.slice(0, 16), new Array(16).fill('CLOSED'))
})

test('while away, messages are kept up to `bufferBytesMax`', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const reconnect = { ...QUICK, bufferBytesMax: 100_000 }
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path, { reconnect })])
  const gone = eventOf(bus, 'disconnect')
  peer.hangUp()
  await gone
  let kept = 0
  t.throws(
    () => {
      for (; kept < 10_000; kept++) bus.publish('a', Buffer.alloc(984))
    },
    { code: 'BACKPRESSURE', message: /wait for the connection to come back, the limit is 100000/ },
  )
  t.true(kept >= 99 && kept <= 101, `${kept} messages of 1000 bytes were kept`)
  const next = await broker.welcome()
  await next.expect('TOPIC')
  for (let index = 0; index < kept; index++) await next.expect('MESSAGE')
  t.true(bus.publish('a', 'and on'))
  await next.expect('MESSAGE', { text: 'and on' })
})

test('a pause ends with the connection that caused it, once there is another', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  peer.socket.pause()
  while (bus.publish('a', Buffer.alloc(100_000)));
  const ready = bus.ready('a')
  peer.hangUp()
  await broker.welcome()
  await ready
  t.true(bus.publish('a', 'and on'))
})

test('small messages behind a busy socket share their memory', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  peer.socket.pause()
  while (bus.publish('a', Buffer.alloc(50_000)));
  const before = process.memoryUsage().arrayBuffers
  for (let turn = 0; turn < 1000; turn++) {
    bus.publish('a', Buffer.alloc(50))
    await Promise.resolve()
  }
  const grown = process.memoryUsage().arrayBuffers - before
  // 66 kB were published, one message a turn; a batch of 64 KiB for each would be 64 MB.
  t.true(grown < 8 * MEBIBYTE, `${grown} bytes were set aside`)
})
