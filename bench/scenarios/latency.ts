import { Child } from '../child.js'
import type { FloorName } from '../floors/index.js'
import type { Peer } from '../peers/index.js'
import type { LatencyCommands } from '../workers/latency.js'
import { latencyFloors, only } from './floors.js'
import { processorMetrics, processorValues } from './processor-costs.js'
import {
  type Floor,
  type MeasureOptions,
  type Metric,
  type Sample,
  type Scenario,
  withServer,
} from './scenario.js'

const LATENCY = new URL('../workers/latency.js', import.meta.url)

const PAYLOAD_BYTES = 128

/** Messages before the series: enough for every process to compile what it runs often. */
const WARMUP_COUNT = 5000

export const LATENCY_METRICS: readonly Metric[] = ['p50', 'p99', 'p99.9'].map((name) => ({
  name,
  unit: 'µs',
  better: 'lower',
}))

interface Series {
  readonly payloadBytes: number
  readonly count: number
}

const PROCESSES = ['client', 'server'] as const

/** One series, by a process with two connections: its percentiles, and the processor time of each process. */
export function measureLatency(
  peer: Peer,
  options: MeasureOptions,
  command: 'pingPong' | 'request',
  { payloadBytes, count }: Series,
): Promise<Sample> {
  return withServer(peer, options, async (server) => {
    const worker = new Child<LatencyCommands>(LATENCY, options)
    try {
      await worker.call('connect', { peer: peer.name, address: server.address })
      const { p50Us, p99Us, p999Us, processorNs } = await worker.call(command, {
        serverPid: server.pid,
        payloadBytes,
        warmupCount: Math.min(WARMUP_COUNT, count),
        count,
      })
      return [p50Us, p99Us, p999Us, ...processorValues(PROCESSES, processorNs, count)]
    } finally {
      await worker.stop()
    }
  })
}

interface Shape {
  readonly command: 'pingPong' | 'request'
  readonly floors: readonly Floor[]
}

function latency(name: string, title: string, { command, floors }: Shape): Scenario {
  return {
    name,
    title,
    metrics: [...LATENCY_METRICS, ...processorMetrics(PROCESSES)],
    peers: ['ringbus', 'nats'],
    floors,
    references: ['nats', 'floor-futex'],
    measure: (peer, options) =>
      measureLatency(peer, options, command, { payloadBytes: PAYLOAD_BYTES, count: options.seriesCount }),
  }
}

function floorsOf(names: readonly FloorName[], hops: 2 | 4): Floor[] {
  const shape = { payloadBytes: PAYLOAD_BYTES, hops, count: ({ seriesCount }: MeasureOptions) => seriesCount }
  return only(names, latencyFloors(shape))
}

export const latencyScenarios: readonly Scenario[] = [
  latency('ping-pong', '128 B, publish to handler, one message at a time', {
    command: 'pingPong',
    floors: floorsOf(['floor-futex', 'floor-futex-unpinned', 'floor-socket-epoll', 'floor-pipe'], 2),
  }),
  latency('request', '128 B, request to reply, one at a time', {
    command: 'request',
    floors: floorsOf(['floor-futex', 'floor-futex-unpinned', 'floor-socket-epoll'], 4),
  }),
]
