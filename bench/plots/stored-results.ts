import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { Histogram } from '../histogram.js'
import type { Spread } from '../statistics.js'

/** Of a run of the bench, what plots are drawn from. Systems may be others than this version of the bench knows. */
export interface StoredResults {
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string | undefined>>
  readonly results: readonly StoredScenario[]
}

interface Machine {
  readonly node: string
  readonly kernel: string
  readonly processor: string
  readonly processors: number
}

export interface StoredScenario {
  readonly scenario: string
  readonly title: string
  readonly metrics: readonly StoredMetric[]
  readonly skipped?: string | undefined
  readonly voids: readonly string[]
  /** By round; null where the sample does not count. */
  readonly samples: Readonly<Record<string, readonly unknown[] | undefined>>
  readonly histograms: Readonly<Record<string, readonly Readonly<Record<string, string>>[] | undefined>>
}

export interface StoredMetric {
  readonly metric: string
  readonly unit: string
  readonly systems: readonly { readonly peer: string; readonly spread: Spread }[]
}

/** JSON has no other word for what is not finite. */
const figure = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN)

const spread = z.object({ median: figure, min: figure, max: figure })

const histogram = z.string().refine(isHistogram, 'Expected an HDR histogram in base64')

const storedResults = z.object({
  machine: z.object({
    node: z.string(),
    kernel: z.string(),
    processor: z.string(),
    processors: z.number(),
  }),
  versions: z.record(z.string(), z.string()),
  results: z.array(
    z.object({
      scenario: z.string(),
      title: z.string(),
      metrics: z.array(
        z.object({
          metric: z.string(),
          unit: z.string(),
          systems: z.array(z.object({ peer: z.string(), spread })),
        }),
      ),
      skipped: z.string().optional(),
      voids: z.array(z.string()),
      samples: z.record(z.string(), z.array(z.unknown())),
      histograms: z.record(z.string(), z.array(z.record(z.string(), histogram))).default({}),
    }),
  ),
})

function isHistogram(encoded: string): boolean {
  try {
    return Histogram.merged([encoded]).count >= 0
  } catch {
    return false
  }
}

/** What a run has written by `--json`; of several runs on the same machine, the scenarios of all. */
export function readResults(paths: readonly string[]): StoredResults {
  const [first, ...others] = paths.map((path) => ({ path, ...readFile(path) }))
  if (first === undefined) throw new Error('Expected at least one file of results')
  const owners = new Map(first.results.map(({ scenario }) => [scenario, first.path]))
  for (const { path, machine, versions, results } of others) {
    assertSame(`machine of ${path}`, first.machine, machine)
    for (const name of Object.keys(versions).filter((name) => name in first.versions)) {
      assertSame(`version of ${name} in ${path}`, first.versions[name], versions[name])
    }
    for (const { scenario } of results) {
      const owner = owners.get(scenario)
      if (owner !== undefined) throw new Error(`${owner} and ${path} both have \`${scenario}\``)
      owners.set(scenario, path)
    }
  }
  return {
    machine: first.machine,
    versions: Object.assign({}, first.versions, ...others.map(({ versions }) => versions)),
    results: [first, ...others].flatMap(({ results }) => results),
  }
}

function readFile(path: string): StoredResults {
  const parsed = storedResults.safeParse(parseJson(path))
  if (parsed.success) return parsed.data
  const { path: place, message } = parsed.error.issues[0]!
  throw new Error(`${path} holds no results of this bench: ${place.join('.') || 'all of it'}: ${message}`)
}

function parseJson(path: string): unknown {
  const text = readFileSync(path, 'utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${path} is no JSON: ${(error as Error).message}`)
  }
}

/** Figures of different machines say nothing beside each other. */
function assertSame(what: string, expected: unknown, actual: unknown): void {
  const [one, other] = [expected, actual].map((each) => JSON.stringify(each))
  if (one !== other) throw new Error(`The ${what} is ${other}, that of the first file ${one}`)
}
