import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Connection, Peer, Server } from './peer.js'

const PROGRAM = 'nats-server'

/** As much as ringbus takes in one payload, and more than a window of any scenario takes. */
const CONFIGURATION = `
listen: 127.0.0.1:-1
max_payload: 67108864
max_pending: 268435456
`

/** Pings between the client and its server are for dead networks, and none shall fall into a measurement. */
const PING_INTERVAL_MS = 3_600_000

const REQUEST_TIMEOUT_MS = 10_000

class NatsPeerConnection implements Connection {
  readonly #connection: NatsConnection

  constructor(connection: NatsConnection) {
    this.#connection = connection
  }

  publish(topic: string, payload: Buffer): void {
    this.#connection.publish(topic, payload)
  }

  subscribe(topic: string, handler: (payload: Uint8Array) => void): void {
    this.#connection.subscribe(topic, { callback: (_error, message) => handler(message.data) })
  }

  echo(topic: string): void {
    this.#connection.subscribe(topic, { callback: (_error, message) => void message.respond(message.data) })
  }

  async request(topic: string, payload: Buffer): Promise<Uint8Array> {
    const reply = await this.#connection.request(topic, payload, { timeout: REQUEST_TIMEOUT_MS })
    return reply.data
  }

  flush(): Promise<void> {
    return this.#connection.flush()
  }

  close(): Promise<void> {
    return this.#connection.close()
  }
}

async function startServer(): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'ringbus-bench-nats-'))
  const configurationPath = join(folder, 'nats.conf')
  writeFileSync(configurationPath, CONFIGURATION)
  const server = spawn(PROGRAM, ['-c', configurationPath], { stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = once(server, 'exit')
  try {
    const address = await listeningAddress(server)
    return {
      address,
      async stop() {
        server.kill('SIGKILL')
        await exited
        rmSync(folder, { recursive: true })
      },
    }
  } catch (error) {
    server.kill('SIGKILL')
    rmSync(folder, { recursive: true })
    throw error
  }
}

/** The server chooses a free port and names it in its log, of which nothing follows once it is ready. */
async function listeningAddress(server: ChildProcess): Promise<string> {
  let address: string | undefined
  for await (const line of createInterface({ input: server.stderr! })) {
    address = /Listening for client connections on (\S+)/.exec(line)?.[1] ?? address
    if (line.includes('Server is ready') && address !== undefined) return address
  }
  throw new Error(`${PROGRAM} ended before it was ready`)
}

export const nats: Peer = {
  name: 'nats',
  tuning: { windowMessages: 16_384, burstMessages: 4096, reportMessages: 2048 },

  version() {
    const { status, stdout } = spawnSync(PROGRAM, ['--version'], { encoding: 'utf8' })
    return status === 0 ? stdout.trim() : undefined
  },

  startServer,

  async connect(address) {
    const connection = await connect({
      servers: address,
      noEcho: true,
      noAsyncTraces: true,
      resolve: false,
      reconnect: false,
      pingInterval: PING_INTERVAL_MS,
    })
    return new NatsPeerConnection(connection)
  },
}
