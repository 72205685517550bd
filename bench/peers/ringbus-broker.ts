import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrokerSettings } from '../../broker/index.js'
import { connect, type RingbusClient } from '../../client/index.js'
import { Child } from '../child.js'
import type { BrokerCommands } from '../workers/broker.js'
import type { DeliveryAccount, DeliveryCounts, Server } from './peer.js'

const BROKER_WORKER = new URL('../workers/broker.js', import.meta.url)

/** What the broker says of its rings, as far as the bench looks at it. */
export interface RingStats {
  readonly segments: number
  readonly segmentBytes: number
  readonly reservedBytes: number
  readonly delivered: number
  readonly inlined: number
  readonly copiedOut: number
}

/** A broker in a process of its own that can also be asked what it costs. */
export interface RingbusServer extends Server {
  readonly broker: Child<BrokerCommands>
  ringStats(): Promise<RingStats>
  deliveryCounts(): Promise<DeliveryCounts>
  accountOf(pid: number): Promise<DeliveryAccount>
}

interface SubscriptionRow extends DeliveryAccount {
  readonly pid: number
}

export async function startRingbusBroker(
  profileFolder?: string,
  settings: BrokerSettings = {},
): Promise<RingbusServer> {
  const folder = mkdtempSync(join(tmpdir(), 'ringbus-bench-'))
  const address = join(folder, 'broker.sock')
  const broker = new Child<BrokerCommands>(BROKER_WORKER, { nodeOptions: ['--expose-gc'], profileFolder })
  await broker.call('start', { ...settings, path: address })
  /** Made when it is first asked something, and not counted by a scenario that counts clients. */
  let observer: RingbusClient | undefined
  async function ask<Answer>(topic: string): Promise<Answer> {
    observer ??= await connect({ path: address, reconnect: false, ring: false })
    return (await observer.request<Answer>(topic)).data
  }
  async function ringStats(): Promise<RingStats> {
    return (await ask<{ rings: RingStats }>('$SYS.stats')).rings
  }
  return {
    address,
    pid: broker.pid,
    broker,
    ringStats,
    async deliveryCounts() {
      const { delivered, inlined } = await ringStats()
      return { byRing: delivered, inlined }
    },
    async accountOf(pid) {
      const { rows } = await ask<{ rows: SubscriptionRow[] }>('$SYS.subscriptions')
      const row = rows.find((candidate) => candidate.pid === pid)
      if (row === undefined) throw new Error(`Process ${pid} has no subscription`)
      return row
    },
    async stop() {
      await observer?.close()
      await broker.stop()
      rmSync(folder, { recursive: true })
    },
  }
}
