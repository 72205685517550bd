import './with-parent.js'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type Message, type RingbusClient, type SubscribeOptions } from '../../client/index.js'
import { QUICK } from '../client/fixtures.js'
import { type SeriesCounts, SeriesLog } from './series.js'

/*
 * Subscriptions that look at every message. Begins when its parent sends it a part, and says 'ready'; told how many
 * messages were published of each series, it reports.
 */
export interface SubscriberPart {
  readonly path: string
  readonly name: string
  readonly subscriptions: readonly {
    readonly pattern: string
    readonly options?: SubscribeOptions
    /** Handlers take up to so long, by chance. Default: they are done at once. */
    readonly workMs?: number
  }[]
  /** Default false. */
  readonly reconnect?: boolean
}

/** What one subscription has seen. */
export interface SubscriberReport {
  readonly handled: number
  /** Messages that were published and not handled. */
  readonly missing: number
  readonly fault: string | undefined
  /** How often it was told that it is slow, or is no longer. */
  readonly slow: number
  readonly recovered: number
}

/** One message in so many has a handler that takes time. */
const WORK_INTERVAL = 16

class Watched {
  readonly pattern: string
  readonly log = new SeriesLog()
  slow = 0
  recovered = 0
  readonly #workMs: number

  constructor(pattern: string, workMs: number) {
    this.pattern = pattern
    this.#workMs = workMs
  }

  readonly take = (message: Message): Promise<void> | undefined => {
    this.log.take(message)
    if (this.#workMs === 0 || this.log.handled % WORK_INTERVAL !== 0) return undefined
    return delay(Math.random() * this.#workMs)
  }

  reportOn(published: SeriesCounts): SubscriberReport {
    const { log, slow, recovered } = this
    return { handled: log.handled, missing: log.missingOf(published), fault: log.fault, slow, recovered }
  }
}

async function subscribe(bus: RingbusClient, part: SubscriberPart): Promise<Watched[]> {
  const all: Watched[] = []
  for (const { pattern, options = {}, workMs = 0 } of part.subscriptions) {
    const watched = new Watched(pattern, workMs)
    all.push(watched)
    await bus.subscribe(pattern, options, watched.take).ready
  }
  return all
}

process.once('message', async (part: SubscriberPart) => {
  const { path, name, reconnect = false } = part
  const bus = await connect({ path, name, reconnect: reconnect && QUICK })
  const all = await subscribe(bus, part)
  bus.on('slow', ({ pattern, slow }) => {
    for (const watched of all) if (watched.pattern === pattern) watched[slow ? 'slow' : 'recovered'] += 1
  })
  process.on('message', (published: SeriesCounts) => {
    process.send!(all.map((watched) => watched.reportOn(published)))
  })
  process.send!('ready')
})
