import { setTimeout as delay } from 'node:timers/promises'
import { queryObjects, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { Peer } from '../../broker/peers/peer.js'
import { Service } from '../../broker/requests/service.js'
import { Subscription } from '../../broker/routing/subscription.js'
import { startBench } from './fixtures.js'
import { cancel, credit, publish, request, serve, subscribe, topic, unsubscribe } from './frames.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const MIB = 1024 * 1024

/** Bytes outside of the heap: what Buffers hold. */
function bufferBytes(): number {
  collectGarbage()
  return process.memoryUsage().arrayBuffers
}

test.serial('what is queued for a client that does not read keeps nothing else in memory', async (t) => {
  const { client } = await startBench(t)
  const [publisher, reader] = [await client(), await client()]
  reader.send(subscribe(1, 'wanted', { window: 0 }), subscribe(2, 'wanted', { window: 2 ** 30 }))
  await reader.expectNothing()
  reader.pause()
  publisher.send(topic(0, 'wanted'), topic(1, 'noise'))
  const before = bufferBytes()
  const noise = publish(1, Buffer.alloc(60_000))
  for (let round = 0; round < 1000; round++) {
    publisher.send(publish(0, Buffer.alloc(500)), noise)
    await publisher.expectNothing()
  }
  const { rows } = await publisher.ask<{ rows: { queued: number; queuedBytes: number }[] }>(
    '$SYS.subscriptions',
  )
  t.is(rows[0]!.queued, 1000)
  // Half a megabyte for each subscription, and some room; what it came in are 60 MB. Pinned, it would stay.
  while (bufferBytes() - before > 4 * MIB) await delay(10)
})

function living(type: new (...parameters: never[]) => object): number {
  return queryObjects(type, { format: 'count' })
}

test.serial('a subscription that has ended is forgotten, though the stream stood at it last', async (t) => {
  const { client } = await startBench(t)
  const user = await client()
  user.send(subscribe(1, 'a'), topic(0, 'a'), publish(0, 'm'))
  t.deepEqual(await user.texts(1), ['m'])
  const ending = living(Subscription)
  user.send(unsubscribe(1), credit(1, 17, 1), publish(0, 'to nobody'))
  await user.expect('DRAINED')
  while (living(Subscription) >= ending) await delay(10)
})

test.serial('clients that are gone leave nothing behind', async (t) => {
  const { client } = await startBench(t)
  const [observer, publisher] = [await client('observer'), await client('publisher')]
  observer.send(subscribe(1, '$SYS.client.disconnected'))
  await observer.expectNothing()
  publisher.send(topic(0, 'common'))
  for (let cycle = 0; cycle < 40; cycle++) {
    const guest = await client('guest')
    guest.send(subscribe(1, 'common'), subscribe(2, '>', { window: 0 }), subscribe(3, '*', { group: 'g' }))
    guest.send(serve(4, 'svc', 2), serve(5, '*.svc'))
    guest.send(topic(0, `own.${cycle}`), topic(1, 'svc'), topic(2, 'common'))
    guest.send(...[1, 2, 3, 4].map((id) => request(1, id)), cancel(2), publish(0, 'mine'))
    if (cycle % 2 === 0) guest.send(publish(99, ''))
    publisher.send(publish(0, 'x'), request(0, cycle))
    await publisher.expect('FAILURE', { id: cycle })
    guest.hangUp()
    await observer.expect('MESSAGE')
  }
  await publisher.expectNothing()
  t.like(await observer.ask('$SYS.stats'), {
    clients: 2,
    subscriptions: 1,
    services: 0,
    requestsInFlight: 0,
    // The publisher's alias, and the one by which the observer asks.
    topics: 2,
  })
  // The last guest's socket may still be closing. A leak shows as a time-out.
  while (living(Peer) > 2 || living(Service) > 0 || living(Subscription) > 1) await delay(10)
})

test.serial('a topic on which nobody publishes any more keeps no subscription that has ended', async (t) => {
  const { client } = await startBench(t)
  const [publisher, guest] = [await client('publisher'), await client('guest')]
  guest.send(subscribe(1, '*'))
  await guest.expectNothing()
  publisher.send(topic(0, 'quiet'), publish(0, 'once'))
  t.deepEqual(await guest.texts(1), ['once'])
  const ending = living(Subscription)
  guest.hangUp()
  while (living(Subscription) >= ending) await delay(10)
})
