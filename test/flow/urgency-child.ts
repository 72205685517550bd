import './with-parent.js'
import { performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Consumer } from '../../client/inbound/consumer.js'
import { Inbox } from '../../client/inbound/inbox.js'
import { connect, type Message, type RingbusClient } from '../../client/index.js'
import type { Member } from '../../client/members/member.js'
import { Offset, paddedLength, readU32 } from '../../protocol/index.js'

/*
 * A slow subscriber that knows what has arrived: its inbox tells of each frame that is put in, before anything is done
 * with it. Says 'ready', and what it has seen once it has handled `bulk` messages of priority 0 and every one that it
 * has published itself.
 *
 *   bulk       handled slowly, some of it by handlers that return promises
 *   urgent.>   handled at once
 */
export interface UrgencyPart {
  readonly path: string
  readonly bulk: number
  /** After each so many of them it publishes an urgent one. */
  readonly interval: number
}

export interface UrgencyReport {
  /** The first handlers that started while something more urgent was here and could have started. */
  readonly violations: readonly string[]
  readonly handled: number
  /** Messages that it has published itself. */
  readonly own: number
  /** Messages more urgent than bulk that found bulk waiting here. */
  readonly overtaking: number
  /** Of its own messages: how many handlers of bulk started from `publish` to the start of their own, at most. */
  readonly bulkBeforeOwnMax: number
}

const LEVELS = 32
const VIOLATIONS_MAX = 10

/** How long a handler of bulk takes, but for every so manyth, which takes a turn of the loop. */
const BULK_MS = 0.015
const SLOW_INTERVAL = 64

/** Frames that are here and not handed over, by pattern and priority. */
class Arrivals {
  readonly violations: string[] = []
  readonly #waiting = new Map<string, { consumer: Consumer; counts: Uint32Array }>()

  arrived(consumer: Consumer, level: number): void {
    const { pattern } = consumer as Member
    let waiting = this.#waiting.get(pattern)
    if (waiting === undefined) {
      waiting = { consumer, counts: new Uint32Array(LEVELS) }
      this.#waiting.set(pattern, waiting)
    }
    waiting.counts[level]! += 1
  }

  /** A handler starts: whatever is more urgent must belong to a subscription whose handler is busy. */
  started(pattern: string, level: number): void {
    this.#waiting.get(pattern)!.counts[level]! -= 1
    for (const [other, { consumer, counts }] of this.#waiting) {
      if (other !== pattern && consumer.freeSlots === 0) continue
      const top = counts.findLastIndex((count) => count > 0)
      if (top > level && this.violations.length < VIOLATIONS_MAX) {
        this.violations.push(`${level} of ${pattern} started before ${top} of ${other}`)
      }
    }
  }

  waitingAt(pattern: string, level: number): number {
    return this.#waiting.get(pattern)?.counts[level] ?? 0
  }
}

const arrivals = new Arrivals()

const { append } = Inbox.prototype
Inbox.prototype.append = function (...frames) {
  const [consumer, bytes, start, end] = frames
  for (let frame = start; frame < end; frame += paddedLength(readU32(bytes, frame))) {
    arrivals.arrived(consumer, bytes[frame + Offset.PRIORITY]!)
  }
  return append.apply(this, frames)
}

function burn(durationMs: number): void {
  const endMs = performance.now() + durationMs
  while (performance.now() < endMs);
}

/** Handles, publishes urgent messages in between, and counts. */
class Subscriber {
  readonly #bus: RingbusClient
  readonly #part: UrgencyPart
  #handled = 0
  #bulkStarted = 0
  #overtaking = 0
  /** How many handlers of bulk had started as each message of its own was published. */
  readonly #own: number[] = []
  #ownHandled = 0
  #bulkBeforeOwnMax = 0

  constructor(bus: RingbusClient, part: UrgencyPart) {
    this.#bus = bus
    this.#part = part
  }

  readonly bulk = (message: Message): Promise<void> | undefined => {
    this.#start(message, 'bulk')
    if (message.priority > 0) return undefined
    this.#bulkStarted += 1
    if (this.#bulkStarted % this.#part.interval === 0) this.#publish()
    this.#tellIfOver()
    if (this.#bulkStarted % SLOW_INTERVAL === 0) return nextTurn()
    burn(BULK_MS)
    return undefined
  }

  readonly urgent = (message: Message): void => {
    this.#start(message, 'urgent.>')
  }

  #start(message: Message, pattern: string): void {
    arrivals.started(pattern, message.priority)
    this.#handled += 1
    if (message.priority > 0 && arrivals.waitingAt('bulk', 0) > 0) this.#overtaking += 1
    if (message.headers['own'] !== undefined) this.#ownStarted(message.headers['own'] as number)
  }

  /** By turns on either subscription, with priorities that go round. */
  #publish(): void {
    const number = this.#own.push(this.#bulkStarted) - 1
    const topic = number % 2 === 0 ? 'urgent.own' : 'bulk'
    this.#bus.publish(topic, 'urgent', { priority: 1 + (number % (LEVELS - 1)), headers: { own: number } })
  }

  #ownStarted(number: number): void {
    this.#ownHandled += 1
    this.#bulkBeforeOwnMax = Math.max(this.#bulkBeforeOwnMax, this.#bulkStarted - this.#own[number]!)
    this.#tellIfOver()
  }

  #tellIfOver(): void {
    if (this.#bulkStarted < this.#part.bulk || this.#ownHandled < this.#own.length) return
    const report: UrgencyReport = {
      violations: arrivals.violations,
      handled: this.#handled,
      own: this.#own.length,
      overtaking: this.#overtaking,
      bulkBeforeOwnMax: this.#bulkBeforeOwnMax,
    }
    process.send!(report)
  }
}

process.once('message', async (part: UrgencyPart) => {
  const bus = await connect({ path: part.path, name: 'slow', reconnect: false })
  const subscriber = new Subscriber(bus, part)
  await bus.subscribe('bulk', subscriber.bulk).ready
  await bus.subscribe('urgent.>', subscriber.urgent).ready
  process.send!('ready')
})
