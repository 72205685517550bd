import test from 'ava'
import type { Logger } from '../../broker/logger.js'
import { socketIn, startBench } from './fixtures.js'
import { credit, failure, publish, reply, request, serve, subscribe, topic } from './frames.js'
import { startBrokerProcess } from './processes.js'
import { Client } from './transcript.js'

/** No stop of these tests ends by its deadline. */
const PATIENT = { drainTimeoutMs: 60_000 }

/** What a broker warns of. */
function warnings(): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  const ignore = () => {}
  return {
    lines,
    log: {
      debug: ignore,
      info: ignore,
      error: ignore,
      warn: (fields, message) => lines.push({ ...fields, message }),
    },
  }
}

test('[WIRE-2.8] a broker that stops routes the next message of each alias, and pauses it', async (t) => {
  const { client, broker } = await startBench(t, PATIENT)
  const [reader, publisher] = [await client(), await client()]
  reader.send(subscribe(1, '>', { window: 1 }))
  await reader.expectNothing()
  publisher.send(topic(0, 'a'), topic(1, 'b'), publish(0, 'before'), publish(0, 'queued'))
  await publisher.expectNothing()
  const closing = broker.close()
  publisher.send(publish(0, 'first'), publish(0, 'on its way'), publish(1, 'other'), topic(2, 'new'))
  await publisher.expect('PAUSE', { topic: 0, id: 2 })
  await publisher.expect('PAUSE', { topic: 1, id: 2 })
  publisher.send(publish(2, 'new'))
  await publisher.expect('PAUSE', { topic: 2, id: 3 })
  reader.send(credit(1, 1000, 0))
  t.deepEqual(await reader.texts(6), ['before', 'queued', 'first', 'on its way', 'other', 'new'])
  // In the hands of handlers until they say so. Nobody is resumed meanwhile.
  await publisher.expectNothing()
  reader.send(credit(1, 0, 6))
  await reader.expectEnd()
  await publisher.expectEnd()
  reader.hangUp()
  publisher.hangUp()
  await closing
})

test('[FLOW-2] a topic that is paused as the broker stops stays so, and is not cut short', async (t) => {
  const { client, broker } = await startBench(t, { ...PATIENT, backlogMessagesMax: 2, pauseTimeoutMs: 20 })
  const [reader, publisher] = [await client(), await client()]
  reader.send(subscribe(1, 'a', { window: 0 }))
  await reader.expectNothing()
  publisher.send(topic(0, 'a'), ...['1', '2', '3'].map((text) => publish(0, text)))
  await publisher.expect('PAUSE', { topic: 0 })
  const closing = broker.close()
  await new Promise((resolve) => setTimeout(resolve, 50))
  reader.send(credit(1, 1000))
  t.deepEqual(await reader.texts(3), ['1', '2', '3'])
  reader.send(credit(1, 0, 3))
  await publisher.expectEnd()
  publisher.hangUp()
  reader.hangUp()
  await closing
})

test('[REQUEST-2] requests under way end, those that wait included; new ones fail with BROKER_STOPPING', async (t) => {
  const { client, broker } = await startBench(t, PATIENT)
  const [requester, responder] = [await client(), await client()]
  responder.send(serve(1, 'svc'))
  await responder.expectNothing()
  requester.send(topic(0, 'svc'), request(0, 1, 'given'), request(0, 2, 'held'), request(0, 3, 'held'))
  const given = await responder.expect('REQUEST', { text: 'given' })
  const closing = broker.close()
  requester.send(request(0, 4, 'late'))
  const { body } = await requester.expect('FAILURE', { id: 4 })
  t.is(body['code'], 'BROKER_STOPPING')
  t.deepEqual(await requester.ask('$SYS.ping'), { pong: true })
  responder.send(reply(given.id, 'one'))
  await requester.expect('REPLY', { id: 1, text: 'one' })
  const second = await responder.expect('REQUEST', { text: 'held' })
  responder.send(failure(second.id, 'REMOTE_ERROR', 'no'))
  await requester.expect('FAILURE', { id: 2 })
  const third = await responder.expect('REQUEST', { text: 'held' })
  responder.send(reply(third.id, 'three'))
  await requester.expect('REPLY', { id: 3, text: 'three' })
  await requester.expectEnd()
  await responder.expectEnd()
  requester.hangUp()
  responder.hangUp()
  await closing
})

