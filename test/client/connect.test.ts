import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import test from 'ava'
import { connect } from '../../client/index.js'
import { checkDirectory } from '../../client/link/trust.js'
import { controlFrame, Kind } from '../../protocol/index.js'
import { brokerIn, clientOf, errorsOf, QUICK, socketIn, until } from './fixtures.js'
import { error, ScriptedBroker, welcome } from './scripted-broker.js'

test('nothing listens: NO_BROKER at once, with the path, what chose it, and the remedy', async (t) => {
  const path = socketIn(t)
  const { message } = (await t.throwsAsync(connect({ path }), { code: 'NO_BROKER' }))!
  t.is(
    message,
    `No broker at ${path} (chosen by the option "path"): there is no socket; ` +
      'start one with `ringbus broker`, or connect with `autostart: true`',
  )
  const nowhere = join(dirname(path), 'no', 'such', 'directory')
  await t.throwsAsync(connect({ path: nowhere }), { code: 'NO_BROKER' })
  writeFileSync(path, '')
  await t.throwsAsync(connect({ path }), { code: 'NO_BROKER' })
})

test('`reconnect.initial` waits for a broker, and a signal ends the wait', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const waiting = clientOf(t, broker.path, { reconnect: { ...QUICK, initial: true } })
  const first = await broker.accept()
  first.hangUp()
  await broker.welcome()
  t.true((await waiting).isConnected)
  const controller = new AbortController()
  const path = socketIn(t)
  const hopeless = connect({ path, reconnect: { ...QUICK, initial: true }, signal: controller.signal })
  controller.abort()
  await t.throwsAsync(hopeless, { code: 'CANCELLED' })
  await t.throwsAsync(connect({ path, signal: AbortSignal.abort() }), { code: 'CANCELLED' })
})

test('a signal ends a handshake that does not come to an end', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const controller = new AbortController()
  const connecting = connect({ path: broker.path, signal: controller.signal })
  const peer = await broker.accept()
  await peer.expect('HELLO')
  controller.abort()
  await t.throwsAsync(connecting, { code: 'CANCELLED' })
  await peer.expectEnd()
})

test('[WIRE-2.1] a client says HELLO with its name and pid, and nothing else before WELCOME', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const connecting = clientOf(t, broker.path, { name: 'till' })
  const peer = await broker.accept()
  const hello = await peer.expect('HELLO', { topic: 0x53554252, id: 1 })
  t.deepEqual(hello.body, { name: 'till', pid: process.pid, capabilities: { ring: 1, pair: 1 } })
  peer.send(welcome())
  await connecting
})

test('[RING-2] a client that is to do without rings says nothing of them', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const connecting = clientOf(t, broker.path, { ring: false })
  const peer = await broker.accept()
  t.deepEqual((await peer.expect('HELLO')).body, { pid: process.pid })
  peer.send(welcome())
  await connecting
})

test('[WIRE-2.2] [WIRE-2.6] another version is refused by either side, and both are named', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const refused = connect({ path: broker.path })
  const peer = await broker.accept()
  peer.send(error('VERSION_UNSUPPORTED', 1, 2, true))
  await t.throwsAsync(refused, { code: 'VERSION_UNSUPPORTED', message: 'a VERSION_UNSUPPORTED' })
  const refusing = connect({ path: broker.path })
  const other = await broker.accept()
  other.send(welcome({}, 2))
  await t.throwsAsync(refusing, {
    code: 'VERSION_UNSUPPORTED',
    message: 'The broker speaks version 2 of the protocol, this client version 1',
  })
  await other.expect('HELLO')
  await other.expectEnd()
})

test('another program behind the socket is not taken for a broker', async (t) => {
  const path = socketIn(t)
  const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  server.listen(path)
  t.teardown(() => server.close())
  await t.throwsAsync(connect({ path }), { code: 'NOT_RINGBUS' })
})

test('[ERR-1] a refusal with a code of a later version is an error all the same', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const refused = connect({ path: broker.path })
  const peer = await broker.accept()
  peer.send(error('FROM_THE_FUTURE', 1, 1, true))
  const { details } = (await t.throwsAsync(refused, { message: 'a FROM_THE_FUTURE' })) as unknown as {
    details: object
  }
  t.deepEqual(details, { code: 'FROM_THE_FUTURE' })
})

test('paths that the system would cut are refused', async (t) => {
  const path = `/tmp/${'x'.repeat(103)}`
  await t.throwsAsync(connect({ path }), { code: 'PATH_TOO_LONG' })
})

