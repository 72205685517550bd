import type { RingUse } from './delivered.js'
import { printable } from './files.js'
import { formatBytes, formatCount, formatMilliseconds } from './format.js'
import type { LatencyHistogram } from './latency.js'
import type { RunResult } from './run.js'
import type { FileOutcome, SkipReason } from './topics.js'
import type { Finding, Verdict } from './verify.js'

/** Files that are named in the summary, of those that deserve a word; the rest is only counted. */
const FINDINGS_SHOWN_MAX = 20

interface Latency {
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
  readonly samples: number
}

/** What the demo has to tell at its end; `--json` prints it as it is. */
export interface Summary {
  readonly files: number
  readonly bytes: number
  readonly elapsedMs: number
  readonly messages: number
  readonly rings: RingUse
  readonly urgent: Latency
  readonly bulk: Latency
  readonly verdicts: Readonly<Record<Verdict, number>>
  readonly skipped: Readonly<Record<SkipReason, number>>
  /** Requests made again because a process was lost. */
  readonly retries: number
  readonly restarted: readonly string[]
  /** The first files that do not simply agree. */
  readonly findings: readonly { readonly path: string; readonly verdict: Verdict; readonly reason: string }[]
}

export function isFile(outcome: RunResult['outcomes'][number]): outcome is FileOutcome {
  return outcome.kind !== 'skipped'
}

export function summarize(run: RunResult, findings: readonly Finding[]): Summary {
  const files = run.outcomes.filter(isFile)
  const verdicts = { agrees: 0, differs: 0, changed: 0, unreadable: 0 }
  for (const { verdict } of findings) verdicts[verdict] += 1
  const skipped = { 'symbolic link': 0, 'special file': 0, 'other file system': 0 }
  for (const outcome of run.outcomes) if (outcome.kind === 'skipped') skipped[outcome.reason] += 1
  return {
    files: files.filter((file) => file.digest !== undefined).length,
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
    elapsedMs: run.elapsedMs,
    messages: run.messages,
    rings: run.rings,
    urgent: latencyOf(run.urgent),
    bulk: latencyOf(run.bulk),
    verdicts,
    skipped,
    retries: files.reduce((sum, file) => sum + file.retries, run.retries),
    restarted: run.restarted,
    findings: worstFirst(findings).slice(0, FINDINGS_SHOWN_MAX),
  }
}

function latencyOf(histogram: LatencyHistogram): Latency {
  const { count: samples } = histogram
  return { p50Ms: histogram.percentile(0.5), p99Ms: histogram.percentile(0.99), samples }
}

function worstFirst(findings: readonly Finding[]): Summary['findings'] {
  const order: readonly Verdict[] = ['differs', 'changed', 'unreadable']
  return order.flatMap((wanted) =>
    findings
      .filter(({ verdict }) => verdict === wanted)
      .map(({ path, verdict, reason }) => ({ path: printable(path), verdict, reason: printable(reason) })),
  )
}

export function formatSummary(summary: Summary): string {
  const { files, bytes, elapsedMs, messages, rings, verdicts } = summary
  const seconds = elapsedMs / 1000
  const rates = `${formatBytes(bytes / seconds)}/s, ${formatCount(messages / seconds)} messages/s`
  const lines = [
    `hashed    ${formatCount(files)} files, ${formatBytes(bytes)} in ${seconds.toFixed(2)} s: ${rates}`,
    `messages  ${formatCount(messages)} delivered by the broker`,
    `rings     ${formatCount(rings.delivered)} payloads read in shared memory, ${formatCount(rings.inlined)} put there and sent by socket`,
    `urgent    ${describeLatency(summary.urgent)}`,
    `bulk      ${describeLatency(summary.bulk)}`,
    `skipped   ${describeCounts(summary.skipped)}`,
    `lost      ${summary.restarted.join(', ') || 'no process'}; ${formatCount(summary.retries)} requests made again`,
    `digests   ${describeCounts(verdicts)}`,
    ...summary.findings.map(({ path, verdict, reason }) => `  ${verdict}: ${path}: ${reason}`),
    verdicts.differs === 0
      ? 'Every digest that came over the bus is that of its file.'
      : 'Some digests are wrong: this is a fault of ringbus or of the demo, please report it.',
  ]
  return `${lines.join('\n')}\n`
}

function describeLatency({ p50Ms, p99Ms, samples }: Latency): string {
  return `p50 ${formatMilliseconds(p50Ms)}, p99 ${formatMilliseconds(p99Ms)} (${formatCount(samples)} samples)`
}

function describeCounts(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${name} ${formatCount(count)}`)
  return parts.join(', ')
}
