import test from 'ava'
import { flowFor } from '../../bench/flow.js'
import type { Connection } from '../../bench/peers/index.js'
import { ProgressReporter, ProgressWatch } from '../../bench/progress.js'

const TUNING = {
  windowMessages: 16_384,
  windowBytes: 6 * 1024 * 1024,
  heldBytes: 128 * 1024 * 1024,
  burstMessages: 1024,
  reportMessages: 2048,
}

test('a window of small payloads is counted in messages, one of large payloads in bytes', (t) => {
  const parties = { publishers: 1, subscribers: 1 }
  t.is(flowFor(TUNING, 128, parties).windowMessages, 16_384)
  t.is(flowFor(TUNING, 1024 * 1024, parties).windowMessages, 6)
  t.is(flowFor(TUNING, 1024 * 1024, { publishers: 1, subscribers: 64 }).windowMessages, 2)
})

test('publishers share the window', (t) => {
  const { windowMessages, burstMessages, reportMessages } = flowFor(TUNING, 128, {
    publishers: 8,
    subscribers: 1,
  })
  t.is(windowMessages, 2048)
  t.true(burstMessages <= windowMessages)
  t.true(reportMessages <= windowMessages)
})

/** Brings what is published to those who subscribe, at once. */
class Loop implements Connection {
  readonly #handlers = new Map<string, (payload: Uint8Array) => void>()

  publish(topic: string, payload: Buffer): boolean {
    this.#handlers.get(topic)?.(payload)
    return true
  }

  async ready(): Promise<void> {}

  subscribe(topic: string, handler: (payload: Uint8Array) => void): void {
    this.#handlers.set(topic, handler)
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}

test('each publisher learns how far the slowest subscriber has come with its own messages', (t) => {
  const loop = new Loop()
  const watches = [0, 1].map((publisher) => new ProgressWatch(loop, publisher, 2))
  const reporters = [0, 1].map((subscriber) => new ProgressReporter(loop, subscriber))
  for (const reporter of reporters)
    reporter.expect({ publishers: 2, sequencesPerPublisher: 2, reportMessages: 2 })
  for (const watch of watches) watch.reset()
  const handle = (subscriber: number, sequences: readonly number[]) => {
    for (const sequence of sequences) reporters[subscriber]!.handled(sequence)
  }
  handle(0, [0, 1, 0, 1, 2, 3])
  t.deepEqual(
    watches.map(({ slowest }) => slowest),
    [0, 0],
  )
  handle(1, [0, 1, 2])
  t.deepEqual(
    watches.map(({ slowest }) => slowest),
    [2, 0],
  )
  handle(1, [2, 1])
  t.deepEqual(
    watches.map(({ slowest }) => slowest),
    [2, 2],
  )
})

test('a report of the stream before does not count', (t) => {
  const loop = new Loop()
  const watch = new ProgressWatch(loop, 0, 1)
  const reporter = new ProgressReporter(loop, 0)
  const order = { publishers: 1, sequencesPerPublisher: 1, reportMessages: 1 }
  watch.reset()
  reporter.expect(order)
  reporter.handled(0)
  t.is(watch.slowest, 1)
  watch.reset()
  reporter.handled(0)
  t.is(watch.slowest, 0)
  reporter.expect(order)
  reporter.handled(0)
  t.is(watch.slowest, 1)
})
