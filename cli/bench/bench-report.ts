import { type Finding, findingLines } from '../findings.js'
import { bytes } from '../quantities.js'
import { tableLines } from '../table.js'
import { VERSION } from '../version.js'
import { latencyOf, type Outcome, type RateFigure, type Result } from './figures.js'
import type { Machine } from './machine.js'

/** What `ringbus bench` has found out. */
export interface BenchFindings {
  /** The socket of the broker that was measured; null: that of one that was started for it. */
  readonly path: string | null
  readonly machine: Machine
  readonly results: readonly Result[]
  readonly verdict: readonly Finding[]
}

const MIB = 1024 * 1024

/** Figures of a noisy thing: more digits would say nothing. */
const DIGITS = 3

/** The whole run for people. */
export function benchReport(findings: BenchFindings): string {
  const { results, verdict } = findings
  return [
    headline(findings),
    latencyTable(results),
    rateTable(results),
    missing(results),
    verdict.map(findingLines).join(''),
  ]
    .filter((section) => section !== '')
    .join('\n')
}

/** One line; each measurement has its figures beside its name. */
export function benchJson(
  { path, machine, results, verdict: findings }: BenchFindings,
  seconds: number,
): string {
  const measurements = results.map(({ name, title, outcome }) => ({
    name,
    title,
    status: outcome.status,
    ...flat(outcome),
  }))
  const rows = findings.map((finding) => ({ ...finding, remedy: finding.remedy ?? null }))
  return `${JSON.stringify({ version: VERSION, seconds, path, machine, measurements, verdict: rows })}\n`
}

function flat(outcome: Outcome): object {
  switch (outcome.status) {
    case 'measured':
      return { verified: true, ...outcome.figure }
    case 'void':
      return { verified: false, fault: outcome.fault }
    case 'skipped':
      return { reason: outcome.reason }
  }
}

function headline({ path, machine }: BenchFindings): string {
  const { processors, processorModel, memoryBytes, node, system } = machine
  const broker = path === null ? 'a broker of its own' : `the broker that runs at ${path}`
  return [
    `ringbus ${VERSION} with ${broker}`,
    `${processors} × ${processorModel}, ${bytes(memoryBytes)}, Node ${node}, ${system}`,
    '',
  ].join('\n')
}

function latencyTable(results: readonly Result[]): string {
  const floor = latencyOf(results, 'floor-echo')
  const rows = results.flatMap(({ title, outcome }) => {
    if (outcome.status !== 'measured' || outcome.figure.kind !== 'latency') return []
    const { p50Us, p99Us, p999Us, note = '' } = outcome.figure
    const floors = floor === undefined ? '' : (p50Us / floor.p50Us).toFixed(1)
    return [[title, micros(p50Us), micros(p99Us), micros(p999Us), floors, note]]
  })
  const headings = ['Latency in µs', 'p50', 'p99', 'p99.9', '× bare', '']
  return rows.length === 0 ? '' : table(headings, rows)
}

function rateTable(results: readonly Result[]): string {
  const rows = results.flatMap(({ title, outcome }) => {
    if (outcome.status !== 'measured' || outcome.figure.kind !== 'rate') return []
    const { perSecond, bytesPerSecond } = outcome.figure
    return [[title, rounded(perSecond), rounded(bytesPerSecond / MIB), wayOf(outcome.figure)]]
  })
  return rows.length === 0 ? '' : table(['Throughput', 'per second', 'MiB/s', 'way'], rows)
}

/** What there is no figure of, and why. */
function missing(results: readonly Result[]): string {
  return results
    .map(({ title, outcome }) => {
      if (outcome.status === 'skipped') return `skipped: ${title}: ${outcome.reason}\n`
      return outcome.status === 'void' ? `void: ${title}: ${outcome.fault}\n` : ''
    })
    .join('')
}

function wayOf({ byRing, bySocket }: RateFigure): string {
  if (byRing === null || bySocket === null) return ''
  if (bySocket === 0) return 'by ring'
  return byRing === 0 ? 'by socket' : `${byRing} by ring, ${bySocket} by socket`
}

/** A table whose columns of numbers, all between the first and a last one of words, end at the right. */
function table(headings: readonly string[], rows: readonly string[][]): string {
  const lines = [headings, ...rows]
  const widths = headings.map((_heading, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const [first, ...rest] = lines.map((line) =>
    line.map((cell, column) => (isNumeric(column) ? cell.padStart(widths[column]!) : cell)),
  )
  return `${tableLines(first!, rest).join('\n')}\n`

  function isNumeric(column: number): boolean {
    return column > 0 && rows.some((row) => /^[\d.,]+$/.test(row[column]!))
  }
}

function micros(value: number): string {
  return value < 100 ? value.toFixed(1) : rounded(value)
}

function rounded(value: number): string {
  return Number(value.toPrecision(DIGITS)).toLocaleString('en-GB')
}
