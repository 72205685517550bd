import type { FloorName, Mechanism, ValueCounts } from '../floors/index.js'
import { Histogram } from '../histogram.js'
import type { Floor, MeasureOptions, Sample } from './scenario.js'

/** Nothing has to be compiled while it runs: enough to bring code and data into the caches. */
const WARMUP_COUNT = 500
const WARMUP_MS = 50

/** What one system call writes: as much as a socket takes well, or a single message. */
const BATCH_BYTES = 64 * 1024
const SINGLE_BYTES = 1

interface LatencyFloor {
  readonly name: FloorName
  readonly mechanism: Mechanism
  readonly processors: 'apart' | 'any'
}

interface ThroughputFloor {
  readonly name: FloorName
  readonly mechanism: Mechanism
  readonly batchBytes: number
}

const LATENCY_FLOORS: readonly LatencyFloor[] = [
  { name: 'floor-futex', mechanism: 'futex', processors: 'apart' },
  { name: 'floor-futex-unpinned', mechanism: 'futex', processors: 'any' },
  { name: 'floor-socket', mechanism: 'socket', processors: 'apart' },
  { name: 'floor-socket-epoll', mechanism: 'socket-epoll', processors: 'apart' },
  { name: 'floor-pipe', mechanism: 'pipe', processors: 'apart' },
  { name: 'floor-fifo', mechanism: 'fifo', processors: 'apart' },
  { name: 'floor-sysv-queue', mechanism: 'sysv-queue', processors: 'apart' },
  { name: 'floor-posix-queue', mechanism: 'posix-queue', processors: 'apart' },
]

const THROUGHPUT_FLOORS: readonly ThroughputFloor[] = [
  { name: 'floor-socket', mechanism: 'socket', batchBytes: BATCH_BYTES },
  { name: 'floor-socket-single', mechanism: 'socket', batchBytes: SINGLE_BYTES },
  { name: 'floor-pipe', mechanism: 'pipe', batchBytes: BATCH_BYTES },
  { name: 'floor-fifo', mechanism: 'fifo', batchBytes: BATCH_BYTES },
  { name: 'floor-sysv-queue', mechanism: 'sysv-queue', batchBytes: SINGLE_BYTES },
  { name: 'floor-posix-queue', mechanism: 'posix-queue', batchBytes: SINGLE_BYTES },
]

function histogramOf(pairs: ValueCounts): Histogram {
  const histogram = new Histogram()
  for (const [valueNs, count] of pairs) histogram.record(valueNs, count)
  return histogram
}

interface LatencyShape {
  readonly payloadBytes: number
  /** Wake-ups within one value: two of what is published, four of a request with its reply. */
  readonly hops: 2 | 4
  /** What they are to be compared with. */
  readonly span: string
  count(options: MeasureOptions): number
}

/** All of them, with p50, p99, p99.9 and the maximum in microseconds. */
export function latencyFloors({ payloadBytes, hops, span, count }: LatencyShape): Floor[] {
  return LATENCY_FLOORS.map(({ name, mechanism, processors }) => ({
    name,
    async measure(program, options) {
      const pairs = await program.latency(mechanism, {
        payloadBytes,
        hops,
        processors,
        warmupCount: WARMUP_COUNT,
        count: count(options),
      })
      const histogram = histogramOf(pairs)
      const percentiles = [0.5, 0.99, 0.999].map((share) => histogram.percentileNs(share) / 1000)
      return { values: [...percentiles, histogram.maxNs / 1000], histograms: { [span]: histogram.encode() } }
    },
  }))
}

/** All of them and memcpy, with what the scenario makes of the messages in a second. */
export function throughputFloors(payloadBytes: number, sample: (perSecond: number) => Sample): Floor[] {
  const relayed = THROUGHPUT_FLOORS.map(
    ({ name, mechanism, batchBytes }): Floor => ({
      name,
      async measure(program, { seriesMs }) {
        const order = { payloadBytes, batchBytes, warmupMs: WARMUP_MS, durationMs: seriesMs }
        const { messages, ns } = await program.throughput(mechanism, order)
        return sample((messages * 1e9) / ns)
      },
    }),
  )
  const memcpy: Floor = {
    name: 'floor-memcpy',
    async measure(program, { seriesMs }) {
      const { messages, ns } = await program.copy(payloadBytes, seriesMs)
      return sample((messages * 1e9) / ns)
    },
  }
  return [...relayed, memcpy]
}

export function only(names: readonly FloorName[], floors: readonly Floor[]): Floor[] {
  return floors.filter(({ name }) => names.includes(name))
}
