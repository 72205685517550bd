import { mkdirSync, writeFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { compileFloors, FLOOR_NAMES, type FloorName, FloorProgram } from './floors/index.js'
import { FOREIGN_NAMES, loadPeer, OWN_NAMES, type Peer, type PeerName } from './peers/index.js'
import type { StoredResults } from './plots/index.js'
import { describeMachine, formatRemarks, formatTable } from './report.js'
import { type ChosenFloors, runScenario, type ScenarioResult } from './runner.js'
import { SCENARIOS, type Scenario, type SystemName } from './scenarios/index.js'

interface Options {
  readonly quick?: true
  readonly only?: string[]
  readonly peers: readonly SystemName[]
  readonly pairs?: number
  readonly duration?: number
  readonly window?: number
  readonly windowMessages?: number
  readonly burstMessages?: number
  readonly json?: string
  readonly plots?: string
  readonly from?: string[]
  readonly cpuProfile?: string
}

const SCENARIO_NAMES = SCENARIOS.map(({ name }) => name).join(', ')

const PEER_NAMES: readonly PeerName[] = [...OWN_NAMES, ...FOREIGN_NAMES]

const SYSTEM_NAMES: readonly SystemName[] = [...PEER_NAMES, ...FLOOR_NAMES]

/** A median of fewer pairs moves with the noise of the machine. */
const FULL = {
  pairs: 7,
  durationMs: 3000,
  warmupMs: 1000,
  seriesCount: 50_000,
  seriesMs: 1000,
  backlogCount: 100_000,
  pipelineCount: 1_000_000,
  stopMs: 5000,
}

/** Ends within three minutes, the warm-up longer than it takes a broker to look after its rings: to see whether something broke, not to quote. */
const QUICK = {
  pairs: 1,
  durationMs: 350,
  warmupMs: 600,
  seriesCount: 5000,
  seriesMs: 200,
  backlogCount: 10_000,
  pipelineCount: 50_000,
  stopMs: 2000,
}

function positiveInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value <= 0)
    throw new InvalidArgumentError('Expected a positive integer.')
  return value
}

function scenarioPrefix(prefix: string, earlier: readonly string[] = []): string[] {
  if (!SCENARIOS.some(({ name }) => name.startsWith(prefix))) {
    throw new InvalidArgumentError(`Expected the beginning of one of ${SCENARIO_NAMES}.`)
  }
  return [...earlier, prefix]
}

function parseOptions(): Options {
  const program = new Command('npm run bench --')
    .description('Measures ringbus beside its peers, alternating, on this machine')
    .option('--quick', 'fewer and shorter samples, within three minutes')
    .option('--only <scenarios...>', 'scenarios whose names start so', scenarioPrefix)
    .addOption(
      new Option('--peers <names...>', 'systems to measure').choices(SYSTEM_NAMES).default(SYSTEM_NAMES),
    )
    .option('--pairs <count>', 'samples of each peer', positiveInteger)
    .option('--duration <ms>', 'how long each stream is published', positiveInteger)
    .option('--window <bytes>', 'payload bytes in flight in a stream, for trials', positiveInteger)
    .option('--window-messages <count>', 'messages in flight in a stream, for trials', positiveInteger)
    .option('--burst-messages <count>', 'messages published in one turn, for trials', positiveInteger)
    .option('--json <file>', 'write every sample there')
    .option('--plots <folder>', 'draw the results there, as SVG')
    .option('--from <files...>', 'with --plots: measure nothing, and draw what --json has written')
    .option('--cpu-profile <folder>', 'let every Node process leave a processor profile there')
    .addHelpText('after', `\nScenarios: ${SCENARIO_NAMES}`)
  const options = program.parse().opts<Options>()
  if (options.from !== undefined && options.plots === undefined) program.error('`--from` takes `--plots` too')
  return options
}

/** All, or those that are named; a quick run leaves out what is long unless it is named. */
function chooseScenarios({ only, quick }: Options): Scenario[] {
  if (only === undefined) return SCENARIOS.filter(({ isLong }) => !(quick && isLong))
  return SCENARIOS.filter(({ name }) => only.some((prefix) => name.startsWith(prefix)))
}

