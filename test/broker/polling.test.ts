import { availableParallelism } from 'node:os'
import { threadId } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { type PollingClient, PollPlaces } from '../../broker/polling/places.js'
import { loopName, Polling } from '../../broker/polling/polling.js'
import { Poller } from '../../polling/index.js'
import { MAGIC, PROTOCOL_VERSION } from '../../protocol/index.js'
import { startBench } from './fixtures.js'
import { hello } from './frames.js'
import { Client } from './transcript.js'

const PROCESSORS = availableParallelism()

type Check = (t: ExecutionContext) => Promise<void>

/** On one processor nobody polls. */
function testWithProcessors(title: string, check: Check): void {
  if (PROCESSORS > 1) test.serial(title, check)
  else test.serial.skip(`${title} (skipped: there is one processor)`, check)
}

class Poll implements PollingClient {
  readonly loop: string
  mayPoll = false

  constructor(loop: string) {
    this.loop = loop
  }

  permit(): void {
    if (this.mayPoll) throw new Error('told twice')
    this.mayPoll = true
  }
}

/** Clients that come one after another. */
function entering(places: PollPlaces, ...loops: string[]): Poll[] {
  return loops.map((loop) => {
    const client = new Poll(loop)
    places.enter(client)
    return client
  })
}

function permissions(clients: readonly Poll[]): boolean[] {
  return clients.map(({ mayPoll }) => mayPoll)
}

test('whoever comes first has a place, and as one ends the next gets it', (t) => {
  const places = new PollPlaces(2, 'own')
  const clients = entering(places, 'a', 'b', 'c', 'd')
  t.deepEqual(permissions(clients), [true, true, false, false])
  t.like(places, { count: 2, taken: 2, waiting: 2 })
  places.leave(clients[2]!)
  t.deepEqual(permissions(clients), [true, true, false, false])
  places.leave(clients[0]!)
  t.deepEqual(permissions(clients), [true, true, false, true])
  t.like(places, { taken: 2, waiting: 0 })
  places.leave(clients[1]!)
  t.like(places, { taken: 1, waiting: 0 })
})

test('clients of one event loop have one place together, until the last of them ends', (t) => {
  const places = new PollPlaces(1, 'own')
  const clients = entering(places, 'a', 'b', 'a', 'b')
  t.deepEqual(permissions(clients), [true, false, true, false])
  t.like(places, { taken: 1, waiting: 1 })
  places.leave(clients[0]!)
  t.deepEqual(permissions(clients), [true, false, true, false])
  places.leave(clients[2]!)
  t.deepEqual(permissions(clients), [true, true, true, true])
})

test("clients of the broker's own event loop need no place of their own, but there must be one", (t) => {
  const places = new PollPlaces(1, 'own')
  const clients = entering(places, 'own', 'a', 'own', 'b')
  t.deepEqual(permissions(clients), [true, true, true, false])
  t.like(places, { taken: 1, waiting: 1 })
  places.leave(clients[0]!)
  t.like(places, { taken: 1, waiting: 1 })
  t.deepEqual(permissions(entering(new PollPlaces(0, 'own'), 'own', 'a')), [false, false])
})

test('who leaves without having come changes nothing', (t) => {
  const places = new PollPlaces(1, 'own')
  const [first] = entering(places, 'a')
  places.leave(new Poll('b'))
  places.leave(new Poll('a'))
  t.like(places, { taken: 1, waiting: 0 })
  places.leave(first!)
  places.leave(first!)
  t.like(places, { taken: 0, waiting: 0 })
})

/** The polling of a broker on a thread whose clock stands still, until the test lets it turn. */
class Stage {
  readonly limits: { busyPollUs: 'auto' | number } = { busyPollUs: 50 }
  readonly polling: Polling
  readonly #queued: (() => void)[] = []

