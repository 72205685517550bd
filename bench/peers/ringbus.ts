import { readFileSync } from 'node:fs'
import { type ConnectOptions, connect, type RingbusClient } from '../../client/index.js'
import { PRIORITY_LEVELS } from '../../protocol/index.js'
import { MIB } from '../sizes.js'
import type { Connection, Draft, OwnName, PayloadHandler, Peer, Requests, Streams, Tuning } from './peer.js'
import { startRingbusBroker } from './ringbus-broker.js'

const MANIFEST = new URL('../../../package.json', import.meta.url)

const REQUEST_TIMEOUT_MS = 10_000

/** Whether somebody polls, and which of the ways for large payloads a program takes. */
interface Usage {
  /** Clients poll; by default only the broker does. */
  readonly latency?: 'low'
  /** The broker does not poll either. */
  readonly asleep?: true
  /** Streams stay with their sockets, however busy they are. */
  readonly socket?: true
  readonly way?: 'ring' | 'inline'
  /** Publishes from the ring's own memory. */
  readonly loan?: true
  /** Subscribes with views of the ring instead of copies. */
  readonly view?: true
}

/** A subscription's backlog in the broker holds 8 MiB, which a window must not pass. */
const TUNING: Tuning = {
  windowMessages: 32_768,
  windowBytes: 6 * MIB,
  heldBytes: 128 * MIB,
  burstMessages: 8192,
  reportMessages: 2048,
}

/** The broker holds references to payloads in a ring, as many as there are. */
const RING_TUNING: Tuning = { ...TUNING, heldBytes: Number.POSITIVE_INFINITY }

const USAGES: Record<OwnName, Usage> = {
  ringbus: {},
  'ringbus-low': { latency: 'low' },
  'ringbus-asleep': { asleep: true },
  'ringbus-socket': { socket: true },
  'ringbus-inline': { way: 'inline' },
  'ringbus-copies': { way: 'ring' },
  'ringbus-view': { way: 'ring', view: true },
  'ringbus-loan': { way: 'ring', view: true, loan: true },
}

/**
 * The broker gives memory of rings back that is not needed: every so often it replaces a ring that is used for less
 * than it has, and some payloads go by socket meanwhile. Here none of that shall fall into a measurement.
 */
const SETTINGS = { ringIdleMs: 3_600_000 }

/** More than any scenario publishes to a subscriber that does not take it. */
const HELD_BYTES = 256 * MIB

/** One object of options for each priority, as a program has that does not make them anew each time. */
const PRIORITIES = Array.from({ length: PRIORITY_LEVELS }, (_, priority) => ({ priority }))

class RingbusConnection implements Connection {
  readonly takesAtOnce = true
  readonly #bus: RingbusClient
  readonly #usage: Usage
  readonly requests: Requests
  readonly streams: Streams
  readonly loan?: (topic: string, byteLength: number) => Promise<Draft>

  constructor(bus: RingbusClient, usage: Usage) {
    this.#bus = bus
    this.#usage = usage
    this.requests = {
      echo: (topic, concurrency) => {
        bus.serve(topic, (request) => request.bytes, { concurrency })
      },
      request: async (topic, payload) => {
        const reply = await bus.request(topic, payload, { timeout: REQUEST_TIMEOUT_MS })
        return reply.bytes
      },
    }
    this.streams = {
      writable: (topic) => bus.createWriteStream(topic),
      readable: (topic) => bus.createReadStream(topic),
    }
    if (usage.loan) this.loan = (topic, byteLength) => bus.loan(topic, byteLength)
  }

  publish(topic: string, payload: Buffer): boolean {
    return this.#bus.publish(topic, payload)
  }

  publishWithPriority(topic: string, payload: Buffer, priority: number): boolean {
    return this.#bus.publish(topic, payload, PRIORITIES[priority]!)
  }

  ready(topic: string): Promise<void> {
    return this.#bus.ready(topic)
  }

  subscribe(topic: string, handler: PayloadHandler): void {
    const options = this.#usage.view ? { view: true } : {}
    this.#bus.subscribe(topic, options, (message) => handler(message.bytes))
  }

  flush(): Promise<void> {
    return this.#bus.flush()
  }

  close(): Promise<void> {
    return this.#bus.close()
  }
}

/** Everything that is as large as the payloads of the measurement goes that way. */
function ringOption(usage: Usage, payloadBytesMin: number): ConnectOptions {
  switch (usage.way) {
    case 'ring':
      return { ring: { threshold: payloadBytesMin } }
    case 'inline':
      return { ring: false }
    default:
      return {}
  }
}

export function ringbusVariant(name: OwnName): Peer {
  const usage = USAGES[name]
  return {
    name,
    tuning: usage.way === 'ring' ? RING_TUNING : TUNING,
    ...(usage.way === undefined ? {} : { way: usage.way }),

    presence() {
      return { version: (JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string }).version }
    },

    startServer({ profileFolder, holding = 'shipped' }) {
      const held = holding === 'everything' ? { backlogBytesMax: HELD_BYTES } : {}
      const polling = usage.asleep ? { busyPollUs: 0 } : {}
      const pairs = usage.socket ? { pairsMax: 0 } : {}
      return startRingbusBroker(profileFolder, { ...SETTINGS, ...held, ...polling, ...pairs })
    },

    async connect(path, { payloadBytesMin }) {
      const options = { path, latency: usage.latency, ...ringOption(usage, payloadBytesMin) }
      return new RingbusConnection(await connect(options), usage)
    },
  }
}
