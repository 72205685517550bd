import { writeFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { loadPeer, type Peer, type PeerName } from './peers/index.js'
import { describeMachine, formatRemarks, formatTable, peerVersions } from './report.js'
import { runScenario, type ScenarioResult } from './runner.js'
import { SCENARIOS, type Scenario } from './scenarios/index.js'

interface Options {
  readonly quick?: true
  readonly only?: string[]
  readonly peers: readonly PeerName[]
  readonly pairs?: number
  readonly duration?: number
  readonly json?: string
  readonly cpuProfile?: string
}

const SCENARIO_NAMES = SCENARIOS.map(({ name }) => name).join(', ')

const PEER_NAMES: readonly PeerName[] = ['ringbus', 'nats']

/** A median of fewer pairs moves with the noise of the machine. */
const FULL = { pairs: 7, durationMs: 3000, seriesCount: 50_000 }

/** Ends within three minutes: to see whether something broke, not to quote. */
const QUICK = { pairs: 3, durationMs: 700, seriesCount: 10_000 }

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
    .addOption(new Option('--peers <names...>', 'systems to measure').choices(PEER_NAMES).default(PEER_NAMES))
    .option('--pairs <count>', 'samples of each peer', positiveInteger)
    .option('--duration <ms>', 'how long each stream is published', positiveInteger)
    .option('--json <file>', 'write every sample there')
    .option('--cpu-profile <folder>', 'let every Node process leave a processor profile there')
    .addHelpText('after', `\nScenarios: ${SCENARIO_NAMES}`)
  return program.parse().opts<Options>()
}

function chooseScenarios(prefixes: readonly string[] | undefined): Scenario[] {
  return SCENARIOS.filter(({ name }) => prefixes?.some((prefix) => name.startsWith(prefix)) ?? true)
}

async function installedPeers(names: readonly PeerName[]): Promise<Peer[]> {
  const all = await Promise.all(names.map(loadPeer))
  for (const peer of all) {
    if (peer.version() === undefined)
      console.log(`${peer.name}: skipped, not installed (see bench/peers/install.sh)`)
  }
  return all.filter((peer) => peer.version() !== undefined)
}

async function main(options: Options): Promise<void> {
  const scenarios = chooseScenarios(options.only)
  const peers = await installedPeers(options.peers)
  const machine = describeMachine()
  const versions = peerVersions(peers)
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
      sampled: ({ name, title }, peer, round) => {
        if (round === 0 && peer === peers[0]) console.error(`${name}: ${title}`)
      },
    })
    results.push(result)
  }
  console.log(`\n${formatTable(results)}`)
  for (const remark of formatRemarks(results)) console.log(remark)
  console.log('\nMedian (min–max) of the samples; ratios pair by pair.')
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify({ machine, versions, settings, results }, null, 2)}\n`)
  }
  if (results.some(({ voids }) => voids.length > 0)) process.exitCode = 1
}

await main(parseOptions())
