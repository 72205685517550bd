import { Child } from '../child.js'
import { ResidenceWatch } from '../memory.js'
import type { Peer } from '../peers/index.js'
import type { PipelinePublisherCommands } from '../workers/pipeline-publisher.js'
import type { PipelineSubscriberCommands } from '../workers/pipeline-subscriber.js'
import { type MeasureOptions, type Metric, type Sample, type Scenario, withServer } from './scenario.js'

const PUBLISHER = new URL('../workers/pipeline-publisher.js', import.meta.url)
const SUBSCRIBER = new URL('../workers/pipeline-subscriber.js', import.meta.url)

const TOPIC = 'bench.pipeline'
const PAYLOAD_BYTES = 128

/** What the reader does with each message: several times as long as it takes to publish one. */
const BUSY_US = 20

/** Of the million that a full run has, a message takes no longer on average, whatever the system. */
const TIMEOUT_US = 100
const TIMEOUT_BESIDE_MS = 20_000

const PROCESSES = ['publisher', 'server', 'subscriber'] as const

async function measure(peer: Peer, options: MeasureOptions): Promise<Sample> {
  return await withServer(peer, options, async (server) => {
    const publisher = new Child<PipelinePublisherCommands>(PUBLISHER, options)
    const subscriber = new Child<PipelineSubscriberCommands>(SUBSCRIBER, options)
    try {
      const order = { peer: peer.name, address: server.address, payloadBytesMin: PAYLOAD_BYTES }
      await Promise.all([publisher.call('connect', order), subscriber.call('connect', order)])
      await subscriber.call('expect', { topic: TOPIC, payloadBytes: PAYLOAD_BYTES, busyUs: BUSY_US })
      const count = options.pipelineCount
      const timeoutMs = (count * TIMEOUT_US) / 1000 + TIMEOUT_BESIDE_MS
      const startMs = performance.now()
      const watch = new ResidenceWatch([publisher.pid, server.pid, subscriber.pid])
      const [{ faults }] = await Promise.all([
        subscriber.call('receive', null, timeoutMs),
        publisher.call('publish', { topic: TOPIC, payloadBytes: PAYLOAD_BYTES, count }, timeoutMs),
      ]).finally(() => watch.end())
      if (faults > 0) throw new Error(`${faults} messages were missing, out of order or damaged`)
      const seconds = (performance.now() - startMs) / 1000
      const residences = watch.residences.flatMap(({ peak, firstHalf, secondHalf }) => [
        peak,
        firstHalf,
        secondHalf,
        secondHalf / firstHalf,
      ])
      return [...residences, count / seconds]
    } catch (error) {
      throw new Error(`${error}; ${await describe(subscriber)}`)
    } finally {
      await Promise.all([publisher.kill(), subscriber.kill()])
    }
  })
}

async function describe(subscriber: Child<PipelineSubscriberCommands>): Promise<string> {
  const { received, faults } = await subscriber.call('state', null)
  return `received: ${received} with ${faults} faults`
}

export const pipelineMemoryScenario: Scenario = {
  name: 'pipeline-memory',
  title: `128 B from a fast publisher to a reader that takes ${BUSY_US} µs for each, resident memory`,
  metrics: [
    ...PROCESSES.flatMap((name): Metric[] => [
      { name: `${name}, peak`, unit: 'MiB', better: 'lower' },
      { name: `${name}, first half`, unit: 'MiB', better: 'lower' },
      { name: `${name}, second half`, unit: 'MiB', better: 'lower' },
      { name: `${name}, second / first`, unit: 'ratio', better: 'lower' },
    ]),
    { name: 'delivered', unit: 'messages/s', better: 'higher' },
  ],
  peers: ['ringbus', 'nats', 'redis'],
  references: [],
  samplesMax: 3,
  measure,
}
