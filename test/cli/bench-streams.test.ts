import test, { type ExecutionContext } from 'ava'
import type { Figure } from '../../cli/bench/figures.js'
import { NothingToMeasure } from '../../cli/bench/nothing-to-measure.js'
import { percentilesOf } from '../../cli/bench/percentiles.js'
import { type Measurement, measureAll } from '../../cli/bench/plan.js'
import { newReport, writeReport } from '../../cli/bench/progress-report.js'
import { StreamFault } from '../../cli/bench/stream-fault.js'
import { checkPayload, newPayload, stampPayload } from '../../cli/bench/stream-payload.js'
import { PingPongEnd } from '../../cli/bench/tasks/ping-pong.js'
import { ask } from '../../cli/bench/tasks/requests.js'
import { StreamPublisher } from '../../cli/bench/tasks/stream-publisher.js'
import { StreamSubscriber } from '../../cli/bench/tasks/stream-subscriber.js'
import { TimeBudget } from '../../cli/bench/time-budget.js'
import type { RingbusClient } from '../../client/index.js'
import { brokerIn, clientOf, settled } from '../client/fixtures.js'

const BYTES = 64

function stamped(number: number, count = 0, byteLength = BYTES): Buffer {
  const payload = newPayload(byteLength)
  stampPayload(payload, number, count)
  return payload
}

async function listening(
  t: ExecutionContext,
  index = 0,
): Promise<{ subscriber: StreamSubscriber; bus: RingbusClient }> {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const order = { topic: 'stream', progressTopic: 'progress', payloadBytes: BYTES, reportMessages: 2 }
  const subscriber = new StreamSubscriber(bus, { ...order, index, views: false })
  await subscriber.ready
  return { subscriber, bus }
}

test('a stream that arrives as it was sent is complete with its last payload', async (t) => {
  const { subscriber, bus } = await listening(t)
  for (const length of [3, 1]) {
    const complete = subscriber.nextStream()
    for (let number = 0; number < length; number++) {
      bus.publish('stream', stamped(number, number === length - 1 ? length : 0))
    }
    t.is((await complete).received, length)
  }
})

const damaged = stamped(1)
damaged[BYTES - 1]! ^= 1

const FAULTS: Record<string, { payloads: Buffer[]; says: RegExp }> = {
  'misses a payload': { payloads: [stamped(0), stamped(2, 3)], says: /payload 2 came where 1 was expected/ },
  'misses its first payload': { payloads: [stamped(1)], says: /payload 1 came where 0 was expected/ },
  'has a payload twice': { payloads: [stamped(0), stamped(0)], says: /payload 0 came where 1 was expected/ },
  'has two in the wrong order': {
    payloads: [stamped(0), stamped(2), stamped(1)],
    says: /payload 2 came where 1/,
  },
  'has a damaged payload': { payloads: [stamped(0), damaged], says: /payload 1 came damaged/ },
  'has a cut payload': {
    payloads: [stamped(0).subarray(0, 32)],
    says: /payload 0 came with 32 bytes instead of 64/,
  },
  'ends too early': { payloads: [stamped(0), stamped(1, 3)], says: /payload 1 came as the last of 3/ },
}

for (const [name, { payloads, says }] of Object.entries(FAULTS)) {
  test(`a stream that ${name} is void`, async (t) => {
    const { subscriber, bus } = await listening(t)
    const complete = subscriber.nextStream()
    for (const payload of payloads) bus.publish('stream', payload)
    const fault = await t.throwsAsync(complete, { instanceOf: StreamFault })
    t.regex(fault!.message, says)
  })
}

test('a large payload has stamps all over it', (t) => {
  const payload = stamped(7, 0, 1024 * 1024)
  t.notThrows(() => checkPayload(payload, 7, payload.length))
  payload.fill(0, 512 * 1024, 640 * 1024)
  t.throws(() => checkPayload(payload, 7, payload.length), { instanceOf: StreamFault, message: /damaged/ })
})

test('a publisher stays within its window of the slowest subscriber', async (t) => {
  const path = await brokerIn(t)
  const order = { topic: 'stream', progressTopic: 'progress', payloadBytes: BYTES }
  const readers = await Promise.all([clientOf(t, path), clientOf(t, path)])
  const windowMessages = 8
  const far = { received: 0 }
  const bus = await clientOf(t, path)
  const publisher = new StreamPublisher(bus, {
    ...order,
    windowMessages,
    burstMessages: 4,
    subscribers: 2,
    loans: false,
  })
  const subscribers = readers.map(
    (bus, index) => new StreamSubscriber(bus, { ...order, index, reportMessages: 2, views: false }),
  )
  const watch = readers[0]!.subscribe('stream', () => {
    far.received += 1
  })
  await Promise.all([publisher.ready, watch.ready, ...subscribers.map(({ ready }) => ready)])
  for (let stream = 0; stream < 2; stream++) {
    const complete = subscribers.map((subscriber) => subscriber.nextStream())
    const { sent } = await publisher.publish(20)
    for (const { received } of await Promise.all(complete)) t.is(received, sent)
    t.true(sent > windowMessages)
  }
  // The second subscriber says nothing any more, but for what it said of a stream before and comes late.
  const before = far.received
  void subscribers[0]!.nextStream()
  void publisher.publish(60_000)
  const late = newReport()
  writeReport(late, { index: 1, stream: 2, handled: 1_000_000 })
  readers[1]!.publish('progress', late)
  await readers[1]!.flush()
  while (far.received < before + windowMessages) await readers[0]!.flush()
  // What were still to be published would come within a few round trips.
  for (let round = 0; round < 10; round++) await settled(bus, ...readers)
  t.is(far.received, before + windowMessages)
})

