import { cpus, loadavg, release } from 'node:os'
import type { MetricResult, ScenarioResult, SystemResult } from './runner.js'
import type { Spread } from './statistics.js'

const HEADINGS = ['scenario', 'metric', 'better', 'system', 'median (min–max)', 'divided by']

export interface Machine {
  readonly node: string
  readonly kernel: string
  readonly processor: string
  readonly processors: number
  readonly loadBefore: number
}

/** What the figures depend on. */
export function describeMachine(): Machine {
  const processors = cpus()
  return {
    node: process.version,
    kernel: release(),
    processor: processors[0]?.model ?? 'unknown',
    processors: processors.length,
    loadBefore: loadavg()[0]!,
  }
}

/** A table of all results: a line for each system in each metric, what repeats left out. */
export function formatTable(results: readonly ScenarioResult[]): string {
  const rows = results.flatMap(formatScenario)
  const widths = HEADINGS.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]!.length)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd()
  return [line(HEADINGS), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

/** What the table cannot say: who was left out, and which samples do not count. */
export function formatRemarks(results: readonly ScenarioResult[]): string[] {
  return results.flatMap(({ scenario, skipped, impossible, voids }) => [
    ...(skipped === undefined ? [] : [`${scenario}: skipped, ${skipped}`]),
    ...impossible.map((reason) => `${scenario}: not possible here, ${reason}`),
    ...voids.map((reason) => `${scenario}: VOID, ${reason}`),
  ])
}

function formatScenario({ scenario, metrics }: ScenarioResult): string[][] {
  const rows = metrics.flatMap(formatMetric)
  return rows.map((row, index) => [index === 0 ? scenario : '', ...row])
}

function formatMetric({ metric, unit, better, systems }: MetricResult): string[][] {
  const name = unit === 'ratio' ? metric : `${metric}, ${unit}`
  return systems.map(({ peer, spread, ratios }, index) => [
    ...(index === 0 ? [name, better] : ['', '']),
    peer,
    formatSpread(spread, unit),
    formatRatios(ratios),
  ])
}

function formatRatios(ratios: SystemResult['ratios']): string {
  return Object.entries(ratios)
    .map(([reference, ratio]) => `${reference} ${formatSpread(ratio, 'ratio')}`)
    .join(', ')
}

function formatSpread({ median, min, max }: Spread, unit: MetricResult['unit']): string {
  return `${formatValue(median, unit)} (${formatValue(min, unit)}–${formatValue(max, unit)})`
}

function formatValue(value: number, unit: MetricResult['unit']): string {
  switch (unit) {
    case 'messages/s':
      return value < 1e5 ? `${(value / 1e3).toFixed(2)} k` : `${(value / 1e6).toFixed(2)} M`
    case 'requests/s':
      return `${(value / 1e3).toFixed(1)} k`
    case 'bytes':
    case 'messages':
    case 'ns/message':
    case 'ns/request':
    case 'clock ticks':
      return value.toFixed(0)
    case 'MiB/s':
      return value.toFixed(value < 100 ? 1 : 0)
    case 'µs':
    case 'MiB':
    case 'ms':
    case 's':
      return value.toFixed(1)
    case 'ratio':
      return formatRatio(value)
  }
}

/** Three digits for small ratios, which are those that matter most. */
function formatRatio(value: number): string {
  return value.toFixed(value < 0.2 ? 3 : 2)
}
