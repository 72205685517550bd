import test from 'ava'
import { Bursts } from '../../bench/bursts.js'
import { StreamCheck } from '../../bench/payload.js'
import type { Connection } from '../../bench/peers/index.js'

interface Published {
  readonly topic: string
  readonly priority: number | undefined
}

/** Takes what is published, and may ask the publisher to wait. */
class Taker implements Connection {
  readonly #check: StreamCheck
  readonly #isFull: () => boolean
  readonly published: Published[] = []
  readonly sequences: number[] = []
  waits = 0

  constructor(check: StreamCheck, isFull = () => false) {
    this.#check = check
    this.#isFull = isFull
  }

  publish(topic: string, payload: Buffer, priority?: number): boolean {
    this.published.push({ topic, priority })
    this.sequences.push(this.#check.accept(payload))
    return !this.#isFull()
  }

  publishWithPriority(topic: string, payload: Buffer, priority: number): boolean {
    return this.publish(topic, payload, priority)
  }

  async ready(): Promise<void> {
    this.waits += 1
  }

  subscribe(): void {}

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}

const ORDER = { topics: ['a', 'b'], priorities: 1, publisherIndex: 0, payloadBytes: 16, buffers: 64 }

test('bursts publish as many messages as they are told, and the last says how many there were', async (t) => {
  const check = new StreamCheck(2, 16)
  const bursts = new Bursts(new Taker(check), ORDER)
  await bursts.publish(100, 'not last')
  await bursts.publish(50, 'not last')
  t.false(check.isComplete)
  await bursts.publish(1, 'last')
  t.is(bursts.sent, 151)
  t.is(check.faults, 0)
  t.true(check.isComplete)
})

test('all topics and priorities have messages, and each has a sequence of its own', async (t) => {
  const check = new StreamCheck(3 * 8, 16)
  const taker = new Taker(check)
  const bursts = new Bursts(taker, { ...ORDER, priorities: 4, publisherIndex: 2 })
  await bursts.publish(4096, 'last')
  const routes = new Set(
    taker.published.map(({ topic, priority }, index) => `${taker.sequences[index]} ${topic} ${priority}`),
  )
  t.deepEqual(
    [...routes].toSorted(),
    ['a', 'b']
      .flatMap((topic, place) =>
        [0, 1, 2, 3].map((priority) => `${16 + place * 4 + priority} ${topic} ${priority}`),
      )
      .toSorted(),
  )
  t.is(check.faults, 0)
})

test('a stream without priorities is published without one', async (t) => {
  const taker = new Taker(new StreamCheck(2, 16))
  await new Bursts(taker, ORDER).publish(10, 'last')
  t.true(taker.published.every(({ priority }) => priority === undefined))
})

test('a system that asks for it is waited for', async (t) => {
  const check = new StreamCheck(2, 16)
  const taker: Taker = new Taker(check, () => taker.published.length % 3 === 0)
  await new Bursts(taker, ORDER).publish(10, 'last')
  t.is(taker.waits, 3)
  t.true(check.isComplete)
})
