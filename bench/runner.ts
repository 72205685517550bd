import type { Peer, PeerName } from './peers/index.js'
import { type MeasureOptions, type Sample, type Scenario, VoidSample } from './scenarios/index.js'
import { type Spread, spread } from './statistics.js'

export interface MetricResult {
  readonly metric: string
  readonly unit: string
  readonly better: 'higher' | 'lower'
  readonly spreads: Partial<Record<PeerName, Spread>>
  /** ringbus divided by each peer, pair by pair. */
  readonly ratios: Partial<Record<PeerName, Spread>>
}

export interface ScenarioResult {
  readonly scenario: string
  readonly title: string
  readonly metrics: readonly MetricResult[]
  /** Why it did not run at all. */
  readonly skipped?: string
  /** Samples that must not count, and why. */
  readonly voids: readonly string[]
  readonly samples: Partial<Record<PeerName, SampleList>>
}

export interface RunOptions extends MeasureOptions {
  readonly pairs: number
  /** Told of each sample as it is there. */
  sampled(scenario: Scenario, peer: Peer, round: number): void
}

/** By round; null where the sample does not count. */
type SampleList = readonly (Sample | null)[]
type Samples = Map<PeerName, (Sample | null)[]>

/** Measures one scenario, the peers in turn; who is first changes from round to round. */
export async function runScenario(
  scenario: Scenario,
  peers: readonly Peer[],
  options: RunOptions,
): Promise<ScenarioResult> {
  const { name, title } = scenario
  const skipped = scenario.obstacle?.()
  if (skipped !== undefined) return { scenario: name, title, metrics: [], skipped, voids: [], samples: {} }
  const taking = peers.filter((peer) => scenario.peers.includes(peer.name))
  const rounds = Math.min(options.pairs, scenario.samplesMax ?? options.pairs)
  const samples: Samples = new Map(taking.map((peer) => [peer.name, []]))
  const voids: string[] = []
  for (let round = 0; round < rounds; round++) {
    for (const peer of round % 2 === 0 ? taking : taking.toReversed()) {
      options.sampled(scenario, peer, round)
      const list = samples.get(peer.name)!
      try {
        list.push(await scenario.measure(peer, options))
      } catch (error) {
        if (!(error instanceof VoidSample)) throw error
        list.push(null)
        voids.push(`${peer.name}, round ${round + 1}: ${error.message}`)
      }
    }
  }
  const metrics = summarise(scenario, samples)
  return { scenario: name, title, metrics, voids, samples: Object.fromEntries(samples) }
}

function summarise(scenario: Scenario, samples: Samples): MetricResult[] {
  return scenario.metrics.map(({ name, unit, better }, index) => {
    const spreads: Partial<Record<PeerName, Spread>> = {}
    const ratios: Partial<Record<PeerName, Spread>> = {}
    for (const [peer, list] of samples) {
      const values = list.flatMap((sample) => (sample === null ? [] : [sample[index]!]))
      if (values.length > 0) spreads[peer] = spread(values)
      const pairs = peer === 'ringbus' ? [] : pairRatios(samples.get('ringbus') ?? [], list, index)
      if (pairs.length > 0) ratios[peer] = spread(pairs)
    }
    return { metric: name, unit, better, spreads, ratios }
  })
}

/** Of the rounds in which both have a sample that counts. */
function pairRatios(own: SampleList, others: SampleList, metricIndex: number): number[] {
  return others.flatMap((other, round) => {
    const mine = own[round]
    return other && mine ? [mine[metricIndex]! / other[metricIndex]!] : []
  })
}
