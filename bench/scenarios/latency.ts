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
  type RecordedSample,
  type Scenario,
  withServer,
} from './scenario.js'

const LATENCY = new URL('../workers/latency.js', import.meta.url)

const PAYLOAD_BYTES = 128

/** Messages before the series: enough for every process to compile what it runs often. */
const WARMUP_COUNT = 5000

/** What is called so in the results of a ping-pong. */
export const PUBLISH_SPAN = 'publish to handler'
const REQUEST_SPAN = 'request to reply'

export const LATENCY_METRICS: readonly Metric[] = ['p50', 'p99', 'p99.9', 'max'].map((name) => ({
  name,
  unit: 'µs',
  better: 'lower',
}))

interface Series {
  readonly payloadBytes: number
  readonly count: number
  /** What its times span, as histograms are called. */
  readonly span: string
}

const PROCESSES = ['client', 'server'] as const

/** One series, by a process with two connections: its percentiles, and the processor time of each process. */
export function measureLatency(
  peer: Peer,
  options: MeasureOptions,
  command: 'pingPong' | 'request',
  { payloadBytes, count, span }: Series,
): Promise<RecordedSample> {
  return withServer(peer, options, async (server) => {
    const worker = new Child<LatencyCommands>(LATENCY, options)
    try {
      await worker.call('connect', { peer: peer.name, address: server.address })
      const series = await worker.call(command, {
        serverPid: server.pid,
        payloadBytes,
        warmupCount: Math.min(WARMUP_COUNT, count),
        count,
      })
      return {
        values: [
          series.p50Us,
          series.p99Us,
          series.p999Us,
          series.maxUs,
          ...processorValues(PROCESSES, series.processorNs, count),
        ],
        histograms: { [span]: series.histogram },
      }
    } finally {
      await worker.stop()
    }
  })
}

interface Shape {
  readonly command: 'pingPong' | 'request'
  readonly span: string
  readonly floors: readonly Floor[]
}

function latency(name: string, title: string, { command, span, floors }: Shape): Scenario {
  return {
    name,
    title,
    metrics: [...LATENCY_METRICS, ...processorMetrics(PROCESSES)],
    peers: ['ringbus', 'ringbus-low', 'nats'],
    floors,
    references: ['nats', 'floor-futex'],
    measure: (peer, options) =>
      measureLatency(peer, options, command, {
        payloadBytes: PAYLOAD_BYTES,
        count: options.seriesCount,
        span,
      }),
  }
}

function floorsOf(names: readonly FloorName[], hops: 2 | 4, span: string): Floor[] {
  const shape = {
    payloadBytes: PAYLOAD_BYTES,
    hops,
    span,
    count: ({ seriesCount }: MeasureOptions) => seriesCount,
  }
  return only(names, latencyFloors(shape))
}

export const latencyScenarios: readonly Scenario[] = [
  latency('ping-pong', '128 B, publish to handler, one message at a time', {
    command: 'pingPong',
    span: PUBLISH_SPAN,
    floors: floorsOf(
      ['floor-futex', 'floor-futex-unpinned', 'floor-socket-epoll', 'floor-pipe'],
      2,
      PUBLISH_SPAN,
    ),
  }),
  latency('request', '128 B, request to reply, one at a time', {
    command: 'request',
    span: REQUEST_SPAN,
    floors: floorsOf(['floor-futex', 'floor-futex-unpinned', 'floor-socket-epoll'], 4, REQUEST_SPAN),
  }),
]
