import { type FloorName, type FloorProgram, ImpossibleHere } from './floors/index.js'
import { FOREIGN_NAMES, OWN_NAMES, type Peer } from './peers/index.js'
import type {
  Histograms,
  MeasureOptions,
  Metric,
  RecordedSample,
  Reference,
  Sample,
  Scenario,
  SystemName,
} from './scenarios/index.js'
import { type Spread, spread } from './statistics.js'

/** How a metric came out for one system. */
export interface SystemResult {
  readonly peer: SystemName
  readonly spread: Spread
  /** Of ringbus only: divided by each reference, round by round. */
  readonly ratios: Partial<Record<Reference, Spread>>
}

export interface MetricResult {
  readonly metric: string
  readonly unit: Metric['unit']
  readonly better: 'higher' | 'lower'
  readonly systems: readonly SystemResult[]
}

export interface ScenarioResult {
  readonly scenario: string
  readonly title: string
  readonly metrics: readonly MetricResult[]
  /** Why it did not run at all. */
  readonly skipped?: string
  /** Samples that must not count, and why. */
  readonly voids: readonly string[]
  /** Who could not be measured here, and why. */
  readonly impossible: readonly string[]
  readonly samples: Partial<Record<SystemName, SampleList>>
  /** Where times are recorded: all of each sample that counts. */
  readonly histograms: Partial<Record<SystemName, readonly Histograms[]>>
}

/** The machine's own mechanisms that are to be measured beside the systems, and the program that does it. */
export interface ChosenFloors {
  readonly names: readonly FloorName[]
  readonly program: FloorProgram
}

export interface RunOptions extends MeasureOptions {
  readonly pairs: number
  /** None: they cannot be measured here, or are not wanted. */
  readonly floors?: ChosenFloors | undefined
  /** Told of each sample before it is taken. */
  sampling(scenario: Scenario, system: { readonly name: SystemName }, round: number): void
}

/** By round; null where the sample does not count. */
type SampleList = readonly (Sample | null)[]
type Samples = Map<SystemName, (Sample | null)[]>
type Recordings = Map<SystemName, Histograms[]>

/** One of those that take turns. */
interface Participant {
  readonly name: SystemName
  measure(): Promise<Sample | RecordedSample>
}

/** Measures one scenario, the systems in turn; who is first changes from round to round. */
export async function runScenario(
  scenario: Scenario,
  peers: readonly Peer[],
  options: RunOptions,
): Promise<ScenarioResult> {
  const { name, title } = scenario
  const skipped = scenario.obstacle?.()
  if (skipped !== undefined) {
    return {
      scenario: name,
      title,
      metrics: [],
      skipped,
      voids: [],
      impossible: [],
      samples: {},
      histograms: {},
    }
  }
  const participants = participantsOf(scenario, peers, options)
  const rounds = Math.min(options.pairs, scenario.samplesMax ?? options.pairs)
  const samples: Samples = new Map(participants.map((participant) => [participant.name, []]))
  const histograms: Recordings = new Map(participants.map((participant) => [participant.name, []]))
  const voids: string[] = []
  const impossible = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    for (const participant of round % 2 === 0 ? participants : participants.toReversed()) {
      options.sampling(scenario, participant, round)
      const list = samples.get(participant.name)!
      try {
        const measured = await participant.measure()
        if ('histograms' in measured) {
          list.push(measured.values)
          histograms.get(participant.name)!.push(measured.histograms)
        } else {
          list.push(measured)
        }
      } catch (error) {
        list.push(null)
        const reason = error instanceof Error ? error.message : error
        if (error instanceof ImpossibleHere) impossible.add(`${participant.name}: ${reason}`)
        else voids.push(`${participant.name}, round ${round + 1}: ${reason}`)
      }
    }
  }
  return {
    scenario: name,
    title,
    metrics: summarise(scenario, samples),
    voids,
    impossible: [...impossible],
    samples: Object.fromEntries(samples),
    histograms: Object.fromEntries([...histograms].filter(([, recorded]) => recorded.length > 0)),
  }
}

function participantsOf(scenario: Scenario, peers: readonly Peer[], options: RunOptions): Participant[] {
  const systems = peers
    .filter(({ name }) => scenario.peers.includes(name))
    .map((peer) => ({ name: peer.name, measure: () => scenario.measure(peer, options) }))
  const { floors } = options
  if (floors === undefined || scenario.floors === undefined) return systems
  const mechanisms = scenario.floors
    .filter(({ name }) => floors.names.includes(name))
    .map((floor) => ({ name: floor.name, measure: () => floor.measure(floors.program, options) }))
  return [...systems, ...mechanisms]
}

function summarise({ metrics, references }: Scenario, samples: Samples): MetricResult[] {
  return metrics.map(({ name, unit, better }, index) => {
    const columns = new Map<SystemName, (number | undefined)[]>()
    for (const [peer, list] of samples) {
      columns.set(
        peer,
        list.map((sample) => sample?.[index]),
      )
    }
    const systems = [...columns].flatMap(([peer, column]): SystemResult[] => {
      const values = column.filter((value) => value !== undefined)
      if (values.length === 0) return []
      return [{ peer, spread: spread(values), ratios: ratiosOf(peer, columns, references, better) }]
    })
    return { metric: name, unit, better, systems }
  })
}

type Columns = ReadonlyMap<SystemName, readonly (number | undefined)[]>

function ratiosOf(
  peer: SystemName,
  columns: Columns,
  references: readonly Reference[],
  better: Metric['better'],
): Partial<Record<Reference, Spread>> {
  const ratios: Partial<Record<Reference, Spread>> = {}
  if (!isOwn(peer)) return ratios
  for (const reference of references) {
    if (reference === peer) continue
    const column = reference === 'best' ? bestColumn(columns, better) : (columns.get(reference) ?? [])
    const pairs = pairRatios(columns.get(peer)!, column)
    if (pairs.length > 0) ratios[reference] = spread(pairs)
  }
  return ratios
}

/** Of the rounds in which both have a sample that counts, and there is something to divide by. */
function pairRatios(own: readonly (number | undefined)[], others: readonly (number | undefined)[]): number[] {
  return own.flatMap((value, round) => {
    const other = others[round]
    return value === undefined || other === undefined || other === 0 ? [] : [value / other]
  })
}

/** Round by round the best of those that are not ringbus. */
function bestColumn(columns: Columns, better: Metric['better']): (number | undefined)[] {
  const rounds = Math.max(0, ...[...columns.values()].map((column) => column.length))
  return Array.from({ length: rounds }, (_, round) => {
    const values = FOREIGN_NAMES.flatMap((name) => columns.get(name)?.[round] ?? [])
    if (values.length === 0) return undefined
    return better === 'higher' ? Math.max(...values) : Math.min(...values)
  })
}

function isOwn(name: SystemName): boolean {
  return (OWN_NAMES as readonly SystemName[]).includes(name)
}
