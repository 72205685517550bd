import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { MIB } from '../sizes.js'
import type { Connection, PayloadHandler, Peer, Requests } from './peer.js'
import { programPresence, startServerProgram } from './server-process.js'

const PROGRAM = 'nats-server'

/** As much as ringbus takes in one payload. */
const CONFIGURATION = `
listen: 127.0.0.1:-1
max_payload: 67108864
`

/** More than a window of any scenario takes; a subscriber that has not read as much is disconnected. */
const HOLDING = `
max_pending: 268435456
`

/** Pings between the client and its server are for dead networks, and none shall fall into a measurement. */
const PING_INTERVAL_MS = 3_600_000

const REQUEST_TIMEOUT_MS = 10_000

class NatsPeerConnection implements Connection {
  readonly #connection: NatsConnection
  readonly requests: Requests

  constructor(connection: NatsConnection) {
    this.#connection = connection
    this.requests = {
      echo: (topic) => {
        connection.subscribe(topic, { callback: (_error, message) => void message.respond(message.data) })
      },
      request: async (topic, payload) => {
        const reply = await connection.request(topic, payload, { timeout: REQUEST_TIMEOUT_MS })
        return reply.data
      },
    }
  }

  publish(topic: string, payload: Buffer): boolean {
    this.#connection.publish(topic, payload)
    return true
  }

  async ready(): Promise<void> {}

  subscribe(topic: string, handler: PayloadHandler): void {
    this.#connection.subscribe(topic, { callback: (_error, message) => void handler(message.data) })
  }

  flush(): Promise<void> {
    return this.#connection.flush()
  }

  close(): Promise<void> {
    return this.#connection.close()
  }
}

export const nats: Peer = {
  name: 'nats',
  tuning: {
    windowMessages: 16_384,
    windowBytes: 32 * MIB,
    heldBytes: 128 * MIB,
    burstMessages: 4096,
    reportMessages: 2048,
  },

  presence() {
    return programPresence(PROGRAM, '--version', /v?(\d\S*)/)
  },

  startServer({ holding = 'everything' }) {
    return startServerProgram(PROGRAM, (folder) => {
      const configurationPath = join(folder, 'nats.conf')
      writeFileSync(configurationPath, holding === 'everything' ? CONFIGURATION + HOLDING : CONFIGURATION)
      let address: string | undefined
      return {
        args: ['-c', configurationPath],
        /** The server chooses a free port and names it in its log. */
        readyAddress(line) {
          address = /Listening for client connections on (\S+)/.exec(line)?.[1] ?? address
          return line.includes('Server is ready') ? address : undefined
        },
      }
    })
  },

  async connect(address, { reconnects = false }) {
    const connection = await connect({
      servers: address,
      noEcho: true,
      noAsyncTraces: true,
      resolve: false,
      reconnect: reconnects,
      pingInterval: PING_INTERVAL_MS,
    })
    return new NatsPeerConnection(connection)
  },
}
