import test from 'ava'
import { controlFrame, encodeBody, Kind, MAGIC, PROTOCOL_VERSION } from '../../protocol/index.js'
import { burn } from '../client/fixtures.js'
import { startBench } from './fixtures.js'
import { flush, hello, subscribe } from './frames.js'

test('[WIRE-2.1] [WIRE-2.4] HELLO is answered by WELCOME, with the limits and a token of its own', async (t) => {
  const { stranger } = await startBench(t, { aliasesMax: 7, payloadBytesMax: 1000, requestsMax: 5 })
  const [first, second] = [await stranger(), await stranger()]
  first.send(hello())
  second.send(hello())
  const welcome = await first.expect('WELCOME', { topic: MAGIC, id: PROTOCOL_VERSION })
  const { limits, features, token, clientId } = welcome.body
  t.like(limits, { payloadBytesMax: 1000, aliases: 7, requestsMax: 5 })
  t.true(Number.isInteger((limits as { subscriptionsMax: number }).subscriptionsMax))
  t.true(Number.isInteger((limits as { servicesMax: number }).servicesMax))
  t.deepEqual(features, ['ring', 'ring-requests', 'retain'])
  t.is((token as Uint8Array).length, 16)
  const other = await second.expect('WELCOME')
  t.not(other.body['clientId'], clientId)
  t.notDeepEqual(other.body['token'], token)
})

test('[WIRE-2.1] HELLO without a body is welcome', async (t) => {
  const { stranger } = await startBench(t)
  const client = await stranger()
  client.send(controlFrame(Kind.HELLO, MAGIC, PROTOCOL_VERSION))
  await client.expect('WELCOME')
})

test('[WIRE-2.5] [WIRE-1.8] unknown fields of a body, and fields of the header without use, are ignored', async (t) => {
  const { stranger } = await startBench(t)
  const client = await stranger()
  const body = encodeBody(Kind.HELLO, { name: 'x', colour: 'red' } as { name: string })
  client.send(controlFrame(Kind.HELLO, MAGIC, PROTOCOL_VERSION, body))
  await client.expect('WELCOME')
  client.send(controlFrame(Kind.FLUSH, 0xffff_ffff, 3, Buffer.from('a body where there is none')))
  await client.expect('FLUSHED', { id: 3 })
})

test('[WIRE-2.2] another version is refused with a message that names both', async (t) => {
  const { stranger } = await startBench(t)
  const client = await stranger()
  client.send(hello('future', 9))
  const message = await client.expectFatal('VERSION_UNSUPPORTED')
  t.regex(message, /version 9\b.*version 1\b/)
})

test('[WIRE-2.2] [WIRE-2.6] a version of the future may have a body that this one cannot read', async (t) => {
  const { stranger } = await startBench(t)
  const client = await stranger()
  client.send(controlFrame(Kind.HELLO, MAGIC, 2, Buffer.from([0xc1, 0xff])))
  await client.expectFatal('VERSION_UNSUPPORTED')
})

test('[WIRE-2.1] another magic is refused', async (t) => {
  const { stranger } = await startBench(t)
  const client = await stranger()
  client.send(hello('other', PROTOCOL_VERSION, 0x1234_5678))
  await client.expectFatal('NOT_RINGBUS')
})

test('[WIRE-2.1] a frame before HELLO is refused, and what follows is not looked at', async (t) => {
  const { client, stranger } = await startBench(t)
  const early = await stranger()
  early.send(subscribe(1, '>'), hello(), flush(1))
  await early.expectFatal('UNEXPECTED_FRAME')
  const observer = await client()
  t.like(await observer.ask('$SYS.stats'), { clients: 1, subscriptions: 0 })
})

test('[WIRE-2.1] a second HELLO is refused', async (t) => {
  const { client } = await startBench(t)
  const twice = await client()
  twice.send(hello())
  await twice.expectFatal('UNEXPECTED_FRAME')
})

test('[WIRE-2.3] silence is refused with HANDSHAKE_TIMEOUT', async (t) => {
  const { stranger } = await startBench(t, { handshakeTimeoutMs: 20 })
  const silent = await stranger()
  await silent.expectFatal('HANDSHAKE_TIMEOUT')
})

test('[WIRE-2.3] half a HELLO is refused like silence, however it drips', async (t) => {
  const { stranger } = await startBench(t, { handshakeTimeoutMs: 60 })
  const slow = await stranger()
  const bytes = hello()
  let sent = 0
  const drip = setInterval(() => {
    if (sent < bytes.length - 1) slow.send(bytes.subarray(sent, ++sent))
  }, 10)
  t.teardown(() => clearInterval(drip))
  await slow.expectFatal('HANDSHAKE_TIMEOUT')
})

test('[WIRE-2.3] a HELLO that came in time is read, however late', async (t) => {
  const { stranger } = await startBench(t, { handshakeTimeoutMs: 1000 })
  const client = await stranger()
  // The first byte has been read, so that the time runs.
  const bytes = hello()
  client.send(bytes.subarray(0, 1))
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
  client.send(bytes.subarray(1))
  burn(1100)
  await client.expect('WELCOME')
})

test('[WIRE-2.3] after HELLO a client may be silent for as long as it likes', async (t) => {
  const { client, stranger } = await startBench(t, { handshakeTimeoutMs: 30 })
  const greeted = await client()
  // The deadline of a later connection has passed, so that of the earlier one has too.
  const silent = await stranger()
  await silent.expectFatal('HANDSHAKE_TIMEOUT')
  await greeted.expectNothing()
})

test('[WIRE-1.9] HELLO arrives byte by byte', async (t) => {
  const { stranger } = await startBench(t)
  const client = await stranger()
  client.socket.setNoDelay()
  for (const byte of hello()) {
    client.send(Buffer.of(byte))
    await new Promise(setImmediate)
  }
  await client.expect('WELCOME')
})

test('[ERR-3] CLIENT_LIMIT turns the client away that is one too many, and it alone', async (t) => {
  const { client, stranger } = await startBench(t, { clientsMax: 2 })
  const [first, second] = [await client(), await client()]
  const third = await stranger()
  third.send(hello())
  await third.expectFatal('CLIENT_LIMIT')
  first.send(subscribe(1, '$SYS.client.disconnected'))
  await first.expectNothing()
  second.hangUp()
  await first.expect('MESSAGE', { name: '$SYS.client.disconnected' })
  await client()
})
