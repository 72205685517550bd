import { join } from 'node:path'
import { createClient, type RedisClientType } from 'redis'
import { MIB } from '../sizes.js'
import type { Connection, PayloadHandler, Peer } from './peer.js'
import { programPresence, startServerProgram } from './server-process.js'

const PROGRAM = 'redis-server'

/** A subscriber that has not read as much as the server would hold by itself is otherwise disconnected. */
const HOLDING = { 'client-output-buffer-limit': 'pubsub 0 0 0' }

/** None: the client would otherwise make a timer for each message, which costs several times what the rest does. */
const COMMAND_TIMEOUT_MS = 0

class RedisConnection implements Connection {
  readonly #client: RedisClientType
  /** Subscriptions that the server has not yet confirmed. */
  #subscribing: Promise<unknown> = Promise.resolve()

  constructor(client: RedisClientType) {
    this.#client = client
  }

  publish(topic: string, payload: Buffer): boolean {
    void this.#client.publish(topic, payload)
    return true
  }

  async ready(): Promise<void> {}

  subscribe(topic: string, handler: PayloadHandler): void {
    const listener = (payload: Buffer) => void handler(payload)
    const subscribed = topic.includes('*')
      ? this.#client.pSubscribe(topic, listener, true)
      : this.#client.subscribe(topic, listener, true)
    this.#subscribing = Promise.all([this.#subscribing, subscribed])
  }

  async flush(): Promise<void> {
    await Promise.all([this.#subscribing, this.#client.ping()])
  }

  async close(): Promise<void> {
    await this.#client.close()
  }
}

export const redis: Peer = {
  name: 'redis',
  tuning: {
    windowMessages: 512,
    windowBytes: 8 * MIB,
    heldBytes: 128 * MIB,
    burstMessages: 128,
    reportMessages: 64,
  },

  presence() {
    return programPresence(PROGRAM, '--version', /v=(\S+)/)
  },

  startServer({ holding = 'everything' }) {
    return startServerProgram(PROGRAM, (folder) => {
      const socketPath = join(folder, 'redis.sock')
      const settings: Record<string, string> = {
        port: '0',
        unixsocket: socketPath,
        dir: folder,
        // Nothing is stored, so nothing is written to the disk meanwhile.
        save: '',
        appendonly: 'no',
        ...(holding === 'everything' ? HOLDING : {}),
      }
      return {
        args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
        readyAddress: (line) => (/ready to accept connections/i.test(line) ? socketPath : undefined),
      }
    })
  },

  async connect(address, { reconnects = false }) {
    // Version 3 of its protocol lets one connection subscribe and publish.
    const client: RedisClientType = createClient({
      RESP: 3,
      commandOptions: { timeout: COMMAND_TIMEOUT_MS },
      socket: { path: address, ...(reconnects ? {} : { reconnectStrategy: false }) },
    })
    client.on('error', (error) => {
      if (!reconnects) throw error
    })
    await client.connect()
    return new RedisConnection(client)
  },
}
