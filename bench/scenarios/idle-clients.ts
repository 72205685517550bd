import { readFileSync } from 'node:fs'
import { Child } from '../child.js'
import { startRingbusBroker } from '../peers/ringbus-broker.js'
import type { IdleClientsCommands } from '../workers/idle-clients.js'
import type { Scenario } from './scenario.js'

const IDLE_CLIENTS = new URL('../workers/idle-clients.js', import.meta.url)

const CLIENTS = 10_000

/** Processes that hold the clients: each has descriptors for its share. */
const PROCESSES = 4

/** Clients before the first figure: what the broker sets up once is not what one more client costs. */
const CLIENTS_BEFORE = 100

/** Descriptors that the broker's process needs for itself. */
const DESCRIPTORS_BESIDE = 256

/** Opening thousands of connections takes seconds on a busy machine. */
const OPEN_TIMEOUT_MS = 120_000

/** Node raises its own soft limit to the hard one, so the hard one counts. */
function descriptorsMax(): number {
  const limit = /^Max open files +\S+ +(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit)
}

async function measureBytesPerClient(): Promise<number> {
  const server = await startRingbusBroker()
  const holders = Array.from({ length: PROCESSES }, () => new Child<IdleClientsCommands>(IDLE_CLIENTS))
  try {
    const open = (count: number) =>
      Promise.all(
        holders.map((holder) =>
          holder.call('open', { path: server.address, count: count / PROCESSES }, OPEN_TIMEOUT_MS),
        ),
      )
    await open(CLIENTS_BEFORE)
    const before = await server.broker.call('residentBytes', null)
    await open(CLIENTS)
    const after = await server.broker.call('residentBytes', null)
    return (after - before) / CLIENTS
  } finally {
    await Promise.all(holders.map((holder) => holder.stop()))
    await server.stop()
  }
}

export const idleClientsScenario: Scenario = {
  name: 'idle-clients',
  title: `${CLIENTS} idle clients, resident bytes of the broker for each`,
  metrics: [{ name: 'per client', unit: 'bytes', better: 'lower' }],
  peers: ['ringbus'],
  references: [],
  samplesMax: 3,

  obstacle() {
    const needed = CLIENTS + CLIENTS_BEFORE + DESCRIPTORS_BESIDE
    return descriptorsMax() < needed
      ? `a process may open ${descriptorsMax()} files here, ${needed} are needed`
      : undefined
  },

  async measure() {
    return [await measureBytesPerClient()]
  },
}
