import { setTimeout as pause } from 'node:timers/promises'
import { Child } from '../child.js'
import { nowNs } from '../clock.js'
import type { Peer, Server } from '../peers/index.js'
import { isProcessorTimeKnown, ProcessorWatch } from '../processor-time.js'
import { percentile } from '../statistics.js'
import type { PollingCommands } from '../workers/polling.js'
import { type MeasureOptions, type Metric, type Sample, type Scenario, withServer } from './scenario.js'

const WORKER = new URL('../workers/polling.js', import.meta.url)

const PAYLOAD_BYTES = 128

/** Workers are told to start a little later, so that all of them start then. */
const HEAD_START_MS = 100

/** The slowest pace has too few messages in a shorter time. */
const DURATION_MS_MIN = 1000

const LATENCIES: readonly Metric[] = ['p50', 'p99'].map((name) => ({ name, unit: 'µs', better: 'lower' }))

/** How many processors each keeps busy, on average. */
const PROCESSORS: readonly Metric[] = ['broker', 'publisher', 'each subscriber'].map((name) => ({
  name: `${name}: processors`,
  unit: 'ratio',
  better: 'lower',
}))

const VOLLEY_PROCESSORS: readonly Metric[] = ['broker', 'each client'].map((name) => ({
  name: `${name}: processors`,
  unit: 'ratio',
  better: 'lower',
}))

const COMMON: Pick<Scenario, 'peers' | 'references' | 'isLong' | 'obstacle'> = {
  peers: ['ringbus-asleep', 'ringbus', 'ringbus-low'],
  references: ['ringbus-asleep'],
  isLong: true,
  obstacle: () => (isProcessorTimeKnown ? undefined : 'the system does not tell how long a process has run'),
}

/** When the measured part of a sample begins and ends. */
interface Phase {
  readonly startNs: number
  readonly measuredNs: number
  readonly endNs: number
  /** How long the measured part is. */
  readonly durationNs: number
}

type Worker = Child<PollingCommands>

function phaseFor({ warmupMs, durationMs }: MeasureOptions): Phase {
  const startNs = nowNs() + HEAD_START_MS * 1e6
  const measuredNs = startNs + warmupMs * 1e6
  const durationNs = Math.max(durationMs, DURATION_MS_MIN) * 1e6
  return { startNs, measuredNs, endNs: measuredNs + durationNs, durationNs }
}

function untilNs(timeNs: number): Promise<void> {
  return pause(Math.max(0, (timeNs - nowNs()) / 1e6))
}

async function withWorkers(
  peer: Peer,
  options: MeasureOptions,
  count: number,
  use: (server: Server, workers: readonly Worker[]) => Promise<Sample>,
): Promise<Sample> {
  return withServer(peer, options, async (server) => {
    const workers = Array.from({ length: count }, () => new Child<PollingCommands>(WORKER, options))
    try {
      const order = { peer: peer.name, address: server.address }
      await Promise.all(workers.map((worker) => worker.call('connect', order)))
      return await use(server, workers)
    } finally {
      await Promise.all(workers.map((worker) => worker.stop()))
    }
  })
}

/** Of groups of processes, how many processors each process kept busy in the measured part. */
async function processorsIn<Group extends string>(
  { measuredNs, endNs, durationNs }: Phase,
  pids: Readonly<Record<Group, readonly number[]>>,
): Promise<number[]> {
  await untilNs(measuredNs)
  const watch = new ProcessorWatch(pids)
  await untilNs(endNs)
  const spentNs = watch.spentNs()
  return (Object.keys(pids) as Group[]).map((group) => spentNs[group] / pids[group].length / durationNs)
}

async function latencies(workers: readonly Worker[], { measuredNs }: Phase): Promise<number[]> {
  const lists = await Promise.all(
    workers.map((worker) => worker.call('latenciesUs', { sinceNs: measuredNs })),
  )
  const sorted = Float64Array.from(lists.flat()).sort()
  if (sorted.length === 0) throw new Error('No message arrived')
  return [percentile(sorted, 0.5), percentile(sorted, 0.99)]
}

/** One publisher with a pace, and so many subscribers, each a process; `perSecond` 0: nobody says anything. */
function paced(perSecond: number, subscribers: number): Scenario {
  const isAtRest = perSecond === 0
  const pace = isAtRest ? 'at rest' : `${perSecond} messages/s`
  return {
    name: `polling-${isAtRest ? 'rest' : perSecond}-${subscribers}`,
    title: `${pace} to ${subscribers} subscriber${subscribers === 1 ? '' : 's'}: latency and processor time`,
    metrics: isAtRest ? PROCESSORS : [...LATENCIES, ...PROCESSORS],
    ...COMMON,
    measure(peer, options) {
      return withWorkers(peer, options, subscribers + 1, async (server, [publisher, ...others]) => {
        const topic = 'bench.polling'
        await Promise.all(others.map((worker) => worker.call('listen', { topic })))
        const phase = phaseFor(options)
        const processors = processorsIn(phase, {
          broker: [server.pid],
          publisher: [publisher!.pid],
          subscribers: others.map(({ pid }) => pid),
        })
        if (isAtRest) return processors
        const { startNs, endNs } = phase
        const intervalMs = 1000 / perSecond
        await publisher!.call('pace', { topic, payloadBytes: PAYLOAD_BYTES, intervalMs, startNs, endNs })
        return [...(await latencies(others, phase)), ...(await processors)]
      })
    },
  }
}

/** So many processes with two connections each, between which one message goes to and fro. */
function volleys(clients: number): Scenario {
  return {
    name: `polling-back-to-back-${clients}`,
    title: `one message to and fro in each of ${clients} process${clients === 1 ? '' : 'es'}: latency and processor time`,
    metrics: [...LATENCIES, ...VOLLEY_PROCESSORS],
    ...COMMON,
    measure(peer, options) {
      return withWorkers(peer, options, clients, async (server, workers) => {
        const phase = phaseFor(options)
        const pids = { broker: [server.pid], clients: workers.map(({ pid }) => pid) }
        const { startNs, endNs } = phase
        const [processors] = await Promise.all([
          processorsIn(phase, pids),
          ...workers.map((worker, index) =>
            worker.call('volley', {
              topic: `bench.polling.${index}`,
              payloadBytes: PAYLOAD_BYTES,
              startNs,
              endNs,
            }),
          ),
        ])
        return [...(await latencies(workers, phase)), ...processors]
      })
    },
  }
}

const CLIENT_COUNTS = [1, 4, 8]

export const pollingScenarios: readonly Scenario[] = [
  paced(0, 1),
  ...[100, 1000, 10_000].flatMap((perSecond) => CLIENT_COUNTS.map((count) => paced(perSecond, count))),
  ...CLIENT_COUNTS.map(volleys),
]
