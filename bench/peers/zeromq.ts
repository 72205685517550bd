import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Publisher, Subscriber } from 'zeromq'
import { Child } from '../child.js'
import { MIB } from '../sizes.js'
import type { ZeromqProxyCommands } from '../workers/zeromq-proxy.js'
import type { Connection, PayloadHandler, Peer } from './peer.js'
import { proxyAddress, RECEIVING, SENDING } from './zeromq-address.js'

const PROXY_WORKER = new URL('../workers/zeromq-proxy.js', import.meta.url)

/** Loaded when it is used, for its addon does not run everywhere. */
function loadLibrary(): typeof import('zeromq') {
  return createRequire(import.meta.url)('zeromq')
}

/** Between two attempts of a flush to reach the proxy: nobody tells a socket that it is connected. */
const FLUSH_INTERVAL_MS = 2

class ZeromqConnection implements Connection {
  readonly #publisher: Publisher
  readonly #subscriber: Subscriber
  readonly #handlers = new Map<string, PayloadHandler>()
  /** A socket takes one message at a time. */
  readonly #unsent: [string, Buffer][] = []

  constructor(publisher: Publisher, subscriber: Subscriber) {
    this.#publisher = publisher
    this.#subscriber = subscriber
    void this.#receive()
  }

  publish(topic: string, payload: Buffer): boolean {
    this.#unsent.push([topic, payload])
    if (this.#unsent.length === 1) void this.#send()
    return true
  }

  async ready(): Promise<void> {}

  subscribe(topic: string, handler: PayloadHandler): void {
    this.#handlers.set(topic, handler)
    this.#subscriber.subscribe(topic)
  }

  /**
   * Publishes to a topic of its own until that is back: what was subscribed and published before is then in the
   * proxy as well, since each socket keeps its order.
   */
  async flush(): Promise<void> {
    const topic = `bench.flush.${randomUUID()}`
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => this.publish(topic, Buffer.alloc(1)), FLUSH_INTERVAL_MS)
      this.subscribe(topic, () => {
        clearInterval(timer)
        resolve()
      })
    })
    this.#handlers.delete(topic)
    this.#subscriber.unsubscribe(topic)
  }

  async close(): Promise<void> {
    this.#publisher.close()
    this.#subscriber.close()
  }

  async #send(): Promise<void> {
    while (this.#unsent.length > 0) {
      await this.#publisher.send(this.#unsent[0]!)
      this.#unsent.shift()
    }
  }

  async #receive(): Promise<void> {
    for await (const [topic, payload] of this.#subscriber) {
      void this.#handlers.get(topic!.toString('latin1'))?.(payload!)
    }
  }
}

export const zeromq: Peer = {
  name: 'zeromq',
  tuning: {
    windowMessages: 4096,
    windowBytes: 16 * MIB,
    heldBytes: 128 * MIB,
    burstMessages: 1024,
    reportMessages: 512,
  },

  presence() {
    try {
      return { version: loadLibrary().version }
    } catch (error) {
      const [reason] = String(error).split('\n')
      return { missing: `its library cannot be loaded: ${reason}` }
    }
  },

  async startServer({ profileFolder }) {
    const folder = mkdtempSync(join(tmpdir(), 'ringbus-bench-'))
    const proxy = new Child<ZeromqProxyCommands>(PROXY_WORKER, { profileFolder })
    await proxy.call('start', { folder })
    return {
      address: folder,
      pid: proxy.pid,
      async stop() {
        await proxy.kill()
        rmSync(folder, { recursive: true })
      },
    }
  },

  async connect(folder) {
    const library = loadLibrary()
    const publisher = new library.Publisher(SENDING)
    publisher.connect(proxyAddress(folder, 'publishers'))
    const subscriber = new library.Subscriber(RECEIVING)
    subscriber.connect(proxyAddress(folder, 'subscribers'))
    return new ZeromqConnection(publisher, subscriber)
  },
}
