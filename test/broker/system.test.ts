import test from 'ava'
import { Encoding, Flag, packValue, unpackValue } from '../../protocol/index.js'
import { startBench } from './fixtures.js'
import { publish, reply, request, requestStream, serve, subscribe, topic } from './frames.js'
import type { Client } from './transcript.js'

interface Page {
  readonly total: number
  readonly rows: Record<string, unknown>[]
}

test('[SYS-1] $SYS.ping and $SYS.stats answer, encoded as msgpack', async (t) => {
  const { client } = await startBench(t)
  const user = await client()
  t.deepEqual(await user.ask('$SYS.ping'), { pong: true })
  user.send(topic(0, 'a'), publish(0, ''), subscribe(1, 'a'), publish(0, ''), serve(2, 'b'))
  await user.expect('MESSAGE')
  t.like(await user.ask('$SYS.stats'), {
    pid: process.pid,
    clients: 1,
    subscriptions: 1,
    services: 1,
    messagesRouted: 2,
    messagesUnmatched: 1,
    messagesDropped: 0,
    requestsInFlight: 0,
    clientsRefused: 0,
  })
})

test('[SYS-1] $SYS.clients, subscriptions, services and topics list what there is', async (t) => {
  const { client } = await startBench(t)
  const [worker, user] = [await client('worker'), await client('user')]
  worker.send(subscribe(1, 'jobs.*', { group: 'g', window: 77 }), serve(2, 'svc', 4))
  await worker.expectNothing()
  user.send(topic(0, 'svc'), topic(1, 'jobs.x'), request(0, 5), publish(1, 'job'))
  await worker.expect('REQUEST')
  await worker.expect('MESSAGE')
  const clients = await user.ask<Page>('$SYS.clients')
  t.is(clients.total, 2)
  t.like(clients.rows[0], {
    name: 'worker',
    pid: process.pid,
    uid: process.getuid!(),
    subscriptions: 1,
    services: 1,
  })
  t.like(clients.rows[1], { name: 'user', requestsInFlight: 1, messagesReceived: 1 })
  const subscriptions = await user.ask<Page>('$SYS.subscriptions')
  t.is(subscriptions.total, 1)
  t.like(subscriptions.rows[0], {
    name: 'worker',
    subscription: 1,
    pattern: 'jobs.*',
    group: 'g',
    matched: 1,
    inFlight: 1,
  })
  t.is(subscriptions.rows[0]!['creditBytes'], 77 - 19)
  const services = await user.ask<Page>('$SYS.services')
  t.is(services.total, 1)
  t.like(services.rows[0], {
    name: 'worker',
    service: 2,
    pattern: 'svc',
    concurrency: 4,
    inFlight: 1,
    held: 0,
  })
  const topics = await user.ask<Page>('$SYS.topics')
  t.like(
    topics.rows.find((row) => row['topic'] === 'jobs.x'),
    { publishers: 1, subscribers: 1 },
  )
})

test('[SYS-1] lists come in pages', async (t) => {
  const { client } = await startBench(t)
  const user = await client()
  user.send(...Array.from({ length: 25 }, (_, index) => subscribe(index + 1, `t.${index}`)))
  const page = async (wish: unknown) => {
    const { total, rows } = await user.ask<Page>('$SYS.subscriptions', packValue(wish))
    return [total, rows.map((row) => row['subscription'])]
  }
  t.deepEqual(await page({ limit: 3 }), [25, [1, 2, 3]])
  t.deepEqual(await page({ limit: 3, offset: 20 }), [25, [21, 22, 23]])
  t.deepEqual(await page({ limit: 10, offset: 23 }), [25, [24, 25]])
  t.deepEqual(await page({ limit: 0 }), [25, []])
  for (const nonsense of [{ limit: -1, offset: 'x' }, [1], 'text', null, { limit: 2 ** 60 }]) {
    const [total, ids] = await page(nonsense)
    t.is(total, 25)
    t.is((ids as number[]).length, 25)
  }
  const { rows } = await user.ask<Page>('$SYS.subscriptions', Buffer.from([0xc1, 0xc1]))
  t.is(rows.length, 25)
})

