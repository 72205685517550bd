import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Check, diagnose } from '../../client/index.js'
import { type BenchFindings, benchJson, benchReport } from '../bench/bench-report.js'
import { MEASUREMENT_NAMES, type MeasurementName, type Result } from '../bench/figures.js'
import { Lab, type RunningBroker } from '../bench/lab.js'
import { describeMachine } from '../bench/machine.js'
import { MEASUREMENTS, type Measurement, measureAll } from '../bench/plan.js'
import { processorTimes, useBetween } from '../bench/processor-times.js'
import { ProgressLine } from '../bench/progress-line.js'
import { TimeBudget } from '../bench/time-budget.js'
import { verdict } from '../bench/verdict.js'
import { ExitCode } from '../exit-codes.js'
import { Interruption } from '../interruption.js'
import { Notes } from '../notes.js'
import { type GlobalOptions, positive } from '../option-values.js'
import { Output } from '../output.js'

interface BenchOptions extends GlobalOptions {
  readonly running?: boolean
  readonly seconds: number
  readonly only?: readonly MeasurementName[]
  readonly json?: boolean
}

const SECONDS_DEFAULT = 10

/** Nobody waits for longer; and the times of every message are kept until the end. */
const SECONDS_MAX = 600

/** Of the time, what the start of this process and the end of the others take. */
const END_MS = 500

const HELP = `
Starts a broker at a socket of its own, in a temporary directory, and as many clients as it takes, each a process; the
broker that runs at the usual socket is not touched. --running measures that one instead, as --path does: on topics
that nobody else has, but with all the speed that it has, which its other clients will feel.

Beside it is measured what two processes get by a bare Unix socket, which is what the machine gives: there and back
it wakes two processes, as a message on its way through a broker does, and a request four. With \`latency: 'low'\`
clients poll, each of which needs a processor; with two processors, both ends are in one process.

Every payload is checked: if one is missing, out of order or damaged, there is no figure, and the exit code is 1.
What follows the figures says what they are worth on this machine, and what stands in their way; "warn" comes with a
remedy. --log-level info says what is being measured, for logs.

Examples:
  ringbus bench
  ringbus bench --seconds 60 --only latency request
  ringbus bench --running                            the broker that everybody here uses
  ringbus bench --json | jq '.measurements[] | {name, p50Us, perSecond}'`

export function addBenchCommand(program: Command): void {
  program
    .command('bench')
    .description('measure this machine, and say what its figures are worth')
    .option('--running', 'measure the broker that runs at --path or the default socket; --path implies it')
    .option('--seconds <number>', 'time for all of it, about', seconds, SECONDS_DEFAULT)
    .addOption(new Option('--only <name...>', 'some of the measurements alone').choices(MEASUREMENT_NAMES))
    .option(
      '--json',
      'one JSON object {version, seconds, path, machine, measurements, verdict}; errors as JSON too',
    )
    .addHelpText('after', HELP)
    .action(async (_options: object, command: Command) => run(command.optsWithGlobals<BenchOptions>()))
}

async function run(options: BenchOptions): Promise<void> {
  const endsAtMs = performance.now() + options.seconds * 1000 - END_MS
  const interruption = new Interruption()
  const output = new Output()
  const lab = new Lab(runningBroker(options))
  interruption.forced.addEventListener('abort', () => lab.endAtOnce())
  try {
    const measured = measure(lab, options, endsAtMs)
    const findings = await Promise.race([measured, interruption.interrupted, output.readerGone])
    if (findings !== undefined) write(findings, options, output)
  } catch (error) {
    // Of a signal to all processes, what it did to the others may be heard of first.
    await lab.end()
    if (!interruption.signal.aborted) throw error
  } finally {
    await lab.end()
  }
  await interruption.conclude(output)
}

function write(findings: BenchFindings, { json, seconds: span }: BenchOptions, output: Output): void {
  output.write(json === true ? benchJson(findings, span) : benchReport(findings))
  const isVoid = findings.results.some(({ outcome }) => outcome.status === 'void')
  if (isVoid) process.exitCode = ExitCode.ERROR
}

function seconds(text: string): number {
  const number = positive(text)
  if (number > SECONDS_MAX) throw new InvalidArgumentError(`Expected at most ${SECONDS_MAX}.`)
  return number
}

/** Undefined: one is started for the purpose. Who names a socket, or its owner, means the broker there. */
function runningBroker({ running, path, brokerUid }: BenchOptions): RunningBroker | undefined {
  const isMeant = running === true || path !== undefined || brokerUid !== undefined
  return isMeant ? { path, brokerUid } : undefined
}

async function measure(lab: Lab, options: BenchOptions, endsAtMs: number): Promise<BenchFindings> {
  const progress = new ProgressLine()
  const notes = new Notes(options.logLevel)
  const begins = (text: string): void => {
    progress.show(text)
    notes.info(text)
  }
  try {
    begins('looking at the machine')
    const machine = await describeMachine()
    const before = processorTimes()
    await lab.start()
    const checks = await diagnose({ path: lab.path, brokerUid: lab.brokerUid })
    const polling = await lab.polling()
    const results = await measureChosen(lab, options.only, checks, endsAtMs, begins)
    const use = useBetween(before, processorTimes())
    return {
      path: lab.isOwn ? null : lab.path,
      machine,
      results,
      verdict: verdict({ machine, checks, results, polling, use }),
    }
  } finally {
    progress.clear()
  }
}

function measureChosen(
  lab: Lab,
  only: readonly MeasurementName[] | undefined,
  checks: readonly Check[],
  endsAtMs: number,
  begins: (text: string) => void,
): Promise<Result[]> {
  const chosen = MEASUREMENTS.filter(({ name }) => only === undefined || only.includes(name))
  const rings = checks.find(({ name }) => name === 'rings')
  return measureAll(chosen, {
    on: lab,
    budget: new TimeBudget(
      endsAtMs,
      chosen.map(({ weight }) => weight),
      () => performance.now(),
    ),
    ringsMissing: rings?.ok === true ? undefined : (rings?.detail ?? 'large payloads go by socket'),
    begins: ({ title }: Measurement, index) => begins(`[${index + 1}/${chosen.length}] ${title}`),
  })
}
