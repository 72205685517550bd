import { mock } from 'node:test'
import test, { type ExecutionContext } from 'ava'
import type { RingbusError } from '../../client/index.js'
import { ReplyStream } from '../../client/requests/reply-stream.js'
import type { Incoming } from '../../client/rings/incoming.js'
import { Kind, messageFrame, readU32 } from '../../protocol/index.js'

const TIMEOUT_MS = 1000

/** Timers of a clock that the test turns. */
class Timers {
  readonly #firesAtMs = new Map<() => void, number>()
  #nowMs = 0

  /** Until the end of the test, timers are these. */
  constructor(t: ExecutionContext) {
    const set = mock.method(globalThis, 'setTimeout', (fire: () => void, ms: number) => {
      const refresh = () => this.#firesAtMs.set(fire, this.#nowMs + ms)
      refresh()
      return { fire, refresh } as unknown as NodeJS.Timeout
    })
    const clear = mock.method(globalThis, 'clearTimeout', (timer?: { fire: () => void }) => {
      if (timer !== undefined) this.#firesAtMs.delete(timer.fire)
    })
    t.teardown(() => {
      set.mock.restore()
      clear.mock.restore()
    })
  }

  pass(ms: number): void {
    this.#nowMs += ms
    for (const [fire, atMs] of this.#firesAtMs) {
      if (atMs > this.#nowMs) continue
      this.#firesAtMs.delete(fire)
      fire()
    }
  }
}

/** A stream without a broker: `part` is what the broker would send. */
class StreamStage {
  readonly stream: ReplyStream
  cancellations = 0

  constructor() {
    // Nothing comes by ring.
    const incoming = undefined as unknown as Incoming
    const settings = { topic: 'parts', timeoutMs: TIMEOUT_MS, signal: undefined, incoming, view: false }
    this.stream = new ReplyStream(settings, {
      start: () => {},
      pull: () => {},
      cancel: () => {
        this.cancellations += 1
      },
    })
  }

  part(text: string): void {
    const frame = messageFrame({ kind: Kind.REPLY, id: 1 }, text)
    this.stream.part(frame, 0, readU32(frame, 0))
  }
}

async function textOf(step: ReturnType<ReplyStream['next']>): Promise<string | undefined> {
  return (await step).value?.bytes.toString()
}

test.serial('the time-out of a stream is for each part', async (t) => {
  const timers = new Timers(t)
  const stage = new StreamStage()
  for (const text of ['a', 'b', 'c']) {
    const step = stage.stream.next()
    timers.pass(TIMEOUT_MS - 1)
    stage.part(text)
    t.is(await textOf(step), text)
  }
  const last = stage.stream.next()
  timers.pass(TIMEOUT_MS - 1)
  t.is(stage.cancellations, 0)
  timers.pass(1)
  t.is(stage.cancellations, 1)
  const error = (await t.throwsAsync(last, { code: 'TIMEOUT' })) as RingbusError
  t.is(error.message, '"parts": no part within 1000 ms')
  t.true((await stage.stream.next()).done)
})

test.serial('the time-out of a stream does not run while nobody waits', async (t) => {
  const timers = new Timers(t)
  const stage = new StreamStage()
  const first = stage.stream.next()
  stage.part('a')
  t.is(await textOf(first), 'a')
  timers.pass(10 * TIMEOUT_MS)
  stage.part('b')
  timers.pass(10 * TIMEOUT_MS)
  t.is(await textOf(stage.stream.next()), 'b')
  const step = stage.stream.next()
  timers.pass(TIMEOUT_MS - 1)
  stage.part('c')
  t.is(await textOf(step), 'c')
  t.is(stage.cancellations, 0)
})

test.serial('steps that wait together are timed from the part before on', async (t) => {
  const timers = new Timers(t)
  const stage = new StreamStage()
  const steps = [stage.stream.next(), stage.stream.next()]
  timers.pass(TIMEOUT_MS - 1)
  stage.part('a')
  t.is(await textOf(steps[0]!), 'a')
  timers.pass(TIMEOUT_MS - 1)
  t.is(stage.cancellations, 0)
  timers.pass(1)
  await t.throwsAsync(steps[1]!, { code: 'TIMEOUT' })
})
