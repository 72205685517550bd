import { Histogram } from '../histogram.js'
import type { Spread } from '../statistics.js'
import { type Axis, formatUs, logAxis } from './axis.js'
import type { Figure, Missing, Point, Series } from './figure.js'
import { footerOf } from './footer.js'
import { valuesOf, whyMissing } from './scenarios.js'
import type { StoredResults, StoredScenario } from './stored-results.js'
import { stylesOf } from './systems.js'

const DRAWN = [
  {
    scenario: 'ping-pong',
    title: 'Distribution of latency: publish to handler',
    subtitle: '128 B, one message at a time: the latency that so many percent do not exceed; less is better',
  },
  {
    scenario: 'request',
    title: 'Distribution of latency: request to reply',
    subtitle: '128 B, one request at a time: the latency that so many percent do not exceed; less is better',
  },
] as const

/** The horizontal axis counts nines: 90 % at 1, 99 % at 2, and so on, up to four. */
const NINES_MAX = 4
const LINE_STEPS_PER_NINE = 20

const shareAt = (nines: number) => 1 - 10 ** -nines
const ninesOf = (share: number) => -Math.log10(1 - share)

/** Where rounds are compared. */
const POINT_SHARES = [0.5, 0.9, 0.99, 0.999, 0.9999]

const AXIS: Axis = {
  title: 'Percentile',
  scale: 'linear',
  min: 0,
  max: NINES_MAX,
  ticks: [
    { at: 0, label: '0 %' },
    { at: ninesOf(0.5), label: '50 %' },
    { at: 1, label: '90 %' },
    { at: 2, label: '99 %' },
    { at: 3, label: '99.9 %' },
    { at: 4, label: '99.99 %' },
  ],
}

export function latencyDistributions(results: StoredResults): (Figure | Missing)[] {
  return DRAWN.map(({ scenario, title, subtitle }) => {
    const name = `latency-distribution-${scenario}`
    const found = results.results.find((each) => each.scenario === scenario)
    const series = found === undefined ? [] : seriesOf(found)
    if (found === undefined || series.length === 0) return { name, missing: whyMissing(results, scenario) }
    const footer = footerOf(results, [found], series, 'all times of')
    const y = logAxis('Latency (log scale)', valuesOf(series), formatUs)
    return { kind: 'lines', name, title, subtitle, x: AXIS, y, series, footer }
  })
}

function seriesOf({ histograms }: StoredScenario): Series[] {
  return [...stylesOf(Object.keys(histograms)).keys()].flatMap((system) => {
    const rounds = histograms[system]!.flatMap((spans) => Object.values(spans))
    const all = Histogram.merged(rounds)
    return all.count < 2 ? [] : [{ system, ...distribution(all, rounds) }]
  })
}

/** The line is that of all rounds as one; the spread is that of each round for itself. */
function distribution(all: Histogram, encoded: readonly string[]): Pick<Series, 'line' | 'points'> {
  const rounds = encoded.map((each) => Histogram.merged([each])).filter(({ count }) => count > 0)
  const nines = Math.min(NINES_MAX, Math.log10(all.count))
  const steps = Math.floor(nines * LINE_STEPS_PER_NINE)
  // It begins above 0 %: the least of all times says nothing about the others, and may be far below.
  const line = Array.from({ length: steps }, (_, step) => {
    const place = (step + 1) / LINE_STEPS_PER_NINE
    return [place, microseconds(all, shareAt(place))] as const
  })
  // One time in so many must be above, in every round.
  const leastCount = Math.min(...rounds.map(({ count }) => count))
  const shares = POINT_SHARES.filter((share) => leastCount * (1 - share) >= 1 - 1e-9)
  const points = shares.map((share): Point => ({ x: ninesOf(share), y: spreadAt(share, all, rounds) }))
  return { line, points }
}

function spreadAt(share: number, all: Histogram, rounds: readonly Histogram[]): Spread {
  const values = rounds.map((round) => microseconds(round, share))
  return { median: microseconds(all, share), min: Math.min(...values), max: Math.max(...values) }
}

function microseconds(histogram: Histogram, share: number): number {
  return histogram.percentileNs(share) / 1000
}
