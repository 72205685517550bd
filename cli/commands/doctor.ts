import type { Command } from 'commander'
import { type Check, diagnose } from '../../client/index.js'
import { ExitCode } from '../exit-codes.js'
import type { GlobalOptions } from '../option-values.js'
import { Output } from '../output.js'

interface DoctorOptions extends GlobalOptions {
  readonly json?: boolean
}

const HELP = `
Looks at what a connection needs, in that order, and says how to mend what is not well. "warn" is what ringbus
works without, if less well. Exit code 1 when something fails, 0 when there are only warnings.

Examples:
  ringbus doctor
  ringbus doctor --path /run/app/bus.sock
  ringbus doctor --json | jq '.checks[] | select(.status != "ok")'`

/** Checks whose failure leaves a connection possible. */
const DISPENSABLE: ReadonlySet<string> = new Set(['rings', 'addon', 'open files'])

type Status = 'ok' | 'warn' | 'fail'

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('look for what is wrong, and say what to do about it')
    .option('--json', 'one JSON object {checks: [{name, status, detail, remedy}]}')
    .addHelpText('after', HELP)
    .action(async (_options: object, command: Command) => run(command.optsWithGlobals<DoctorOptions>()))
}

async function run({ path, brokerUid, json }: DoctorOptions): Promise<void> {
  const output = new Output()
  const checks = await diagnose({ path, brokerUid })
  if (json === true) {
    const rows = checks.map((check) => ({
      name: check.name,
      status: statusOf(check),
      detail: check.detail,
      remedy: check.remedy ?? null,
    }))
    output.write(`${JSON.stringify({ checks: rows })}\n`)
  } else {
    for (const check of checks) output.write(checkLines(check))
  }
  await output.finish()
  process.exitCode = checks.some((check) => statusOf(check) === 'fail') ? ExitCode.ERROR : ExitCode.OK
}

function statusOf({ ok, name }: Check): Status {
  if (ok) return 'ok'
  return DISPENSABLE.has(name) ? 'warn' : 'fail'
}

function checkLines(check: Check): string {
  const line = `${statusOf(check).padEnd(4)}  ${check.name}: ${check.detail}\n`
  return check.remedy === undefined ? line : `${line}      → ${check.remedy}\n`
}
