import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { RingbusError, startBroker } from '../../broker/index.js'
import { socketIn, startBench } from './fixtures.js'
import { credit, flush, hello, publish, request, serve, subscribe, topic } from './frames.js'
import { Client } from './transcript.js'

const permissions = (path: string) => statSync(path).mode & 0o777

test('the socket is the user’s alone, in a directory that is made for it', async (t) => {
  const path = join(dirname(socketIn(t)), 'new', 'deep', 'b.sock')
  const broker = await startBroker({ path })
  t.is(permissions(path), 0o600)
  t.is(permissions(dirname(path)), 0o700)
  t.is(broker.path, path)
  await broker.close()
  t.false(existsSync(path))
})

test('a second broker on a path is refused with the pid of the first, and does it no harm', async (t) => {
  const { client, path } = await startBench(t)
  const before = await client()
  const error = await t.throwsAsync(startBroker({ path }), {
    instanceOf: RingbusError,
    code: 'BROKER_RUNNING',
  })
  t.regex(error!.message, new RegExp(`\\b${process.pid}\\b`))
  await before.expectNothing()
  await client()
})

test('a path is free again once its broker has stopped', async (t) => {
  const { broker, path } = await startBench(t)
  await broker.close()
  const second = await startBroker({ path })
  const user = await Client.open(t, path)
  await user.expectNothing()
  await second.close()
  await user.expectEnd()
})

test('what is no socket is not taken for one that was left behind', async (t) => {
  const path = socketIn(t)
  writeFileSync(path, 'precious')
  await t.throwsAsync(startBroker({ path }), { code: 'SOCKET_UNSAFE' })
  t.is(readFileSync(path, 'utf8'), 'precious')
  rmSync(path)
  // The attempt has let go of the lock.
  const broker = await startBroker({ path })
  await broker.close()
})

