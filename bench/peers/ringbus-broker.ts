import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child } from '../child.js'
import type { BrokerCommands } from '../workers/broker.js'
import type { Server } from './peer.js'

const BROKER_WORKER = new URL('../workers/broker.js', import.meta.url)

/** A broker in a process of its own that can also be asked what it costs. */
export interface RingbusServer extends Server {
  readonly broker: Child<BrokerCommands>
}

export async function startRingbusBroker(profileFolder?: string): Promise<RingbusServer> {
  const folder = mkdtempSync(join(tmpdir(), 'ringbus-bench-'))
  const address = join(folder, 'broker.sock')
  const broker = new Child<BrokerCommands>(BROKER_WORKER, { nodeOptions: ['--expose-gc'], profileFolder })
  await broker.call('start', { path: address })
  return {
    address,
    broker,
    async stop() {
      await broker.stop()
      rmSync(folder, { recursive: true })
    },
  }
}
