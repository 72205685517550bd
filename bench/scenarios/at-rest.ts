import { setTimeout as pause } from 'node:timers/promises'
import { Child } from '../child.js'
import type { Peer, PeerName, Server } from '../peers/index.js'
import { isProcessorTimeKnown, processorNs, processorTicks } from '../processor-time.js'
import type { RestingClientCommands } from '../workers/resting-client.js'
import { type Metric, type Sample, type Scenario, withServer } from './scenario.js'

const RESTING_CLIENT = new URL('../workers/resting-client.js', import.meta.url)

const TOPIC = 'bench.rest'
const PAYLOAD_BYTES = 128

/** One of them is alone in its process: the one that is looked at. */
const CLIENTS = 50

/** Enough for everything that adapts to traffic to do so. */
const BURST_COUNT = 4000
const BURST_TIMEOUT_MS = 60_000

/** V8 collects what a burst has left when eight seconds have been quiet, or twice as many. Rest is what follows. */
const SETTLED_MS = 20_000
const REST_MS = 10_000

/** Systems with an idle state of their own. */
const PEERS: readonly PeerName[] = ['ringbus', 'ringbus-low', 'nats']

interface Spent {
  readonly ticks: number
  readonly ns: number
}

const readSpent = (pid: number): Spent => ({ ticks: processorTicks(pid), ns: processorNs(pid) })

async function measure(peer: Peer, server: Server): Promise<Sample> {
  const client = new Child<RestingClientCommands>(RESTING_CLIENT)
  const others = new Child<RestingClientCommands>(RESTING_CLIENT)
  try {
    const order = { peer: peer.name, address: server.address, topic: TOPIC, payloadBytes: PAYLOAD_BYTES }
    await client.call('connect', { ...order, connections: 1 })
    await others.call('connect', { ...order, connections: CLIENTS - 1 })
    await Promise.all([
      client.call('receive', null, BURST_TIMEOUT_MS),
      others.call('receive', null, BURST_TIMEOUT_MS),
      others.call('burst', { count: BURST_COUNT }, BURST_TIMEOUT_MS),
    ])
    await pause(SETTLED_MS)
    const pids = [server.pid, client.pid]
    const before = pids.map(readSpent)
    await pause(REST_MS)
    return pids.map(readSpent).flatMap(({ ticks, ns }, index) => {
      const { ticks: ticksBefore, ns: nsBefore } = before[index]!
      return [ticks - ticksBefore, (ns - nsBefore) / 1e6]
    })
  } finally {
    await Promise.all([client.stop(), others.stop()])
  }
}

export const atRestScenario: Scenario = {
  name: 'at-rest',
  title: `${CLIENTS} clients with a subscription each that have nothing to say, over ${REST_MS / 1000} s, some time after a burst`,
  metrics: ['server', 'client'].flatMap((kind): Metric[] => [
    { name: `${kind}`, unit: 'clock ticks', better: 'lower' },
    { name: `${kind}, processor time`, unit: 'ms', better: 'lower' },
  ]),
  peers: PEERS,
  references: ['nats'],
  samplesMax: 3,
  isLong: true,
  obstacle: () => (isProcessorTimeKnown ? undefined : 'the system keeps no account of processor time'),
  measure: (peer, options) => withServer(peer, options, (server) => measure(peer, server)),
}