test('a directory that others can write to is not trusted, nor a link to one', async (t) => {
  const directory = dirname(socketIn(t))
  const open = join(directory, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  await t.throwsAsync(startBroker({ path: join(open, 'b.sock') }), { code: 'SOCKET_UNSAFE' })
  chmodSync(open, 0o1777)
  const sticky = await startBroker({ path: join(open, 'b.sock') })
  await sticky.close()
  symlinkSync(open, join(directory, 'link'))
  await t.throwsAsync(startBroker({ path: join(directory, 'link', 'b.sock') }), { code: 'SOCKET_UNSAFE' })
})

test('a path that the system would cut is refused', async (t) => {
  const path = join(dirname(socketIn(t)), 'x'.repeat(100))
  await t.throwsAsync(startBroker({ path }), { code: 'PATH_TOO_LONG' })
})

test('options that are wrong are refused, each by name', async (t) => {
  const path = socketIn(t)
  const wrong = { path, clientsMax: 0, payloadBytesMax: 2 ** 31, handshakeTimeoutMs: 1.5, drainTimeout: 5 }
  const error = await t.throwsAsync(startBroker(wrong), { code: 'CONFIG_INVALID' })
  for (const key of ['clientsMax', 'payloadBytesMax', 'handshakeTimeoutMs', 'drainTimeout']) {
    t.true(error!.message.includes(`\`${key}\``), `${key}: ${error!.message}`)
  }
  t.false(existsSync(path))
})

test('close lets what is queued leave, then ends every connection; more calls wait for the same', async (t) => {
  const { client, broker } = await startBench(t, { drainTimeoutMs: 60_000 })
  const [publisher, reader] = [await client(), await client()]
  reader.send(subscribe(1, 'a', { window: 2 ** 30 }))
  await reader.expectNothing()
  reader.pause()
  publisher.send(
    topic(0, 'a'),
    ...Array.from({ length: 50 }, (_, index) => publish(0, `${index}`.padEnd(100_000))),
  )
  await publisher.expectNothing()
  const closing = Promise.all([broker.close(), broker.close(), broker.closed])
  reader.resume()
  for (let index = 0; index < 50; index++)
    t.is((await reader.expect('MESSAGE')).text.trimEnd(), String(index))
  reader.send(credit(1, 0, 50))
  await reader.expectEnd()
  await publisher.expectEnd()
  reader.hangUp()
  publisher.hangUp()
  await closing
})

test('close does not wait for ever for clients that are stuck, talk on, half-closed or were turned away', async (t) => {
  const { client, stranger, broker } = await startBench(t, {
    drainTimeoutMs: 50,
    refusedLingerMs: 50,
    clientsMax: 5,
  })
  const [publisher, stuck, starved, half] = [await client(), await client(), await client(), await client()]
  await stranger()
  for (const reader of [stuck, half]) {
    reader.send(subscribe(1, 'a', { window: 2 ** 30 }))
    await reader.expectNothing()
    reader.pause()
  }
  starved.send(subscribe(1, 'a', { window: 0 }))
  await starved.expectNothing()
  publisher.send(topic(0, 'a'), ...Array.from({ length: 50 }, () => publish(0, Buffer.alloc(100_000))))
  await publisher.expectNothing()
  half.socket.end()
  const away = await stranger()
  away.send(hello())
  const talking = setInterval(() => {
    publisher.send(flush(1))
    away.socket.write('x')
  }, 5)
  t.teardown(() => clearInterval(talking))
  await broker.close()
  t.is(broker.clientCount, 0)
})

test.serial('[WIRE-2.7] a client that ends its half and never reads is gone all the same', async (t) => {
  const { client, broker } = await startBench(t)
  const [publisher, half] = [await client(), await client()]
  half.send(subscribe(1, 'a', { window: 2 ** 30 }))
  await half.expectNothing()
  half.pause()
  publisher.send(topic(0, 'a'), subscribe(1, '$SYS.client.disconnected'))
  publisher.send(...Array.from({ length: 50 }, () => publish(0, Buffer.alloc(100_000))))
  await publisher.expectNothing()
  const descriptors = openDescriptors()
  half.socket.end()
  await publisher.expect('MESSAGE')
  t.is(broker.clientCount, 1)
  while (openDescriptors() >= descriptors) await new Promise((resolve) => setTimeout(resolve, 10))
})

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

test('requests in the hands of a broker that stops end with its connection, not with a wrong answer', async (t) => {
  const { client, broker } = await startBench(t)
  const [requester, responder] = [await client(), await client()]
  responder.send(serve(1, 'svc'))
  await responder.expectNothing()
  requester.send(topic(0, 'svc'), request(0, 1))
  await responder.expect('REQUEST')
  const closing = broker.close()
  for (let ended = false; !ended; ) {
    const frame = await requester.next().catch(() => undefined)
    if (frame === undefined) ended = true
    else t.is(frame.body['code'], 'RESPONDER_LOST')
  }
  requester.hangUp()
  responder.hangUp()
  await closing
})

test('with idleExitMs a broker ends once it has had no client for that long', async (t) => {
  const path = socketIn(t)
  const broker = await startBroker({ path, idleExitMs: 1_000 })
  const first = await Client.open(t, path)
  const second = await Client.open(t, path)
  first.hangUp()
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  await second.expectNothing()
  second.hangUp()
  await broker.closed
  t.false(existsSync(path))
})

test('[WIRE-2.4] a reload does not take back what WELCOME has told a client', async (t) => {
  const { client, broker } = await startBench(t, {
    aliasesMax: 100,
    payloadBytesMax: 1000,
    subscriptionsMax: 1,
  })
  const early = await client()
  t.throws(() => broker.reconfigure({ aliasesMax: -1 }), { code: 'CONFIG_INVALID' })
  broker.reconfigure({ aliasesMax: 10, payloadBytesMax: 10, subscriptionsMax: 2 })
  early.send(topic(50, 'a'), subscribe(1, 'a'), publish(50, 'x'.repeat(1000)))
  t.is((await early.expect('MESSAGE')).text.length, 1000)
  early.send(subscribe(2, 'b'))
  await early.expectNothing()
  const late = await client()
  late.send(topic(50, 'a'))
  await late.expectFatal('ALIAS_OUT_OF_RANGE')
})
