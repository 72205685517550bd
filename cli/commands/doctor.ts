import type { Command } from 'commander'
import { type Check, diagnose, RingbusError } from '../../client/index.js'
import { type PollingStats, readPolling, readSubscriptions, type SubscriptionRow } from '../broker-status.js'
import { openBus } from '../bus.js'
import { ExitCode } from '../exit-codes.js'
import { type FindingStatus, findingLines } from '../findings.js'
import type { GlobalOptions } from '../option-values.js'
import { Output } from '../output.js'
import { counted } from '../quantities.js'
import { subscriptionsBehind, whose } from '../slow-report.js'

interface DoctorOptions extends GlobalOptions {
  readonly json?: boolean
}

const HELP = `
Looks at what a connection needs, in that order, at whether subscriptions are slow or blocking right now, and at
who polls, and says how to mend what is not well. "warn" is what ringbus works without, if less well. Exit code 1 when something fails, 0 when there are only warnings.

Examples:
  ringbus doctor
  ringbus doctor --path /run/app/bus.sock
  ringbus doctor --json | jq '.checks[] | select(.status != "ok")'`

/** Checks whose failure leaves a connection possible. */
const DISPENSABLE: ReadonlySet<string> = new Set(['rings', 'addon', 'open files', 'subscriptions', 'polling'])

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('look for what is wrong, and say what to do about it')
    .option('--json', 'one JSON object {checks: [{name, status, detail, remedy}]}')
    .addHelpText('after', HELP)
    .action(async (_options: object, command: Command) => run(command.optsWithGlobals<DoctorOptions>()))
}

async function run(options: DoctorOptions): Promise<void> {
  const { path, brokerUid, json } = options
  const output = new Output()
  const checks = await diagnose({ path, brokerUid })
  const answers = checks.some(({ name, ok }) => name === 'broker' && ok)
  if (answers) checks.push(...(await askBroker(options)))
  if (json === true) {
    const rows = checks.map((check) => ({
      name: check.name,
      status: statusOf(check),
      detail: check.detail,
      remedy: check.remedy ?? null,
    }))
    output.write(`${JSON.stringify({ checks: rows })}\n`)
  } else {
    for (const check of checks) output.write(findingLines({ ...check, status: statusOf(check) }))
  }
  await output.finish()
  process.exitCode = checks.some((check) => statusOf(check) === 'fail') ? ExitCode.ERROR : ExitCode.OK
}

/** What the broker says about itself; nothing when it does not. */
async function askBroker(options: GlobalOptions): Promise<Check[]> {
  try {
    await using bus = await openBus(options, 'doctor', false)
    return [checkSubscriptions(await readSubscriptions(bus)), checkPolling(await readPolling(bus))]
  } catch (error) {
    // Permissions may forbid to ask, and a broker that had no trouble to connect may end.
    if (error instanceof RingbusError) return []
    throw error
  }
}

/** Whether any is behind at this moment. */
function checkSubscriptions(rows: readonly SubscriptionRow[]): Check {
  const name = 'subscriptions'
  const behind = subscriptionsBehind(rows)
  if (behind.length === 0) return { name, ok: true, detail: `none of ${rows.length} is slow or blocking` }
  const detail = `${behind.length} of ${counted(rows.length, 'subscription')} slow or blocking; the worst: ${whose(behind[0]!)}`
  return { name, ok: false, detail, remedy: 'See `ringbus status` for what it holds up, and what it loses' }
}

/** Whether every client that asked for low latency has it. */
function checkPolling({ processors, busyPollUs, places, placesTaken, placesWanted }: PollingStats): Check {
  const name = 'polling'
  if (placesWanted > 0) {
    const detail = `${counted(placesWanted, 'event loop')} with \`latency: 'low'\` may not poll: ${counted(processors, 'processor leaves', 'processors leave')} ${counted(places, 'place')}`
    const remedy =
      'Keep low latency for the programs that need it most, or use a machine with more processors: `ringbus status` shows who polls'
    return { name, ok: false, detail, remedy }
  }
  if (processors === 1) return { name, ok: true, detail: 'there is one processor: nobody polls' }
  const broker = busyPollUs === 0 ? 'the broker never polls' : 'the broker polls where it pays'
  return {
    name,
    ok: true,
    detail: `${broker}; ${placesTaken} of ${counted(places, 'place')} for clients taken`,
  }
}

function statusOf({ ok, name }: Check): FindingStatus {
  if (ok) return 'ok'
  return DISPENSABLE.has(name) ? 'warn' : 'fail'
}
