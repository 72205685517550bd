import { FOREIGN_NAMES, type PeerName } from '../peers/index.js'
import { MIB, sizeName } from '../sizes.js'
import { median } from '../statistics.js'
import { closing, type MeasureOptions, type Sample, type Scenario, withServer } from './scenario.js'
import { Stream } from './stream.js'

const PAYLOAD_BYTES = MIB

const SUBSCRIBERS = 64

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

const mebibytes = (deliveries: number, payloadBytes: number) => (deliveries * payloadBytes) / MIB

const throughputScenario: Scenario = {
  name: 'throughput-1M',
  title: '1 MiB, one publisher, one subscriber',
  metrics: [{ name: 'delivered', unit: 'MiB/s', better: 'higher' }],
  peers: LARGE_PAYLOAD_PEERS,
  references: ['nats', 'best'],
  measure(peer, options) {
    const shape = { payloadBytesMin: PAYLOAD_BYTES, topicCount: 1, subscribers: 1 }
    return withServer(peer, options, (server) =>
      closing(Stream.open(peer, server, shape, options), async (stream) => [
        mebibytes(await stream.run(PAYLOAD_BYTES), PAYLOAD_BYTES),
      ]),
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
    const shape = { payloadBytesMin: PAYLOAD_BYTES, topicCount: 1, subscribers: SUBSCRIBERS }
    return withServer(peer, options, (server) =>
      closing(Stream.open(peer, server, shape, options), async (stream) => {
        const lastHandlerUs = medianUs(await stream.pace(PAYLOAD_BYTES))
        const deliveries = await stream.run(PAYLOAD_BYTES)
        return [mebibytes(deliveries, PAYLOAD_BYTES), lastHandlerUs]
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
    ...(subscribers === 1 ? {} : { isLong: true }),
    measure(peer, options) {
      const shape = { payloadBytesMin: THRESHOLD_SIZES[0]!, topicCount: 1, subscribers }
      return withServer(peer, options, (server) =>
        closing(Stream.open(peer, server, shape, options), (stream) => measureThresholds(stream, options)),
      )
    },
  }
}

export const payloadStreamScenarios: readonly Scenario[] = [
  throughputScenario,
  fanOutScenario,
  ...THRESHOLD_FAN_OUTS.map(thresholds),
]
