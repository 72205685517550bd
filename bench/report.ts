import { cpus, loadavg, release } from 'node:os'
import type { Peer, PeerName } from './peers/index.js'
import type { MetricResult, ScenarioResult } from './runner.js'
import type { Spread } from './statistics.js'

const HEADINGS = ['scenario', 'metric', 'better', 'ringbus', 'nats', 'ringbus / nats']

/** What the figures depend on. */
export function describeMachine(): Record<string, string | number> {
  const processors = cpus()
  return {
    node: process.version,
    kernel: release(),
    processor: processors[0]?.model ?? 'unknown',
    processors: processors.length,
    loadBefore: loadavg()[0]!,
  }
}

/** A table of all results, a line for each metric. */
export function formatTable(results: readonly ScenarioResult[]): string {
  const rows = results.flatMap((result) =>
    result.metrics.map((metric, index) => formatRow(index === 0 ? result.scenario : '', metric)),
  )
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
  return results.flatMap(({ scenario, skipped, voids }) => [
    ...(skipped === undefined ? [] : [`${scenario}: skipped, ${skipped}`]),
    ...voids.map((reason) => `${scenario}: VOID, ${reason}`),
  ])
}

export function peerVersions(peers: readonly Peer[]): Partial<Record<PeerName, string>> {
  return Object.fromEntries(peers.map((peer) => [peer.name, peer.version()]))
}

function formatRow(scenario: string, { metric, unit, better, spreads, ratios }: MetricResult): string[] {
  return [
    scenario,
    unit === 'ratio' ? metric : `${metric}, ${unit}`,
    better,
    formatSpread(spreads.ringbus, unit),
    formatSpread(spreads.nats, unit),
    formatSpread(ratios.nats, 'ratio'),
  ]
}

function formatSpread(spread: Spread | undefined, unit: string): string {
  if (spread === undefined) return '-'
  const { median, min, max } = spread
  return `${formatValue(median, unit)} (${formatValue(min, unit)}–${formatValue(max, unit)})`
}

function formatValue(value: number, unit: string): string {
  if (unit === 'messages/s') return `${(value / 1e6).toFixed(2)} M`
  if (unit === 'bytes') return value.toFixed(0)
  return value.toFixed(unit === 'µs' ? 1 : 2)
}
