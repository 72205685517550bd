import { performance } from 'node:perf_hooks'
import { mock } from 'node:test'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import { Consumer } from '../../client/inbound/consumer.js'
import { Inbox } from '../../client/inbound/inbox.js'
import { READ_MEMORY } from '../../client/inbound/read-memory.js'
import type { Run } from '../../client/inbound/run-queue.js'
import { TopicNames } from '../../client/inbound/topic-names.js'
import {
  controlFrame,
  frameLayout,
  Kind,
  messageFrame,
  Offset,
  paddedLength,
  readU32,
} from '../../protocol/index.js'
import { until } from './fixtures.js'

/** What a test consumer has been given. */
interface Started {
  readonly consumer: string
  readonly topic: string
  readonly priority: number
  readonly text: string
}

type Work = (started: Started) => Promise<void> | undefined

/** A consumer that writes down what it starts, and does some work then. */
class TestConsumer extends Consumer {
  readonly frameKind = Kind.MESSAGE
  readonly takesFrames = true
  readonly #name: string
  readonly #inbox: Inbox
  readonly #log: Started[]
  readonly #work: Work

  constructor(name: string, inbox: Inbox, log: Started[], work: Work, slots: number) {
    super(slots)
    this.#name = name
    this.#inbox = inbox
    this.#log = log
    this.#work = work
  }

  override start(run: Run, start: number, length: number): void {
    const started = {
      consumer: this.#name,
      topic: run.topic,
      priority: run.memory.bytes[start + Offset.PRIORITY]!,
      text: run.memory.bytes.toString(
        'utf8',
        frameLayout(run.memory.bytes, start).payloadStart,
        start + length,
      ),
    }
    this.#log.push(started)
    const working = this.#work(started)
    if (working === undefined) return
    this.#inbox.take(this)
    void working.then(() => {
      this.#inbox.give(this)
      this.#inbox.resume()
    })
  }
}

const NOTHING = Buffer.alloc(0)

class Fixture {
  readonly log: Started[] = []
  readonly inbox: Inbox
  readonly #names = new TopicNames()