test('a stuck client delays a stop to the deadline, and what is left is said in one line', async (t) => {
  const { log, lines } = warnings()
  const { client, broker } = await startBench(t, { drainTimeoutMs: 100, logger: log })
  const [stuck, responder, user] = [await client(), await client(), await client()]
  stuck.send(subscribe(1, 'a', { window: 20 }))
  responder.send(serve(1, 'svc'))
  await stuck.expectNothing()
  await responder.expectNothing()
  user.send(topic(0, 'a'), publish(0, '0123'), publish(0, '4567'), publish(0, '89ab'))
  user.send(topic(1, 'svc'), request(1, 1))
  await responder.expect('REQUEST')
  const before = performance.now()
  await broker.close()
  t.true(performance.now() - before >= 99)
  const [line, ...others] = lines.filter(({ message }) => String(message).includes('left to do'))
  t.deepEqual(others, [])
  t.like(line, { queued: 2, queuedBytes: 2 * 20 + 512, inFlight: 1, requests: 1, unread: 0 })
})

test('a broker with nothing left to do says nothing of it, and does not wait', async (t) => {
  const { log, lines } = warnings()
  const { client, broker } = await startBench(t, { ...PATIENT, logger: log })
  const user = await client()
  user.send(subscribe(1, 'a'), topic(0, 'a'), publish(0, 'm'))
  await user.expect('MESSAGE')
  user.send(credit(1, 17, 1))
  await user.expectNothing()
  user.hangUp()
  await broker.close()
  t.deepEqual(lines, [])
})

test('clients that end are not waited for', async (t) => {
  const { client, broker } = await startBench(t, PATIENT)
  const [stuck, responder, user] = [await client(), await client(), await client()]
  stuck.send(subscribe(1, 'a', { window: 20 }))
  responder.send(serve(1, 'svc'))
  await stuck.expectNothing()
  await responder.expectNothing()
  user.send(topic(0, 'a'), ...Array.from({ length: 5 }, () => publish(0, '')))
  user.send(topic(1, 'svc'), request(1, 1), request(1, 2))
  await responder.expect('REQUEST')
  const closing = broker.close()
  stuck.hangUp()
  responder.hangUp()
  const ends = [await user.expect('FAILURE'), await user.expect('FAILURE')]
  t.deepEqual(ends.map(({ body }) => body['code']).sort(), ['NO_RESPONDERS', 'RESPONDER_LOST'])
  await user.expectEnd()
  user.hangUp()
  await closing
})

test('destroy ends a broker at once, also in the middle of a stop', async (t) => {
  const { client, broker } = await startBench(t, { ...PATIENT, refusedLingerMs: 60_000 })
  const stuck = await client()
  stuck.send(subscribe(1, 'a', { window: 0 }), topic(0, 'a'), publish(0, 'm'))
  await stuck.expectNothing()
  const closing = broker.close()
  await stuck.expectNothing()
  await Promise.all([broker.destroy(), broker.destroy(), closing])
  t.is(broker.clientCount, 0)
  await stuck.expectEnd()
})

test('a second SIGTERM or SIGINT does not wait for what is left to do', async (t) => {
  const path = socketIn(t)
  const broker = await startBrokerProcess(t, path)
  const stuck = await Client.open(t, path)
  stuck.send(subscribe(1, 'a', { window: 0 }), topic(0, 'a'), publish(0, 'm'))
  await stuck.expectNothing()
  broker.process.kill('SIGTERM')
  await broker.until(() => broker.stderr.includes('the broker stops'))
  t.is(await broker.end('SIGINT'), 0)
  t.true(broker.stderr.includes('the broker ends at once'))
  t.true(broker.stderr.includes('"queued":1,"queuedBytes":532,"inFlight":0,"requests":0,"unread":0'))
})