  constructor(processors = 2) {
    const host = { nowUs: () => 1000, nextTurn: (turn: () => void) => void this.#queued.push(turn) }
    this.polling = new Polling(this.limits, processors, new Poller(host))
  }

  /** Whether the loop turns for it after one piece of traffic. */
  pollsAfterTraffic(): boolean {
    this.polling.arrived()
    return this.pollsOn()
  }

  pollsOn(): boolean {
    for (const turn of this.#queued.splice(0)) turn()
    return this.#queued.length > 0
  }
}

test('the broker polls as its limit says, also when that has changed', (t) => {
  const stage = new Stage()
  const { limits, polling } = stage
  t.true(stage.pollsAfterTraffic())
  t.like(polling.describe(), { busyPollUs: 50, polls: true, turns: 1, processors: 2, places: 1 })
  limits.busyPollUs = 0
  polling.reconfigured()
  t.false(stage.pollsAfterTraffic())
  t.like(polling.describe(), { busyPollUs: 0, polls: false, turns: 1 })
  limits.busyPollUs = 'auto'
  polling.reconfigured()
  // A single piece of traffic is no reason.
  t.false(stage.pollsAfterTraffic())
  t.like(polling.describe(), { busyPollUs: 'auto', polls: false, turns: 1 })
})

test('on one processor nobody polls', (t) => {
  const stage = new Stage(1)
  t.false(stage.pollsAfterTraffic())
  const client = new Poll('a')
  stage.polling.enter(client)
  t.false(client.mayPoll)
  t.like(stage.polling.describe(), { polls: false, places: 0, placesTaken: 0, placesWanted: 1 })
})

test('a broker that stops polls no more, whatever its settings become', (t) => {
  const stage = new Stage()
  t.true(stage.pollsAfterTraffic())
  stage.polling.stop()
  t.false(stage.pollsOn())
  t.false(stage.pollsAfterTraffic())
  stage.polling.reconfigured()
  t.false(stage.pollsAfterTraffic())
})

/** A client that would poll, as event loop number `loop` of this process. */
async function polling(t: ExecutionContext, path: string, loop: unknown): Promise<Client> {
  const client = await Client.connect(t, path)
  client.send(hello(`loop ${loop}`, PROTOCOL_VERSION, MAGIC, { poll: loop }))
  await client.expect('WELCOME')
  return client
}

testWithProcessors('[WIRE-2.9] no more event loops poll than there are processors', async (t) => {
  const { path, client } = await startBench(t)
  const first: Client[] = []
  for (let loop = 1; loop < PROCESSORS; loop++) {
    const one = await polling(t, path, threadId + loop)
    await one.expect('POLL', { id: 1 })
    first.push(one)
  }
  const next = await polling(t, path, threadId + PROCESSORS)
  await next.expectNothing()
  const observer = await client()
  const { polling: before } = await observer.ask<{ polling: object }>('$SYS.stats')
  t.like(before, {
    processors: PROCESSORS,
    places: PROCESSORS - 1,
    placesTaken: PROCESSORS - 1,
    placesWanted: 1,
  })
  first[0]!.hangUp()
  await next.expect('POLL', { id: 1 })
  const { rows } = await observer.ask<{ rows: { name: string }[] }>('$SYS.clients')
  const row = (name: string) => rows.find((candidate) => candidate.name === name)
  t.like(row(`loop ${threadId + PROCESSORS}`), { latency: 'low', polls: true })
  t.like(row('test'), { latency: 'normal', polls: false })
})

testWithProcessors("[WIRE-2.9] a client in the broker's own event loop takes no place", async (t) => {
  const { path, client } = await startBench(t)
  const own = await polling(t, path, threadId)
  await own.expect('POLL', { id: 1 })
  const observer = await client()
  t.like((await observer.ask<{ polling: object }>('$SYS.stats')).polling, { placesTaken: 0, placesWanted: 0 })
})

test('[WIRE-2.9] who does not say that it would poll is never told', async (t) => {
  const { path, client } = await startBench(t)
  const silent = await client()
  await silent.expectNothing()
  for (const nonsense of [-1, 1.5, '1', null, true, {}]) {
    const odd = await polling(t, path, nonsense)
    await odd.expectNothing()
  }
  t.like((await silent.ask<{ polling: object }>('$SYS.stats')).polling, { placesTaken: 0, placesWanted: 0 })
})

testWithProcessors(
  'a broker with a fixed budget polls after traffic, and one with none never does',
  async (t) => {
    const asking = async (busyPollUs: number) => {
      const { client } = await startBench(t, { busyPollUs })
      const user = await client()
      return async () => (await user.ask<{ polling: { turns: number } }>('$SYS.stats')).polling.turns
    }
    const turnsOfOne = await asking(10_000)
    while ((await turnsOfOne()) === 0);
    const turnsOfOther = await asking(0)
    for (let count = 0; count < 50; count++) t.is(await turnsOfOther(), 0)
  },
)

// Before the others, whose brokers stop as well.
testWithProcessors('a broker takes a new budget, and its end is that of its polling', async (t) => {
  const { broker, client } = await startBench(t, { busyPollUs: 50 })
  const user = await client()
  const stats = async () => (await user.ask<{ polling: object }>('$SYS.stats')).polling
  t.like(await stats(), { busyPollUs: 50, polls: true })
  broker.reconfigure({ busyPollUs: 0 })
  t.like(await stats(), { busyPollUs: 0, polls: false })
  let stops = 0
  const { stop } = Polling.prototype
  Polling.prototype.stop = function (this: Polling) {
    stops += 1
    stop.call(this)
  }
  t.teardown(() => Object.assign(Polling.prototype, { stop }))
  await broker.close()
  t.is(stops, 1)
})

test('loops of several processes are told apart, and so are those of one', (t) => {
  t.is(new Set([loopName(1, 0), loopName(1, 1), loopName(11, 0), loopName(10, 1)]).size, 4)
})

test('what is no budget is refused', async (t) => {
  for (const busyPollUs of [-1, 1.5, 10_001, 'always', null]) {
    await t.throwsAsync(startBench(t, { busyPollUs: busyPollUs as number }), {
      code: 'CONFIG_INVALID',
      message: /busyPollUs/,
    })
  }
})
