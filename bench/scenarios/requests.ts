import { Child } from '../child.js'
import type { Peer, Server } from '../peers/index.js'
import { isProcessorTimeKnown, ProcessorWatch } from '../processor-time.js'
import type { RequesterCommands } from '../workers/requester.js'
import type { ResponderCommands } from '../workers/responder.js'
import { processorMetrics, processorValues } from './processor-costs.js'
import { type MeasureOptions, type Sample, type Scenario, withServer } from './scenario.js'

const REQUESTER = new URL('../workers/requester.js', import.meta.url)
const RESPONDER = new URL('../workers/responder.js', import.meta.url)

const TOPIC = 'bench.requests'
const PAYLOAD_BYTES = 128
const IN_FLIGHT = 64

const PROCESSES = ['requester', 'server', 'responder'] as const

/** For replies that are still to come when the time is over. */
const TIMEOUT_BESIDE_MS = 60_000

async function measure(peer: Peer, server: Server, options: MeasureOptions): Promise<Sample> {
  const responder = new Child<ResponderCommands>(RESPONDER, options)
  const requester = new Child<RequesterCommands>(REQUESTER, options)
  const request = (durationMs: number) => {
    const order = { topic: TOPIC, payloadBytes: PAYLOAD_BYTES, inFlight: IN_FLIGHT, durationMs }
    return requester.call('request', order, durationMs + TIMEOUT_BESIDE_MS)
  }
  try {
    const order = { peer: peer.name, address: server.address, payloadBytesMin: PAYLOAD_BYTES }
    await responder.call('respond', { ...order, topic: TOPIC, inFlight: IN_FLIGHT })
    await requester.call('connect', order)
    await request(options.warmupMs)
    const pids = { requester: [requester.pid], server: [server.pid], responder: [responder.pid] }
    const watch = isProcessorTimeKnown ? new ProcessorWatch(pids) : undefined
    const { count, elapsedNs } = await request(options.durationMs)
    return [(count * 1e9) / elapsedNs, ...processorValues(PROCESSES, watch?.spentNs(), count)]
  } finally {
    await Promise.all([requester.stop(), responder.stop()])
  }
}

export const requestsScenario: Scenario = {
  name: `requests-${IN_FLIGHT}`,
  title: `128 B, ${IN_FLIGHT} requests in flight, requester and responder in processes of their own`,
  metrics: [
    { name: 'answered', unit: 'requests/s', better: 'higher' },
    ...processorMetrics(PROCESSES, 'ns/request'),
  ],
  peers: ['ringbus', 'nats'],
  references: ['nats'],
  measure: (peer, options) => withServer(peer, options, (server) => measure(peer, server, options)),
}
