import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import type { ConnectOptions } from '../../client/index.js'
import { LOOP_NUMBER, LowLatency, POLLER } from '../../client/polling/low-latency.js'
import { PolledOutlet } from '../../client/polling/polled-outlet.js'
import { controlFrame, Kind } from '../../protocol/index.js'
import { brokerIn, clientOf, until } from './fixtures.js'
import { ScriptedBroker, welcome } from './scripted-broker.js'

const LOW: ConnectOptions = { latency: 'low' }

function poll(id: number): Buffer {
  return controlFrame(Kind.POLL, 0, id)
}

/** A client with low latency, permitted to poll by a broker that the test speaks for. */
async function permitted(t: ExecutionContext) {
  const broker = await ScriptedBroker.start(t)
  const connecting = clientOf(t, broker.path, LOW)
  const peer = await broker.welcome()
  const client = await connecting
  t.false(POLLER.isOn)
  peer.send(poll(1))
  await until(() => POLLER.isOn)
  return { broker, peer, client }
}

// All clients of the process have one poller.
test.serial('[WIRE-2.9] a client with low latency says which event loop it has, others do not', async (t) => {
  const broker = await ScriptedBroker.start(t)
  for (const [options, capabilities] of [
    [LOW, { ring: 1, pair: 1, poll: LOOP_NUMBER }],
    [{ ...LOW, ring: false }, { poll: LOOP_NUMBER }],
    [{ latency: 'normal' }, { ring: 1, pair: 1 }],
  ] as const) {
    const connecting = clientOf(t, broker.path, options)
    const peer = await broker.accept()
    t.deepEqual((await peer.expect('HELLO')).body['capabilities'], capabilities)
    peer.send(welcome())
    await connecting
  }
})

test.serial('[WIRE-2.9] a client polls when the broker permits it, and no longer', async (t) => {
  const { peer } = await permitted(t)
  peer.send(poll(1))
  peer.send(poll(0))
  await until(() => !POLLER.isOn)
  peer.send(poll(1))
  await until(() => POLLER.isOn)
})

test.serial('[WIRE-2.9] the end of the connection is the end of the permission', async (t) => {
  const { broker, peer, client } = await permitted(t)
  const reconnected = once(client as never, 'reconnect')
  peer.hangUp()
  await until(() => !POLLER.isOn)
  const next = await broker.welcome()
  await reconnected
  t.false(POLLER.isOn)
  next.send(poll(1))
  await until(() => POLLER.isOn)
})

test.serial('destroy ends polling at once', async (t) => {
  const { client } = await permitted(t)
  client.destroy()
  t.false(POLLER.isOn)
})

test.serial('close ends polling, once what was published has been routed', async (t) => {
  const { peer, client } = await permitted(t)
  const closed = client.close()
  const { id } = await peer.expect('FLUSH')
  peer.send(controlFrame(Kind.FLUSHED, 0, id))
  await closed
  t.false(POLLER.isOn)
})

test.serial('a client that did not ask for it does not poll', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const connecting = clientOf(t, broker.path)
  const peer = await broker.welcome()
  const client = await connecting
  peer.send(poll(1))
  const flushed = client.flush()
  const { id } = await peer.expect('FLUSH')
  peer.send(controlFrame(Kind.FLUSHED, 0, id))
  await flushed
  t.false(POLLER.isOn)
})

test.serial('the poller of a thread is on for as long as one of its clients may poll', (t) => {
  const [one, other] = [new LowLatency(), new LowLatency()]
  one.isPermitted = true
  one.isPermitted = true
  other.isPermitted = true
  one.isPermitted = false
  one.isPermitted = false
  t.true(POLLER.isOn)
  other.isPermitted = false
  t.false(POLLER.isOn)
})

test.serial('only what a client with permission does counts as traffic', (t) => {
  const [permittedOne, other] = [new LowLatency(), new LowLatency()]
  const counted: string[] = []
  const { arrived, sent } = POLLER
  POLLER.arrived = () => counted.push('arrived')
  POLLER.sent = () => counted.push('sent')
  t.teardown(() => Object.assign(POLLER, { arrived, sent }))
  permittedOne.isPermitted = true
  for (const client of [permittedOne, other]) {
    client.arrived()
    const outlet = { queuedBytes: 7, write: () => true, borrow: () => false }
    const polled = new PolledOutlet(outlet, client)
    t.is(polled.queuedBytes, 7)
    t.true(polled.write(Buffer.alloc(4)))
    t.false(polled.borrow(Buffer.alloc(4)))
  }
  permittedOne.isPermitted = false
  t.deepEqual(counted, ['arrived', 'sent', 'sent'])
})

test.serial('messages and requests go through as ever', async (t) => {
  const path = await brokerIn(t, { busyPollUs: 1000 })
  const [near, far] = [await clientOf(t, path, LOW), await clientOf(t, path, LOW)]
  let traffic = 0
  const { arrived } = POLLER
  POLLER.arrived = () => {
    traffic += 1
    arrived.call(POLLER)
  }
  t.teardown(() => Object.assign(POLLER, { arrived }))
  far.serve<number, number>('double', ({ data }) => data * 2)
  const got: unknown[] = []
  near.subscribe('numbers', ({ data }) => void got.push(data))
  await near.flush()
  for (let number = 0; number < 200; number++) {
    t.is((await near.request<number>('double', number)).data, number * 2)
    far.publish('numbers', number)
  }
  await until(() => got.length === 200)
  t.deepEqual(got, [...got.keys()])
  // This event loop is the broker's, so there is a place wherever anybody may poll.
  t.is(traffic > 0, POLLER.isOn)
})

test.serial('a worker thread is an event loop of its own', async (t) => {
  const broker = await ScriptedBroker.start(t)
  const program = `
    import(${JSON.stringify(new URL('../../client/index.js', import.meta.url).href)})
      .then(({ connect }) => connect({ path: ${JSON.stringify(broker.path)}, latency: 'low', ring: false }))
      .then((bus) => bus.close())`
  const worker = new Worker(program, { eval: true })
  const ended = once(worker, 'exit')
  const peer = await broker.accept()
  const { body } = await peer.expect('HELLO')
  t.deepEqual(body['capabilities'], { poll: worker.threadId })
  t.not(worker.threadId, LOOP_NUMBER)
  peer.send(welcome())
  const { id } = await peer.expect('FLUSH')
  peer.send(controlFrame(Kind.FLUSHED, 0, id))
  await peer.expectEnd()
  peer.hangUp()
  t.deepEqual(await ended, [0])
})

test.serial('another latency than these is refused', async (t) => {
  for (const latency of ['lowest', true, 1, null]) {
    await t.throwsAsync(clientOf(t, '/nowhere', { latency: latency as 'low' }), {
      code: 'INVALID_ARGUMENT',
      message: /`latency`/,
    })
  }
})
