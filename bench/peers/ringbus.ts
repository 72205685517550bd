import { readFileSync } from 'node:fs'
import { connect, type RingbusClient } from '../../client/index.js'
import type { Connection, Peer } from './peer.js'
import { startRingbusBroker } from './ringbus-broker.js'

const MANIFEST = new URL('../../../package.json', import.meta.url)

const REQUEST_TIMEOUT_MS = 10_000

class RingbusConnection implements Connection {
  readonly #bus: RingbusClient

  constructor(bus: RingbusClient) {
    this.#bus = bus
  }

  publish(topic: string, payload: Buffer): void {
    this.#bus.publish(topic, payload)
  }

  subscribe(topic: string, handler: (payload: Uint8Array) => void): void {
    this.#bus.subscribe(topic, (message) => handler(message.bytes))
  }

  echo(topic: string): void {
    this.#bus.serve(topic, (request) => request.bytes)
  }

  async request(topic: string, payload: Buffer): Promise<Uint8Array> {
    const reply = await this.#bus.request(topic, payload, { timeout: REQUEST_TIMEOUT_MS })
    return reply.bytes
  }

  flush(): Promise<void> {
    return this.#bus.flush()
  }

  close(): Promise<void> {
    return this.#bus.close()
  }
}

export const ringbus: Peer = {
  name: 'ringbus',
  tuning: { windowMessages: 16_384, burstMessages: 1024, reportMessages: 2048 },

  version() {
    return (JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string }).version
  },

  startServer({ profileFolder }) {
    return startRingbusBroker(profileFolder)
  },

  async connect(address) {
    return new RingbusConnection(await connect({ path: address }))
  },
}