test('[SYS-1] a question that the broker does not know is NO_RESPONDERS', async (t) => {
  const { client } = await startBench(t)
  const user = await client()
  for (const [id, name] of ['$SYS.nothing', '$SYS', '$other', '$SYS.constructor'].entries()) {
    user.send(topic(0, name), request(0, id))
    const { body } = await user.expect('FAILURE', { id })
    t.is(body['code'], 'NO_RESPONDERS')
  }
})

test('[SYS-1] [REQUEST-5] asked for a stream, the broker answers with one of a single part', async (t) => {
  const { client } = await startBench(t)
  const user = await client()
  user.send(topic(0, '$SYS.ping'), requestStream(0, 3))
  const part = await user.expect('REPLY', { id: 3, flags: Flag.STREAM, encoding: Encoding.MSGPACK })
  t.deepEqual(unpackValue(part.payload), { pong: true })
  await user.expect('REPLY', { id: 3, flags: 0, encoding: Encoding.BYTES, text: '' })
  await user.expectNothing()
})

async function events(watcher: Client): Promise<Record<string, unknown>[]> {
  const { payload } = await watcher.expect('MESSAGE')
  return (unpackValue(payload) as { events: Record<string, unknown>[] }).events
}

test('[SYS-2] clients that come and go are told of, with who they were', async (t) => {
  const { client } = await startBench(t)
  const watcher = await client()
  watcher.send(subscribe(1, '$SYS.client.*'))
  await watcher.expectNothing()
  const guest = await client('guest')
  t.like((await events(watcher))[0], { name: 'guest', pid: process.pid })
  guest.hangUp()
  t.like((await events(watcher))[0], { name: 'guest', code: null })
  const bad = await client('bad')
  await events(watcher)
  bad.send(publish(9, ''))
  t.like((await events(watcher))[0], { name: 'bad', code: 'ALIAS_UNBOUND' })
})

test('[SYS-2] events of one moment share a message', async (t) => {
  const { client } = await startBench(t, { backlogMessagesMax: 1 })
  const [watcher, slow, publisher] = [await client(), await client('slow'), await client()]
  watcher.send(subscribe(1, '$SYS.subscription.slow'))
  slow.send(...[1, 2, 3].map((id) => subscribe(id, 'a', { window: 0, overflow: 'drop-oldest' })))
  await watcher.expectNothing()
  await slow.expectNothing()
  publisher.send(topic(0, 'a'), ...Array.from({ length: 50 }, () => publish(0, '')))
  await publisher.expectNothing()
  const told = await events(watcher)
  t.deepEqual(told.map((event) => event['subscription']).sort(), [1, 2, 3])
  t.like(told[0], { name: 'slow', pattern: 'a' })
  await watcher.expectNothing()
})

test('[SYS-2] a slow subscription to events does not bring out events about itself', async (t) => {
  const { client } = await startBench(t, { backlogMessagesMax: 1 })
  const [watcher, observer] = [await client(), await client()]
  watcher.send(subscribe(1, '$SYS.>', { window: 0 }))
  await watcher.expectNothing()
  for (let count = 0; count < 3; count++) await client()
  const { rows } = await observer.ask<Page>('$SYS.subscriptions')
  t.true((rows[0]!['dropped'] as number) > 0)
  const before = await observer.ask<{ messagesRouted: number }>('$SYS.stats')
  for (let turn = 0; turn < 10; turn++) await observer.expectNothing()
  t.like(await observer.ask('$SYS.stats'), { messagesRouted: before.messagesRouted })
})

test('[SYS-1] nobody else can answer, or hear, a request to the broker', async (t) => {
  const { client } = await startBench(t)
  const [user, wild] = [await client(), await client()]
  wild.send(serve(1, '>', 10), serve(2, '*.ping', 10))
  await wild.expectNothing()
  t.deepEqual(await user.ask('$SYS.ping'), { pong: true })
  await wild.expectNothing()
  user.send(topic(0, 'x'), request(0, 1))
  const { id } = await wild.expect('REQUEST')
  wild.send(reply(id, 'own'))
  await user.expect('REPLY', { text: 'own' })
})
