import type { Point, Series } from './figure.js'
import type { StoredMetric, StoredResults, StoredScenario } from './stored-results.js'
import { stylesOf } from './systems.js'

/** A number of bytes as names of scenarios and metrics have it: 16B, 64K, 1M; 16 B, 64 KiB, 1 MiB; 128. */
const SIZE = /^(?<count>\d+) ?(?<unit>B|K|KiB|M|MiB)?$/

const UNIT_BYTES: Readonly<Record<string, number>> = { K: 1024, M: 1024 * 1024 }

export function bytesOf(name: string): number | undefined {
  const groups = SIZE.exec(name)?.groups
  return groups && Number(groups.count) * (UNIT_BYTES[groups.unit?.[0] ?? ''] ?? 1)
}

/** Scenarios that have figures, by what follows the prefix in their names. */
export function scenariosAfter({ results }: StoredResults, prefix: string): Map<string, StoredScenario> {
  return new Map(
    results
      .filter(({ scenario, metrics }) => scenario.startsWith(prefix) && hasFigures(metrics))
      .map((scenario) => [scenario.scenario.slice(prefix.length), scenario]),
  )
}

function hasFigures(metrics: readonly StoredMetric[]): boolean {
  return metrics.some(({ systems }) => systems.length > 0)
}

/** Why a figure cannot be drawn of the scenarios whose names begin so. */
export function whyMissing({ results }: StoredResults, prefix: string, wanted = prefix): string {
  const found = results.filter(({ scenario }) => scenario.startsWith(prefix))
  if (found.length === 0) return `\`${wanted}\` was not run`
  const skipped = found.find(({ skipped }) => skipped !== undefined)?.skipped
  if (skipped !== undefined) return `\`${wanted}\` was skipped: ${skipped}`
  if (!found.some(({ metrics }) => hasFigures(metrics))) return `no sample of \`${wanted}\` counts`
  return `\`${wanted}\`: the results hold too little to draw`
}

/** A metric at some place of the horizontal axis. */
export interface Placed {
  readonly x: number
  readonly metric: StoredMetric | undefined
  /** What its figures are multiplied by. */
  readonly factor?: number
}

/** A line for each system, through its medians. What a logarithm has no place for is left out. */
export function seriesThrough(placed: readonly Placed[]): Series[] {
  const points = new Map<string, Point[]>()
  for (const { x, metric, factor = 1 } of placed.toSorted((left, right) => left.x - right.x)) {
    for (const { peer, spread } of metric?.systems ?? []) {
      const y = { median: spread.median * factor, min: spread.min * factor, max: spread.max * factor }
      if (!(y.min > 0 && Number.isFinite(y.max))) continue
      points.set(peer, [...(points.get(peer) ?? []), { x, y }])
    }
  }
  return [...stylesOf(points.keys()).keys()].map((system) => ({
    system,
    line: points.get(system)!.map(({ x, y }) => [x, y.median] as const),
    points: points.get(system)!,
  }))
}

export function valuesOf(series: readonly Series[]): number[] {
  return series.flatMap(({ line, points }) => [
    ...line.map(([, y]) => y),
    ...points.flatMap(({ y }) => [y.min, y.max]),
  ])
}

export function metricOf(scenario: StoredScenario | undefined, name: string): StoredMetric | undefined {
  return scenario?.metrics.find(({ metric }) => metric === name)
}
