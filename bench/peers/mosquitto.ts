import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectAsync, type MqttClient } from 'mqtt'
import { MIB } from '../sizes.js'
import type { Connection, PayloadHandler, Peer } from './peer.js'
import { programPresence, startServerProgram } from './server-process.js'

const PROGRAM = 'mosquitto'

/** No limit on what waits for a subscriber: past one the server drops messages. */
const configuration = (socketPath: string) => `
listener 0 ${socketPath}
user root
allow_anonymous true
persistence false
max_queued_messages 0
max_queued_bytes 0
log_dest stderr
`

/** A topic that nobody subscribes to. */
const FLUSH_TOPIC = 'bench.flush'

class MosquittoConnection implements Connection {
  readonly #client: MqttClient
  readonly #handlers = new Map<string, PayloadHandler>()
  /** Subscriptions that the server has not yet confirmed. */
  #subscribing: Promise<unknown> = Promise.resolve()

  constructor(client: MqttClient) {
    this.#client = client
    client.on('message', (topic, payload) => void this.#handlers.get(topic)?.(payload))
  }

  publish(topic: string, payload: Buffer): boolean {
    this.#client.publish(topic, payload)
    return true
  }

  async ready(): Promise<void> {}

  subscribe(topic: string, handler: PayloadHandler): void {
    this.#handlers.set(topic, handler)
    this.#subscribing = Promise.all([this.#subscribing, this.#client.subscribeAsync(topic)])
  }

  /** The server acknowledges a message of this quality only after everything before it. */
  async flush(): Promise<void> {
    await Promise.all([this.#subscribing, this.#client.publishAsync(FLUSH_TOPIC, '', { qos: 1 })])
  }

  close(): Promise<void> {
    return this.#client.endAsync()
  }
}

export const mosquitto: Peer = {
  name: 'mosquitto',
  tuning: {
    windowMessages: 4096,
    windowBytes: 8 * MIB,
    heldBytes: 128 * MIB,
    burstMessages: 256,
    reportMessages: 512,
  },

  presence() {
    return programPresence(PROGRAM, '-h', /version (\S+)/)
  },

  startServer() {
    return startServerProgram(PROGRAM, (folder) => {
      const configurationPath = join(folder, 'mosquitto.conf')
      const socketPath = join(folder, 'mosquitto.sock')
      writeFileSync(configurationPath, configuration(socketPath))
      return {
        args: ['-c', configurationPath],
        readyAddress: (line) => (/mosquitto version \S+ running/.test(line) ? socketPath : undefined),
      }
    })
  },

  async connect(address) {
    const client = await connectAsync(`mqtt+unix://${address}`, {
      keepalive: 0,
      reconnectPeriod: 0,
      resubscribe: false,
    })
    client.on('error', (error) => {
      throw error
    })
    return new MosquittoConnection(client)
  },
}
