import { MIB, sizeName } from '../sizes.js'
import { latencyFloors, throughputFloors } from './floors.js'
import { LATENCY_METRICS, measureLatency, PUBLISH_SPAN } from './latency.js'
import { closing, type MeasureOptions, type Sample, type Scenario, withServer } from './scenario.js'
import { Stream } from './stream.js'

const KIB = 1024

/** 8 KiB is what a message queue takes where nobody has changed its limits. */
const SIZES = [16, 128, KIB, 8 * KIB, 64 * KIB, 256 * KIB, MIB] as const

/** A series of large payloads has fewer. */
const SERIES_BYTES = 2048 * MIB

function seriesCount({ seriesCount: count }: MeasureOptions, payloadBytes: number): number {
  return Math.min(count, Math.floor(SERIES_BYTES / payloadBytes))
}

function floorLatency(payloadBytes: number): Scenario {
  const count = (options: MeasureOptions) => seriesCount(options, payloadBytes)
  return {
    name: `floors-latency-${sizeName(payloadBytes)}`,
    title: `${sizeName(payloadBytes)}, publish to handler beside the machine's own mechanisms`,
    metrics: LATENCY_METRICS,
    peers: ['ringbus'],
    floors: latencyFloors({ payloadBytes, hops: 2, span: PUBLISH_SPAN, count }),
    references: ['floor-futex', 'floor-socket-epoll'],
    samplesMax: 3,
    isLong: true,
    measure: (peer, options) =>
      measureLatency(peer, options, 'pingPong', { payloadBytes, count: count(options), span: PUBLISH_SPAN }),
  }
}

function floorThroughput(payloadBytes: number): Scenario {
  const sample = (perSecond: number): Sample => [perSecond, (perSecond * payloadBytes) / MIB]
  const shape = { payloadBytesMin: payloadBytes }
  return {
    name: `floors-throughput-${sizeName(payloadBytes)}`,
    title: `${sizeName(payloadBytes)}, a stream beside the machine's own mechanisms`,
    metrics: [
      { name: 'delivered', unit: 'messages/s', better: 'higher' },
      { name: 'payload', unit: 'MiB/s', better: 'higher' },
    ],
    peers: ['ringbus'],
    floors: throughputFloors(payloadBytes, sample),
    references: ['floor-socket', 'floor-memcpy'],
    samplesMax: 3,
    isLong: true,
    measure: (peer, options) =>
      withServer(peer, options, (server) =>
        closing(Stream.open(peer, server, shape, options), async (stream) =>
          sample((await stream.run(payloadBytes)).perSecond),
        ),
      ),
  }
}

export const floorScenarios: readonly Scenario[] = [...SIZES.map(floorLatency), ...SIZES.map(floorThroughput)]