test('a directory that others can write, or own, is not trusted', (t) => {
  const path = socketIn(t)
  const directory = dirname(path)
  const own = { uid: process.getuid!(), brokerUid: undefined }
  const somebodyElse = { uid: 4711, brokerUid: undefined }
  chmodSync(directory, 0o777)
  t.notThrows(() => checkDirectory(path, own), 'what is one’s own is one’s own affair')
  if (own.uid !== 0) return t.throws(() => checkDirectory(path, somebodyElse), { code: 'SOCKET_UNSAFE' })
  // As root: root's directory is trusted, unless others may write it.
  t.throws(() => checkDirectory(path, somebodyElse), { code: 'SOCKET_UNSAFE' })
  chmodSync(directory, 0o755)
  t.notThrows(() => checkDirectory(path, somebodyElse))
  chmodSync(directory, 0o770)
  t.throws(() => checkDirectory(path, somebodyElse), { code: 'SOCKET_UNSAFE' })
  // As a broker with a group has it.
  chmodSync(directory, 0o750)
  t.notThrows(() => checkDirectory(path, somebodyElse))
  chownSync(directory, 4712, 4712)
  t.throws(() => checkDirectory(path, somebodyElse), { code: 'SOCKET_UNSAFE' })
  t.notThrows(() => checkDirectory(path, { uid: 4711, brokerUid: 4712 }))
  const link = join(directory, 'link')
  mkdirSync(join(directory, 'real'))
  symlinkSync(join(directory, 'real'), link)
  t.notThrows(() => checkDirectory(join(link, 'b.sock'), own))
  return undefined
})

test('[WIRE-1.10] a client reads on while its own handlers wait', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  let release = () => {}
  const urgent: unknown[] = []
  bus.subscribe('slow', () => new Promise<void>((resolve) => (release = resolve)))
  bus.subscribe('urgent', ({ data }) => urgent.push(data))
  await bus.flush()
  bus.publish('slow', 1)
  for (let number = 0; number < 100; number++) bus.publish('slow', Buffer.alloc(1000))
  bus.publish('urgent', 'came through')
  await bus.flush()
  await bus.flush()
  t.deepEqual(urgent, ['came through'])
  release()
})

test('[WIRE-2.8] PAUSE and RESUME are ignored by this client', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  bus.publish('a', 1)
  await peer.expect('TOPIC', { topic: 0 })
  await peer.expect('MESSAGE')
  peer.send(controlFrame(Kind.PAUSE, 0, 0), controlFrame(Kind.RESUME, 0, 0), controlFrame(Kind.PAUSE, 0, 0))
  const flushed = bus.flush()
  await peer.untilFlush()
  await flushed
  t.true(bus.publish('a', 2))
  await peer.expect('MESSAGE')
})

test('a message that the broker refuses is an `error` event, and all else goes on', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const [peer, bus] = await Promise.all([broker.welcome(), clientOf(t, broker.path)])
  const errors = errorsOf(bus)
  peer.send(error('FEATURE_UNSUPPORTED', Kind.MESSAGE, 0, false))
  await until(() => errors.length === 1)
  t.is(errors[0]!.code, 'FEATURE_UNSUPPORTED')
  t.true(bus.isConnected)
})

test('options are checked before anything is done', async (t) => {
  for (const [options, message] of [
    [{ path: '' }, 'Expected `path` to be a non-empty string, got `` (string)'],
    [{ path: 7 }, 'Expected `path` to be a non-empty string, got `7` (number)'],
    [{ autostart: 'yes' }, 'Expected `autostart` to be a boolean, got `yes` (string)'],
    [{ reconnect: 5 }, 'Expected `reconnect` to be an object, got `5` (number)'],
    [
      { reconnect: { delayMin: -1 } },
      'Expected `reconnect.delayMin` to be a positive number of milliseconds up to 2147483647, got `-1` (number)',
    ],
    [{ signal: {} }, 'Expected `signal` to be an AbortSignal, got an object (Object)'],
  ] as const) {
    await t.throwsAsync(connect(options as object), { code: 'INVALID_ARGUMENT', message })
  }
  await t.throwsAsync(connect({ pfad: '/x' } as object), { code: 'INVALID_ARGUMENT', message: /got `pfad`/ })
})

test('NODE_DEBUG=ringbus says what a client does', async (t) => {
  const path = await brokerIn(t)
  const script = `
    import { connect } from ${JSON.stringify(new URL('../../client/index.js', import.meta.url).href)}
    const bus = await connect({ path: ${JSON.stringify(path)} })
    await bus.close()`
  const env = { ...process.env, NODE_DEBUG: 'ringbus' }
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { env })
  let output = ''
  child.stderr.on('data', (chunk) => {
    output += String(chunk)
  })
  const [code] = await once(child, 'close')
  t.is(code, 0, output)
  t.regex(output, /RINGBUS .*connected as client/)
})