test('an end of a ping-pong that gets something else fails, and does not wait', async (t) => {
  const path = await brokerIn(t)
  const end = new PingPongEnd(await clientOf(t, path), { says: 'ping', hears: 'pong', payloadBytes: BYTES })
  const other = await clientOf(t, path)
  const answers = other.subscribe('ping', () => {
    other.publish('pong', stamped(7))
  })
  await Promise.all([end.ready, answers.ready])
  await end.play(60_000)
  t.throws(() => end.takeTimesNs(), { instanceOf: StreamFault, message: /payload 7 came where 1/ })
})

test('a reply of another request is a fault', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  let asked = 0
  await bus.serve('echo', (request) => {
    asked += 1
    return asked < 3 ? request.bytes : stamped(0)
  }).ready
  const order = { topic: 'echo', payloadBytes: BYTES, inFlight: 1, durationMs: 60_000 }
  await t.throwsAsync(ask(bus, order), { instanceOf: StreamFault, message: /payload 0 came where 2/ })
})

const FIGURE: Figure = { kind: 'latency', samples: 1, p50Us: 1, p99Us: 1, p999Us: 1 }

class Bench {
  readonly log: string[] = []

  async replaceWorkers(): Promise<void> {
    this.log.push('replaced')
  }

  measurement(name: Measurement['name'], run: () => Figure): Measurement<Bench> {
    return {
      name,
      title: `the ${name}`,
      weight: 1,
      run: async (on) => {
        on.log.push(name)
        return run()
      },
    }
  }
}

function siteOf(bench: Bench, count: number) {
  const weights = new Array<number>(count).fill(1)
  const budget = new TimeBudget(1000, weights, () => 0)
  return { on: bench, budget, ringsMissing: 'no rings', begins: () => {} }
}

test('a void measurement has no figure, and those behind it get other processes', async (t) => {
  const bench = new Bench()
  const plan = [
    bench.measurement('latency', () => {
      throw new StreamFault('payload 3 came where 2 was expected')
    }),
    bench.measurement('request', () => FIGURE),
    { ...bench.measurement('large-in-place', () => FIGURE), needsRings: true as const },
    bench.measurement('latency-low', () => {
      throw new NothingToMeasure('no place')
    }),
  ]
  const results = await measureAll(plan, siteOf(bench, plan.length))
  t.deepEqual(
    results.map(({ outcome }) => outcome),
    [
      { status: 'void', fault: 'payload 3 came where 2 was expected' },
      { status: 'measured', figure: FIGURE },
      { status: 'skipped', reason: 'no rings' },
      { status: 'skipped', reason: 'no place' },
    ],
  )
  t.deepEqual(bench.log, ['latency', 'replaced', 'request', 'latency-low'])
})

test('any other error ends all measurements', async (t) => {
  const bench = new Bench()
  const plan = [
    bench.measurement('latency', () => {
      throw new Error('the disk is full')
    }),
    bench.measurement('request', () => FIGURE),
  ]
  await t.throwsAsync(measureAll(plan, siteOf(bench, plan.length)), { message: 'the disk is full' })
  t.deepEqual(bench.log, ['latency'])
})

test('time that one measurement takes too much is taken from those behind it', (t) => {
  let nowMs = 0
  const budget = new TimeBudget(4000, [1, 1, 2], () => nowMs)
  t.is(budget.nextSlotMs(), 1000)
  nowMs = 2500
  t.is(budget.nextSlotMs(), 500)
  nowMs = 9000
  t.is(budget.nextSlotMs(), 100)
  t.throws(() => budget.nextSlotMs(), { instanceOf: RangeError })
})

test('percentiles are those of all series together', (t) => {
  const low = Float64Array.from({ length: 900 }, (_, index) => (900 - index) * 1000)
  const high = Float64Array.from({ length: 100 }, (_, index) => (901 + index) * 1000)
  t.deepEqual(percentilesOf(high, low), { samples: 1000, p50Us: 500, p99Us: 990, p999Us: 999 })
  t.deepEqual(percentilesOf(Float64Array.of(2000)), { samples: 1, p50Us: 2, p99Us: 2, p999Us: 2 })
  t.throws(() => percentilesOf(new Float64Array()), { instanceOf: RangeError })
})
