import { existsSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { socketIn } from './fixtures.js'
import { publish, request, serve, subscribe, topic } from './frames.js'
import { type Child, spawnBroker, startBrokerProcess, startClient } from './processes.js'
import { Client } from './transcript.js'

const WRITTEN = Array.from({ length: 1500 }, (_, index) => String(index).padEnd(84))

for (const addon of [true, false]) {
  const suffix = addon ? '' : ', without the addon'
  test(`what passes through a broker process arrives${suffix}`, async (t) => {
    const path = socketIn(t)
    await startBrokerProcess(t, path, addon ? {} : { env: { RINGBUS_NO_ADDON: '1' } })
    const [publisher, subscriber] = [await Client.open(t, path), await Client.open(t, path)]
    subscriber.send(subscribe(1, 'a', { window: 2 ** 30 }))
    await subscriber.expectNothing()
    subscriber.pause()
    const texts = Array.from({ length: 100 }, (_, index) => `${index}`.padEnd(index * 1000))
    publisher.send(topic(0, 'a'), ...texts.map((text) => publish(0, text)))
    await publisher.expectNothing()
    subscriber.resume()
    t.deepEqual(await subscriber.texts(100), texts)
  })
}

/** A broker, and a subscriber to what a writer that is to die sends. */
async function startWriter(t: ExecutionContext) {
  const path = socketIn(t)
  const broker = await startBrokerProcess(t, path)
  const [subscriber, talker] = [await Client.open(t, path), await Client.open(t, path)]
  subscriber.send(subscribe(1, 'from.dying'))
  await subscriber.expectNothing()
  talker.send(topic(0, 'to.dying'))
  await talker.expectNothing()
  const writer = startClient(t, path, 'writer')
  await writer.message()
  await untilSubscriptions(talker, 2)
  return { path, broker, subscriber, talker, writer }
}

async function untilSubscriptions(observer: Client, count: number): Promise<void> {
  while ((await observer.ask<{ subscriptions: number }>('$SYS.stats')).subscriptions !== count) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The writer sends everything while the broker sleeps, and is dead before it wakes. */
async function writeAndDie(broker: Child, writer: Child): Promise<void> {
  writer.process.send('write')
  await writer.message()
  await writer.end('SIGKILL')
  broker.continue()
}

test('[WIRE-2.7] all that a killed client had sent arrives, though the broker writes to it first', async (t) => {
  const { broker, subscriber, talker, writer } = await startWriter(t)
  await broker.stop()
  // The broker meets this first as it wakes, and with it a peer that is dead.
  talker.send(...Array.from({ length: 20 }, () => publish(0, Buffer.alloc(1000))))
  await writeAndDie(broker, writer)
  t.deepEqual(await subscriber.texts(1500), WRITTEN)
  await untilSubscriptions(talker, 1)
})

test('[WIRE-2.7] the same when what the broker wrote to it before was waiting to be read', async (t) => {
  const { broker, subscriber, talker, writer } = await startWriter(t)
  writer.process.send('write')
  await writer.message()
  t.deepEqual(await subscriber.texts(1500), WRITTEN)
  // The writer reads no more: its socket fills up, and the broker queues behind it.
  talker.send(...Array.from({ length: 40 }, () => publish(0, Buffer.alloc(100_000))))
  await talker.expectNothing()
  await broker.stop()
  await writeAndDie(broker, writer)
  t.deepEqual(await subscriber.texts(1500), WRITTEN)
  await untilSubscriptions(talker, 1)
})

test('a killed subscriber takes nothing of anybody else with it', async (t) => {
  const path = socketIn(t)
  await startBrokerProcess(t, path)
  const [publisher, other] = [await Client.open(t, path), await Client.open(t, path)]
  other.send(subscribe(1, 'to.dying', { window: 2 ** 30 }))
  await other.expectNothing()
  const dying = startClient(t, path, 'subscriber')
  await dying.message()
  await untilSubscriptions(publisher, 2)
  const texts = Array.from({ length: 200 }, (_, index) => `${index}`.padEnd(20_000))
  publisher.send(topic(0, 'to.dying'), ...texts.slice(0, 100).map((text) => publish(0, text)))
  await publisher.expectNothing()
  await dying.end('SIGKILL')
  publisher.send(...texts.slice(100).map((text) => publish(0, text)))
  t.deepEqual(await other.texts(200), texts)
  await untilSubscriptions(publisher, 1)
})

test('[REQUEST-7] a killed responder: its requests are RESPONDER_LOST at once, what waited goes on', async (t) => {
  const path = socketIn(t)
  await startBrokerProcess(t, path)
  const requester = await Client.open(t, path)
  const dying = startClient(t, path, 'responder')
  await dying.message()
  requester.send(topic(0, 'svc'))
  while ((await requester.ask<{ services: number }>('$SYS.stats')).services === 0);
  requester.send(request(0, 1), request(0, 2), request(0, 3, 'waits'))
  const { link } = await dying.message<{ link: number }>()
  await dying.message()
  dying.process.send({ answer: link })
  await dying.message()
  await dying.message()
  const other = await Client.open(t, path)
  other.send(serve(1, '>'))
  await other.expectNothing()
  await dying.end('SIGKILL')
  await requester.expect('REPLY', { id: 1, text: 'last words' })
  const lost = [await requester.expect('FAILURE'), await requester.expect('FAILURE')]
  t.deepEqual(lost.map(({ id, body }) => [id, body['code']]).sort(), [
    [2, 'RESPONDER_LOST'],
    [3, 'RESPONDER_LOST'],
  ])
  requester.send(request(0, 4, 'new'))
  await other.expect('REQUEST', { text: 'new' })
})

test('[REQUEST-6] a killed requester: its responder is told', async (t) => {
  const path = socketIn(t)
  await startBrokerProcess(t, path)
  const responder = await Client.open(t, path)
  responder.send(serve(1, 'svc'))
  await responder.expectNothing()
  const dying = startClient(t, path, 'requester')
  const { id } = await responder.expect('REQUEST')
  await dying.end('SIGKILL')
  await responder.expect('CANCEL', { id })
})

test('a killed broker: clients see the end, and the next broker takes the path over', async (t) => {
  const path = socketIn(t)
  const first = await startBrokerProcess(t, path)
  const user = await Client.open(t, path)
  await first.end('SIGKILL')
  await user.expectEnd()
  t.true(existsSync(path))
  const second = await startBrokerProcess(t, path)
  const again = await Client.open(t, path)
  await again.expectNothing()
  t.is(await second.end('SIGTERM'), 0)
  t.false(existsSync(path))
})

test('a second broker on a living path ends with BROKER_RUNNING and the pid of the first', async (t) => {
  const path = socketIn(t)
  const first = await startBrokerProcess(t, path)
  const second = spawnBroker(t, path)
  t.is(await second.ended(), 1)
  t.regex(second.stderr, new RegExp(`BROKER_RUNNING.*\\b${first.pid}\\b`))
  await Client.open(t, path)
})

test('of brokers that start at once exactly one runs', async (t) => {
  const path = socketIn(t)
  // One that was killed has left its socket, so that each finds something to take over.
  const stale = await startBrokerProcess(t, path)
  await stale.end('SIGKILL')
  const brokers = [1, 2, 3].map(() => spawnBroker(t, path))
  // Those that give up may be gone before the one that runs is heard.
  await Promise.any(brokers.map((broker) => broker.until(() => broker.stderr.includes('takes clients'))))
  const others = brokers.filter((broker) => !broker.stderr.includes('takes clients'))
  t.is(others.length, 2)
  t.deepEqual(await Promise.all(others.map((broker) => broker.ended())), [1, 1])
  const [running] = brokers.filter((broker) => broker.isRunning)
  const user = await Client.open(t, path)
  t.like(await user.ask('$SYS.stats'), { pid: running!.pid })
})

test('SIGTERM: what is queued leaves, the socket goes, and the exit code is 0', async (t) => {
  const path = socketIn(t)
  const broker = await startBrokerProcess(t, path)
  const [publisher, reader] = [await Client.open(t, path), await Client.open(t, path)]
  reader.send(subscribe(1, 'a', { window: 2 ** 30 }))
  await reader.expectNothing()
  reader.pause()
  publisher.send(
    topic(0, 'a'),
    ...Array.from({ length: 60 }, (_, index) => publish(0, `${index}`.padEnd(50_000))),
  )
  await publisher.expectNothing()
  broker.process.kill('SIGTERM')
  await broker.until(() => broker.stderr.includes('the broker stops'))
  reader.resume()
  const texts = await reader.texts(60)
  t.deepEqual(
    texts.map((text) => text.trimEnd()),
    texts.map((_, index) => String(index)),
  )
  await reader.expectEnd()
  reader.hangUp()
  publisher.hangUp()
  t.is(await broker.ended(), 0)
  t.false(existsSync(path))
})

test('a client that is stopped does not keep the broker from stopping', async (t) => {
  const path = socketIn(t)
  const broker = await startBrokerProcess(t, path)
  const publisher = await Client.open(t, path)
  const stopped = startClient(t, path, 'subscriber')
  await stopped.message()
  await untilSubscriptions(publisher, 1)
  await stopped.stop()
  publisher.send(topic(0, 'to.dying'), ...Array.from({ length: 60 }, () => publish(0, Buffer.alloc(50_000))))
  await publisher.expectNothing()
  t.is(await broker.end('SIGTERM'), 0)
  t.false(existsSync(path))
})
