import { Histogram } from '../../bench/histogram.js'
import type { StoredMetric, StoredResults, StoredScenario } from '../../bench/plots/stored-results.js'
import { spread } from '../../bench/statistics.js'

/*
 * Made-up results of a run of all that plots are drawn from. The figures follow from the names alone, and mean nothing.
 */

export const ROUNDS = 3

const LARGE_PEERS = [
  'ringbus-inline',
  'ringbus-copies',
  'ringbus-loan',
  'nats',
  'redis',
  'mosquitto',
  'zeromq',
]
const SMALL_PEERS = ['ringbus', 'nats', 'redis', 'mosquitto', 'zeromq']

/** How much slower than the first a system is made up to be. */
const slowness = (peer: string) => 1 + LARGE_PEERS.indexOf(peer.replace(/^ringbus$/, 'ringbus-inline')) * 0.7

/** The same in each run: a little more or less. */
const wobble = (round: number, seed: number) => 1 + 0.15 * Math.sin(seed * 12.9898 + round * 78.233)

function metric(
  name: string,
  unit: string,
  peers: readonly string[],
  of: (peer: string) => number,
): StoredMetric {
  return {
    metric: name,
    unit,
    systems: peers.map((peer, index) => ({
      peer,
      spread: spread(Array.from({ length: ROUNDS }, (_, round) => of(peer) * wobble(round, index))),
    })),
  }
}

function scenario(name: string, peers: readonly string[], metrics: StoredMetric[]): StoredScenario {
  return {
    scenario: name,
    title: name,
    metrics,
    voids: [],
    samples: Object.fromEntries(
      peers.map((peer) => [peer, Array.from({ length: ROUNDS }, () => metrics.map(() => 1))]),
    ),
    histograms: {},
  }
}

/** Latencies that few times are much above. */
function timesNs(peer: string, round: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => {
    const share = (index + 0.5) / count
    return 15_000 * slowness(peer) * wobble(round, 1) * (1 + 0.3 * share + 0.02 / (1 - share))
  })
}

function recorded(name: string, peers: readonly string[]): StoredScenario {
  return {
    ...scenario(name, peers, [metric('p50', 'µs', peers, (peer) => 20 * slowness(peer))]),
    histograms: Object.fromEntries(
      peers.map((peer) => [
        peer,
        Array.from({ length: ROUNDS }, (_, round) => ({
          [name]: Histogram.of(timesNs(peer, round, 20_000)).encode(),
        })),
      ]),
    ),
  }
}

const KIB = 1024
const SIZES: readonly (readonly [label: string, scenario: string, bytes: number])[] = [
  ['16 B', '16B', 16],
  ['128 B', '128B', 128],
  ['1 KiB', '1K', KIB],
  ['64 KiB', '64K', 64 * KIB],
  ['1 MiB', '1M', 1024 * KIB],
  ['16 MiB', '16M', 16 * 1024 * KIB],
]

function latencyOfSize([, name, bytes]: (typeof SIZES)[number]): StoredScenario {
  const us = (peer: string) =>
    18 * slowness(peer) + (peer === 'ringbus-loan' ? 0 : (bytes / 2000) * slowness(peer))
  return scenario(`latency-${name}`, LARGE_PEERS, [
    metric('p50', 'µs', LARGE_PEERS, us),
    metric('p99', 'µs', LARGE_PEERS, (peer) => 3 * us(peer)),
    metric('filled and read p50', 'µs', LARGE_PEERS, (peer) => us(peer) + bytes / 5000),
  ])
}

export function sampleResults(): StoredResults {
  return {
    machine: { node: 'v20.20.2', kernel: '6.1.0', processor: 'Some Processor <3 GHz> & more', processors: 2 },
    versions: {
      ringbus: '0.1.0',
      'ringbus-loan': '0.1.0',
      nats: '2.9.10',
      redis: '7.0.15',
      mosquitto: '2.0.11',
    },
    results: [
      scenario('sizes', SMALL_PEERS, [
        ...SIZES.map(([label, , bytes]) =>
          metric(label, 'messages/s', SMALL_PEERS, (peer) => 2e6 / slowness(peer) / (1 + bytes / 2000)),
        ),
        metric('processor time', 'µs', SMALL_PEERS, () => 1),
      ]),
      ...SIZES.map(latencyOfSize).toReversed(),
      ...[8, 4, 2, 1].map((count) =>
        scenario(
          `fan-out-${count}`,
          ['ringbus', 'nats'],
          [
            metric(
              'delivered',
              'messages/s',
              ['ringbus', 'nats'],
              (peer) => (1.5e6 * Math.sqrt(count)) / slowness(peer),
            ),
          ],
        ),
      ),
      scenario('fan-out-64-1M', LARGE_PEERS, [metric('delivered', 'MiB/s', LARGE_PEERS, () => 1)]),
      scenario(
        'overtaking-20us',
        SMALL_PEERS,
        [1, 2, 9].map((factor, index) =>
          metric(`to its handler, ${['p50', 'p99', 'max'][index]}`, 'ms', SMALL_PEERS, (peer) =>
            peer === 'ringbus' ? factor : 1000 * slowness(peer) + 100 * factor,
          ),
        ),
      ),
      recorded('ping-pong', ['ringbus', 'nats']),
      recorded('request', ['ringbus', 'nats']),
    ],
  }
}