interface Installed {
  readonly peers: Peer[]
  readonly floors: ChosenFloors | undefined
  readonly versions: Partial<Record<PeerName | 'floors', string>>
}

/** Those of the chosen that can be measured here; names the others. */
async function installed(chosen: readonly SystemName[]): Promise<Installed> {
  const peers: Peer[] = []
  const versions: Installed['versions'] = {}
  for (const name of PEER_NAMES.filter((candidate) => chosen.includes(candidate))) {
    const peer = await loadPeer(name)
    const presence = await peer.presence()
    if ('missing' in presence) {
      console.log(`${name}: skipped, ${presence.missing}`)
    } else {
      peers.push(peer)
      versions[name] = presence.version
    }
  }
  const floors = await installedFloors(FLOOR_NAMES.filter((candidate) => chosen.includes(candidate)))
  if (floors !== undefined) versions.floors = floors.program.version
  return { peers, floors, versions }
}

async function installedFloors(names: readonly FloorName[]): Promise<ChosenFloors | undefined> {
  if (names.length === 0) return undefined
  const compiled = await compileFloors()
  if (!('missing' in compiled)) return { names, program: new FloorProgram(compiled) }
  console.log(`floors: skipped, ${compiled.missing}`)
  return undefined
}

/** Trials of other values than those that were found best. */
function withTrial(peers: readonly Peer[], options: Options): readonly Peer[] {
  const { window: windowBytes, windowMessages, burstMessages } = options
  return peers.map((peer) => ({
    ...peer,
    tuning: {
      ...peer.tuning,
      ...(windowBytes === undefined ? {} : { windowBytes }),
      ...(windowMessages === undefined ? {} : { windowMessages }),
      ...(burstMessages === undefined ? {} : { burstMessages }),
    },
  }))
}

/** After each scenario, so that a run that is ended early is not lost. */
function writeResults(path: string | undefined, content: object): void {
  if (path !== undefined) writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`)
}

/** The library that draws is loaded for this alone. */
async function draw(results: StoredResults, folder: string): Promise<void> {
  const { writePlots } = await import('./plots/index.js')
  for (const line of writePlots(results, folder)) console.log(line)
}

async function drawEarlier(paths: readonly string[], folder: string): Promise<void> {
  const { readResults } = await import('./plots/index.js')
  await draw(readResults(paths), folder)
}

async function measure(options: Options): Promise<void> {
  // Now rather than after an hour, should that be impossible.
  if (options.plots !== undefined) mkdirSync(options.plots, { recursive: true })
  const scenarios = chooseScenarios(options)
  const { floors, versions, ...found } = await installed(options.peers)
  const peers = withTrial(found.peers, options)
  const machine = describeMachine()
  console.log(JSON.stringify({ ...machine, ...versions }))
  const base = options.quick ? QUICK : FULL
  const settings = {
    ...base,
    pairs: options.pairs ?? base.pairs,
    durationMs: options.duration ?? base.durationMs,
    profileFolder: options.cpuProfile,
  }
  const results: ScenarioResult[] = []
  for (const scenario of scenarios) {
    const result = await runScenario(scenario, peers, {
      ...settings,
      floors,
      sampling: ({ name, title }, system, round) => {
        console.error(`${name}: ${title}; round ${round + 1}, ${system.name}`)
      },
    })
    results.push(result)
    writeResults(options.json, { machine, versions, settings, results })
  }
  console.log(`\n${formatTable(results)}`)
  for (const remark of formatRemarks(results)) console.log(remark)
  console.log('\nMedian (min–max) of the samples; ratios pair by pair.')
  if (options.plots !== undefined) await draw({ machine, versions, results }, options.plots)
  if (results.some(({ voids }) => voids.length > 0)) process.exitCode = 1
}

const options = parseOptions()
if (options.from === undefined) await measure(options)
else {
  await drawEarlier(options.from, options.plots!).catch((error: Error) => {
    console.error(error.message)
    process.exitCode = 1
  })
}
