import { FOREIGN_NAMES, type PeerName } from '../peers/index.js'
import { MIB, sizeName } from '../sizes.js'
import { median } from '../statistics.js'
import { processorMetrics, processorValues } from './processor-costs.js'
import {
  closing,
  type MeasureOptions,
  type Metric,
  type Sample,
  type Scenario,
  withServer,
} from './scenario.js'
import { STREAM_PROCESSES, Stream, type StreamResult } from './stream.js'

const PAYLOAD_BYTES = MIB

const SUBSCRIBERS = 64

const KIB = 1024
const SIZES = [16, 128, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB]

/** Of the time for a stream, what each of these gets. */
const SIZES_SHARE = 1 / 3

/** Where a copy through the ring may begin to be better than the socket. */
const THRESHOLD_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256].map((kib) => kib * 1024)
const THRESHOLD_FAN_OUTS = [1, 8, 64]

/** Of the time for a stream, what each size of the table gets: there are many of them. */
const THRESHOLD_SHARE = 1 / 6

const LARGE_PAYLOAD_PEERS: readonly PeerName[] = [
  'ringbus-inline',
  'ringbus-copies',
  'ringbus-view',
  'ringbus-loan',
  ...FOREIGN_NAMES,
]

const medianUs = (timesNs: readonly number[]) => median(timesNs) / 1000

const mebibytes = ({ perSecond }: StreamResult, payloadBytes: number) => (perSecond * payloadBytes) / MIB

const throughputScenario: Scenario = {
  name: 'throughput-1M',
  title: '1 MiB, one publisher, one subscriber',
  metrics: [{ name: 'delivered', unit: 'MiB/s', better: 'higher' }, ...processorMetrics(STREAM_PROCESSES)],
  peers: LARGE_PAYLOAD_PEERS,
  references: ['nats', 'best'],
  measure(peer, options) {
    const shape = { payloadBytesMin: PAYLOAD_BYTES }
    return withServer(peer, options, (server) =>
      closing(Stream.open(peer, server, shape, options), async (stream) => {
        const result = await stream.run(PAYLOAD_BYTES)
        return [
          mebibytes(result, PAYLOAD_BYTES),
          ...processorValues(STREAM_PROCESSES, result.processorNs, result.deliveries),
        ]
      }),
    )
  },
}

/**
 * The paced payloads come first: after a stream, a ring that has much more memory than it uses would be replaced
 * by a smaller one in their midst.
 */
const fanOutScenario: Scenario = {
  name: 'fan-out-64-1M',
  title: `1 MiB, one topic to ${SUBSCRIBERS} subscriber processes`,
  metrics: [
    { name: 'delivered', unit: 'MiB/s', better: 'higher' },
    { name: 'p50 to the last handler', unit: 'µs', better: 'lower' },
  ],
  peers: LARGE_PAYLOAD_PEERS,
  references: ['nats', 'best'],
  samplesMax: 3,
  isLong: true,
  measure(peer, options) {
    const shape = { payloadBytesMin: PAYLOAD_BYTES, subscribers: SUBSCRIBERS }
    return withServer(peer, options, (server) =>
      closing(Stream.open(peer, server, shape, options), async (stream) => {
        const lastHandlerUs = medianUs(await stream.pace(PAYLOAD_BYTES))
        return [mebibytes(await stream.run(PAYLOAD_BYTES), PAYLOAD_BYTES), lastHandlerUs]
      }),
    )
  },
}

/** From what is all header to what is all payload, for ringbus as it is by default. */
const sizesScenario: Scenario = {
  name: 'sizes',
  title: 'one publisher, one subscriber, by payload size',
  metrics: SIZES.flatMap((bytes): Metric[] => [
    { name: `${sizeName(bytes)} delivered`, unit: 'MiB/s', better: 'higher' },
    { name: `${sizeName(bytes)} processor time, all`, unit: 'ns/message', better: 'lower' },
  ]),
  peers: ['ringbus', ...FOREIGN_NAMES],
  references: ['nats', 'best'],
  isLong: true,
  measure(peer, options) {
    const durationMs = options.durationMs * SIZES_SHARE
    const warmupMs = options.warmupMs * SIZES_SHARE
    return withServer(peer, options, (server) =>
      closing(Stream.open(peer, server, { payloadBytesMin: SIZES[0]! }, options), async (stream) => {
        // Memory of rings that is touched for the first time, and code that is not compiled, are no part of a size.
        await stream.warmUp(SIZES.at(-1)!)
        await stream.warmUp(SIZES[0]!)
        const values: (number | undefined)[] = []
        for (const payloadBytes of SIZES) {
          const result = await stream.run(payloadBytes, durationMs, warmupMs)
          const costs = processorValues(STREAM_PROCESSES, result.processorNs, result.deliveries)
          values.push(mebibytes(result, payloadBytes), costs.at(-1))
        }
        return values
      }),
    )
  },
}

/** What the default of the threshold rests on. Latency first, for the reason above. */
async function measureThresholds(stream: Stream, options: MeasureOptions): Promise<Sample> {
  const durationMs = options.durationMs * THRESHOLD_SHARE
  const warmupMs = options.warmupMs * THRESHOLD_SHARE
  const latenciesUs: number[] = []
  for (const payloadBytes of THRESHOLD_SIZES) {
    latenciesUs.push(medianUs(await stream.pace(payloadBytes, durationMs, warmupMs)))
  }
  const rates: number[] = []
  for (const payloadBytes of THRESHOLD_SIZES) {
    rates.push(mebibytes(await stream.run(payloadBytes, durationMs, warmupMs), payloadBytes))
  }
  return [...rates, ...latenciesUs]
}

function thresholds(subscribers: number): Scenario {
  return {
    name: `threshold-${subscribers}`,
    title: `by socket and by ring, copied in and out, to ${subscribers} subscriber processes`,
    metrics: [
      ...THRESHOLD_SIZES.map((bytes) => ({
        name: `${sizeName(bytes)} delivered`,
        unit: 'MiB/s' as const,
        better: 'higher' as const,
      })),
      ...THRESHOLD_SIZES.map((bytes) => ({
        name: `${sizeName(bytes)} p50 to the last handler`,
        unit: 'µs' as const,
        better: 'lower' as const,
      })),
    ],
    peers: ['ringbus-inline', 'ringbus-copies'],
    references: ['ringbus-inline'],
    isLong: true,
    measure(peer, options) {
      const shape = { payloadBytesMin: THRESHOLD_SIZES[0]!, subscribers }
      return withServer(peer, options, (server) =>
        closing(Stream.open(peer, server, shape, options), (stream) => measureThresholds(stream, options)),
      )
    },
  }
}

export const payloadStreamScenarios: readonly Scenario[] = [
  throughputScenario,
  sizesScenario,
  fanOutScenario,
  ...THRESHOLD_FAN_OUTS.map(thresholds),
]