  constructor() {
    this.inbox = new Inbox(this.#names)
    for (let id = 1; id <= 8; id++) this.#names.bind(id, `t.${id}`)
  }

  consumer(name: string, work: Work = () => undefined, slots = 1): TestConsumer {
    return new TestConsumer(name, this.inbox, this.log, work, slots)
  }

  rename(id: number, topic: string): void {
    this.#names.bind(id, topic)
  }

  /** One read: [consumer, priority, text, topic id]. */
  read(...frames: [Consumer, number, string, number?][]): void {
    const parts: Buffer[] = []
    const starts: number[] = []
    let end = 0
    for (const [index, [consumer, priority, text, topic = 1]] of frames.entries()) {
      // The frame that turns the stream to another consumer lies in between. [SUB-4]
      const turn =
        index > 0 && frames[index - 1]![0] !== consumer ? controlFrame(Kind.DELIVER, 0, 0) : NOTHING
      const frame = messageFrame({ kind: Kind.MESSAGE, priority, topic }, text)
      starts.push(end + turn.length)
      end += turn.length + frame.length
      parts.push(turn, frame)
    }
    // Every read overwrites what the one before has brought.
    const bytes = READ_MEMORY.subarray(0, Buffer.concat(parts).copy(READ_MEMORY))
    for (const [index, [consumer]] of frames.entries()) {
      const start = starts[index]!
      const taken = this.inbox.append(consumer, bytes, start, start + paddedLength(readU32(bytes, start)))
      if (!taken) throw new Error('the topic has no name')
    }
    this.inbox.readEnd()
  }

  /** One read of frames of one consumer, handed over together: [priority, text, topic id]. */
  readTogether(consumer: Consumer, ...frames: [number, string, number][]): boolean {
    const parts = frames.map(([priority, text, topic]) =>
      messageFrame({ kind: Kind.MESSAGE, priority, topic }, text),
    )
    const end = Buffer.concat(parts).copy(READ_MEMORY)
    const taken = this.inbox.append(consumer, READ_MEMORY.subarray(0, end), 0, end, true)
    this.inbox.readEnd()
    return taken
  }

  get texts(): string {
    return this.log.map(({ text }) => text).join(' ')
  }
}

/** No time passes during `act`, so that no slice ends. It must not wait: the clock is everybody's. */
function inNoTime(act: () => void): void {
  const stoppedMs = performance.now()
  const clock = mock.method(performance, 'now', () => stoppedMs)
  try {
    act()
  } finally {
    clock.mock.restore()
  }
}

// A slice may end anywhere when the machine is busy: what is checked is the order, once all have started.

test('of one read, the most urgent frame is started first, across consumers', async (t) => {
  const fixture = new Fixture()
  const a = fixture.consumer('a')
  const b = fixture.consumer('b')
  fixture.read([a, 0, 'a0'], [b, 3, 'b3'], [a, 31, 'a31'], [b, 0, 'b0'], [a, 3, 'a3'], [b, 31, 'b31'])
  await until(() => fixture.log.length === 6)
  t.is(fixture.texts, 'a31 b31 b3 a3 a0 b0')
})

test('consumers of one level take turns, and each keeps its order', async (t) => {
  const fixture = new Fixture()
  const a = fixture.consumer('a')
  const b = fixture.consumer('b')
  fixture.read([a, 5, 'a1'], [a, 5, 'a2'], [a, 5, 'a3'], [b, 5, 'b1'], [b, 5, 'b2'])
  await until(() => fixture.log.length === 5)
  t.is(fixture.texts, 'a1 b1 a2 b2 a3')
})

test('a busy consumer holds up its own frames only, and goes on by priority', async (t) => {
  const fixture = new Fixture()
  let release = () => {}
  const a = fixture.consumer('a', ({ text }) => {
    return text === 'slow' ? new Promise((resolve) => (release = resolve)) : undefined
  })
  const b = fixture.consumer('b')
  fixture.read([a, 0, 'slow'])
  fixture.read([a, 31, 'a31'], [b, 1, 'b1'])
  await until(() => fixture.log.length === 2)
  t.is(fixture.texts, 'slow b1')
  fixture.read([a, 5, 'a5'], [b, 0, 'b0'])
  await until(() => fixture.log.length === 3)
  release()
  await until(() => fixture.log.length === 5)
  t.is(fixture.texts, 'slow b1 b0 a31 a5')
})

test('as many handlers run as there are slots', async (t) => {
  const fixture = new Fixture()
  const releases: (() => void)[] = []
  const a = fixture.consumer('a', () => new Promise((resolve) => releases.push(resolve)), 2)
  fixture.read([a, 0, '1'], [a, 0, '2'], [a, 0, '3'])
  await until(() => fixture.log.length === 2)
  t.is(fixture.texts, '1 2')
  releases[1]!()
  await until(() => fixture.log.length === 3)
  t.is(fixture.texts, '1 2 3')
})

test('a slice of slow handlers ends, and what was read meanwhile goes first if it is more urgent', async (t) => {
  const fixture = new Fixture()
  const burn = () => {
    const endMs = performance.now() + 2
    while (performance.now() < endMs);
    return undefined
  }
  const slow = fixture.consumer('slow', burn)
  const urgent = fixture.consumer('urgent')
  const frames = Array.from(
    { length: 50 },
    (_, index) => [slow, 0, `s${index}`] as [Consumer, number, string],
  )
  fixture.read(...frames)
  const startedAtFirst = fixture.log.length
  t.true(startedAtFirst >= 1 && startedAtFirst < 50, `${startedAtFirst} handlers ran in one slice`)
  await nextTurn()
  fixture.read([urgent, 9, 'u'])
  await until(() => fixture.log.length === 51)
  const position = fixture.log.findIndex(({ text }) => text === 'u')
  t.true(position < 50, 'the urgent frame waited for every slow handler')
})

test('handlers that settle at once do not starve the event loop', async (t) => {
  const fixture = new Fixture()
  const a = fixture.consumer('a', async () => {
    const endMs = performance.now() + 0.2
    while (performance.now() < endMs);
  })
  const frames = Array.from({ length: 100 }, (_, index) => [a, 0, `${index}`] as [Consumer, number, string])
  fixture.read(...frames)
  await delay(0)
  t.true(fixture.log.length < 100, 'all 100 handlers ran before a timer could fire')
  await until(() => fixture.log.length === 100)
})

test('frames of several topics and of split runs keep their order within a level', async (t) => {
  const fixture = new Fixture()
  const a = fixture.consumer('a')
  fixture.read([a, 0, '1', 1], [a, 0, '2', 2], [a, 0, '3', 2], [a, 0, '4', 1])
  await until(() => fixture.log.length === 4)
  t.deepEqual(
    fixture.log.map(({ text, topic }) => `${text} ${topic}`),
    ['1 t.1', '2 t.2', '3 t.2', '4 t.1'],
  )
})

test('[SUB-5] frames that wait keep their topics when the broker gives the ids to others', async (t) => {
  const fixture = new Fixture()
  const a = fixture.consumer('a', undefined, 0)
  fixture.read([a, 0, '1', 1], [a, 0, '2', 2], [a, 0, '3', 1])
  fixture.rename(1, 'new.1')
  fixture.read([a, 0, '4', 1], [a, 0, '5', 2])
  fixture.rename(2, 'new.2')
  fixture.rename(1, 'newer.1')
  fixture.read([a, 0, '6', 2], [a, 0, '7', 1])
  for (let slot = 0; slot < 7; slot++) fixture.inbox.widen(a)
  fixture.inbox.resumeSoon()
  await until(() => fixture.log.length === 7)
  t.deepEqual(
    fixture.log.map(({ text, topic }) => `${text} ${topic}`),
    ['1 t.1', '2 t.2', '3 t.1', '4 new.1', '5 t.2', '6 new.2', '7 newer.1'],
  )
})

test('frames of several topics that come together keep their order and their topics', async (t) => {
  const fixture = new Fixture()
  const a = fixture.consumer('a')
  t.true(fixture.readTogether(a, [0, '1', 1], [0, '2', 2], [0, '3', 2], [0, '4', 1], [0, '5', 3]))
  await until(() => fixture.log.length === 5)
  t.deepEqual(
    fixture.log.map(({ text, topic }) => `${text} ${topic}`),
    ['1 t.1', '2 t.2', '3 t.2', '4 t.1', '5 t.3'],
  )
})

test('[SUB-5] frames that came together keep their topics when the broker gives the ids to others', async (t) => {
  const fixture = new Fixture()
  const a = fixture.consumer('a', undefined, 0)
  fixture.readTogether(a, [0, '1', 1], [0, '2', 2], [0, '3', 1])
  fixture.rename(1, 'new.1')
  fixture.rename(2, 'new.2')
  fixture.readTogether(a, [0, '4', 2], [0, '5', 1])
  fixture.rename(1, 'newer.1')
  for (let slot = 0; slot < 5; slot++) fixture.inbox.widen(a)
  fixture.inbox.resumeSoon()
  await until(() => fixture.log.length === 5)
  t.deepEqual(
    fixture.log.map(({ text, topic }) => `${text} ${topic}`),
    ['1 t.1', '2 t.2', '3 t.1', '4 new.2', '5 new.1'],
  )
})

test('[SUB-5] one of several frames that has no name is refused, and the others with it', async (t) => {
  for (const nameless of [0, 1, 2]) {
    const fixture = new Fixture()
    const a = fixture.consumer('a')
    const topic = (place: number) => (place === nameless ? 99 : 1)
    t.false(fixture.readTogether(a, [0, 'x', topic(0)], [0, 'y', topic(1)], [0, 'z', topic(2)]))
    fixture.read([a, 0, 'after'])
    await until(() => fixture.log.length > 0)
    t.is(fixture.texts, 'after')
  }
})

test('a handler that makes room for something more urgent is the last to start before it', async (t) => {
  const fixture = new Fixture()
  const urgent = fixture.consumer('urgent', undefined, 0)
  const a = fixture.consumer('a', ({ text }) => {
    // As the step of an iterator does that a handler takes.
    if (text === 'a2') fixture.inbox.widen(urgent)
    return undefined
  })
  // The clock lets several handlers run between two looks once they have been quick.
  const quick = Array.from({ length: 100 }, () => [a, 0, 'quick'] as [Consumer, number, string])
  inNoTime(() => fixture.read(...quick))
  t.is(fixture.log.length, 100)
  fixture.log.length = 0
  inNoTime(() => fixture.read([urgent, 9, 'u'], [a, 0, 'a1'], [a, 0, 'a2'], [a, 0, 'a3']))
  t.is(fixture.texts, 'a1 a2 u a3')
})

test('[SUB-5] a frame whose topic id has no name is refused', async (t) => {
  const fixture = new Fixture()
  const a = fixture.consumer('a')
  const frame = messageFrame({ kind: Kind.MESSAGE, topic: 99 }, 'x')
  t.false(fixture.inbox.append(a, frame, 0, readU32(frame, 0)))
  const known = messageFrame({ kind: Kind.MESSAGE, topic: 1 }, 'x')
  const both = Buffer.concat([known, frame])
  t.true(fixture.inbox.append(a, both, 0, readU32(both, 0)))
  t.false(fixture.inbox.append(a, both, known.length, readU32(both, known.length)))
  fixture.inbox.readEnd()
  await until(() => fixture.log.length === 1)
  t.is(fixture.texts, 'x')
})

test('what waits longer than a slice leaves the memory of its read', async (t) => {
  const fixture = new Fixture()
  let release = () => {}
  const busy = fixture.consumer('busy', ({ text }) => {
    return text === 'first' ? new Promise((resolve) => (release = resolve)) : undefined
  })
  const other = fixture.consumer('other')
  const bulk = 'x'.repeat(10_000)
  inNoTime(() => {
    fixture.read([busy, 0, 'first'])
    fixture.read([other, 0, bulk], [busy, 0, 'second'], [other, 0, bulk], [busy, 7, 'third', 2])
  })
  const memory = [...busy.runs()].map((run) => run.memory.bytes)
  t.is(memory.length, 2)
  for (const bytes of memory) {
    t.not(bytes.buffer, READ_MEMORY.buffer, 'the next read overwrites what waits')
    t.true(bytes.length < 200, `a frame of some bytes keeps ${bytes.length} alive`)
  }
  release()
  await until(() => fixture.log.length === 5)
  t.is(
    fixture.log
      .filter(({ consumer }) => consumer === 'busy')
      .map(({ text }) => text)
      .join(' '),
    'first third second',
  )
})

/*
 * The rule itself, by a model: whenever a handler starts, nothing more urgent waits at a consumer that has a slot.
 */
test('no handler starts while something more urgent waits at a consumer that could take it', async (t) => {
  const consumers = fc.integer({ min: 0, max: 3 })
  const frame = fc.record({
    to: consumers,
    priority: fc.integer({ min: 0, max: 31 }),
    topic: fc.integer({ min: 1, max: 3 }),
    slow: fc.boolean(),
  })
  const reads = fc.array(fc.array(frame, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(reads, async (script) => {
      const fixture = new Fixture()
      const waiting: { to: number; priority: number; text: string }[] = []
      const busy = new Set<number>()
      const violations: string[] = []
      let handled = 0
      const work =
        (index: number): Work =>
        ({ priority, text }) => {
          const own = waiting.findIndex((entry) => entry.text === text)
          const [entry] = waiting.splice(own, 1)
          for (const other of waiting) {
            const couldStart = other.to === index || !busy.has(other.to)
            if (other.priority > priority && couldStart) violations.push(`${text} before ${other.text}`)
            const sameOrder = other.to === index && other.priority === priority
            if (sameOrder && Number(other.text) < Number(text))
              violations.push(`${text} overtook ${other.text}`)
          }
          handled += 1
          if (entry === undefined || !slow.has(text)) return undefined
          busy.add(index)
          return delay(0).then(() => {
            busy.delete(index)
          })
        }
      const slow = new Set<string>()
      const all = [0, 1, 2, 3].map((index) => fixture.consumer(String(index), work(index)))
      let count = 0
      for (const read of script) {
        const frames: [Consumer, number, string, number][] = []
        for (const { to, priority, topic, slow: isSlow } of read) {
          const text = String(count++)
          if (isSlow) slow.add(text)
          waiting.push({ to, priority, text })
          frames.push([all[to]!, priority, text, topic])
        }
        fixture.read(...frames)
        await nextTurn()
      }
      await until(() => handled === count)
      if (violations.length > 0) throw new Error(violations.join('; '))
    }),
    { numRuns: 100 },
  )
  t.pass()
})
