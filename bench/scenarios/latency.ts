import { Child } from '../child.js'
import type { LatencyCommands } from '../workers/latency.js'
import { type Metric, type Scenario, withServer } from './scenario.js'

const LATENCY = new URL('../workers/latency.js', import.meta.url)

const PAYLOAD_BYTES = 128

/** Messages before the series: enough for every process to compile what it runs often. */
const WARMUP_COUNT = 5000

const METRICS: readonly Metric[] = ['p50', 'p99', 'p99.9'].map((name) => ({
  name,
  unit: 'µs',
  better: 'lower',
}))

function latency(name: string, title: string, command: 'pingPong' | 'request'): Scenario {
  return {
    name,
    title,
    metrics: METRICS,
    peers: ['ringbus', 'ringbus-low', 'nats'],
    references: ['nats'],
    measure(peer, options) {
      return withServer(peer, options, async (server) => {
        const worker = new Child<LatencyCommands>(LATENCY, options)
        try {
          await worker.call('connect', { peer: peer.name, address: server.address })
          const { p50Us, p99Us, p999Us } = await worker.call(command, {
            payloadBytes: PAYLOAD_BYTES,
            warmupCount: WARMUP_COUNT,
            count: options.seriesCount,
          })
          return [p50Us, p99Us, p999Us]
        } finally {
          await worker.stop()
        }
      })
    },
  }
}

export const latencyScenarios: readonly Scenario[] = [
  latency('ping-pong', '128 B, publish to handler, one message at a time', 'pingPong'),
  latency('request', '128 B, request to reply, one at a time', 'request'),
]
