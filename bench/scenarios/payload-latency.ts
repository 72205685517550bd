import { Child } from '../child.js'
import { FOREIGN_NAMES, type Peer, type Server } from '../peers/index.js'
import { MIB, sizeName } from '../sizes.js'
import type { PayloadLatencyCommands, PayloadSeries, Span } from '../workers/payload-latency.js'
import { audited } from './delivery-audit.js'
import { type MeasureOptions, type Metric, type Scenario, withServer } from './scenario.js'

const PAYLOAD_LATENCY = new URL('../workers/payload-latency.js', import.meta.url)

const KIB = 1024
const SIZES = [16, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB] as const

/** What a quick run looks at. */
const QUICK_SIZES: readonly number[] = [MIB]

/** What must not make a loan slower. */
const SMALL_BYTES = 64 * KIB
const LARGE_BYTES = 16 * MIB

/** The slowest system takes this long for the thirty payloads that a series has at least. */
const SERIES_TIMEOUT_MS = 60_000

const microseconds = (name: string): Metric => ({ name, unit: 'µs', better: 'lower' })

const METRICS: readonly Metric[] = ['', 'filled and read '].flatMap((span) =>
  ['p50', 'p99', 'p99.9'].map((name) => microseconds(`${span}${name}`)),
)

/** Measures in a process of its own, which is gone afterwards. */
async function withPlayer<Result>(
  peer: Peer,
  server: Server,
  payloadBytes: number,
  options: MeasureOptions,
  use: (play: (span: Span) => Promise<PayloadSeries>) => Promise<Result>,
): Promise<Result> {
  const worker = new Child<PayloadLatencyCommands>(PAYLOAD_LATENCY, options)
  const play = (span: Span, durationMs: number) =>
    worker.call('play', { span, durationMs }, durationMs + SERIES_TIMEOUT_MS)
  try {
    await worker.call('connect', { peer: peer.name, address: server.address, payloadBytes })
    return await use(async (span) => {
      await play(span, options.seriesMs)
      return audited(
        peer,
        server,
        () => play(span, options.seriesMs),
        ({ count }) => count,
      )
    })
  } finally {
    await worker.stop()
  }
}

function payloadLatency(payloadBytes: number): Scenario {
  return {
    name: `latency-${sizeName(payloadBytes)}`,
    title: `${sizeName(payloadBytes)}, publish to handler, one payload at a time`,
    metrics: METRICS,
    peers: ['ringbus-inline', 'ringbus-copies', 'ringbus-loan', ...FOREIGN_NAMES],
    references: ['nats', 'best'],
    ...(QUICK_SIZES.includes(payloadBytes) ? {} : { isLong: true }),
    measure(peer, options) {
      return withServer(peer, options, (server) =>
        withPlayer(peer, server, payloadBytes, options, async (play) => {
          const transport = await play('transport')
          const whole = await play('whole')
          return {
            values: [transport, whole].flatMap(({ p50Us, p99Us, p999Us }) => [p50Us, p99Us, p999Us]),
            histograms: { transport: transport.histogram, 'filled and read': whole.histogram },
          }
        }),
      )
    },
  }
}

/** The small size first and last, so that neither has the earlier time: the medians of two series each. */
const growthScenario: Scenario = {
  name: 'latency-growth',
  title: `publish to handler, ${sizeName(LARGE_BYTES)} beside ${sizeName(SMALL_BYTES)}`,
  metrics: [
    microseconds(`${sizeName(SMALL_BYTES)} p50`),
    microseconds(`${sizeName(LARGE_BYTES)} p50`),
    { name: `${sizeName(LARGE_BYTES)} / ${sizeName(SMALL_BYTES)}`, unit: 'ratio', better: 'lower' },
  ],
  peers: ['ringbus-copies', 'ringbus-loan', 'nats'],
  references: ['nats'],
  measure(peer, options) {
    return withServer(peer, options, async (server) => {
      const p50sUs: number[] = []
      for (const payloadBytes of [SMALL_BYTES, LARGE_BYTES, LARGE_BYTES, SMALL_BYTES]) {
        const { p50Us } = await withPlayer(peer, server, payloadBytes, options, (play) => play('transport'))
        p50sUs.push(p50Us)
      }
      const smallUs = (p50sUs[0]! + p50sUs[3]!) / 2
      const largeUs = (p50sUs[1]! + p50sUs[2]!) / 2
      return [smallUs, largeUs, largeUs / smallUs]
    })
  },
}

export const payloadLatencyScenarios: readonly Scenario[] = [...SIZES.map(payloadLatency), growthScenario]
