import type { DemoOptions } from './options.js'
import { HELP, parseOptions, UsageError } from './options.js'
import { runOverBus } from './run.js'
import { formatSummary, isFile, type Summary, summarize } from './summary.js'
import { type Finding, verifyAll } from './verify.js'

/** Exit codes that shells give to what a signal ended: 128 and the signal's number. */
const SIGNAL_EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

class Interrupted extends Error {
  readonly exitCode: number

  constructor(signal: keyof typeof SIGNAL_EXIT_CODES) {
    super(`Stopped by ${signal}`)
    this.exitCode = SIGNAL_EXIT_CODES[signal]
  }
}

/** Aborts on the first Ctrl-C. A second one ends this process at once, and the others notice. */
function stopOnSignals(): AbortController {
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort(new Interrupted('SIGINT')))
  process.once('SIGTERM', () => stop.abort(new Interrupted('SIGTERM')))
  return stop
}

async function runDemo(options: DemoOptions): Promise<Summary> {
  const stop = stopOnSignals()
  const run = await runOverBus(options, stop)
  const findings: Finding[] = []
  for await (const finding of verifyAll(run.outcomes.filter(isFile), stop.signal)) findings.push(finding)
  return summarize(run, findings)
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(args)
    if (options.help) {
      process.stdout.write(HELP)
      return 0
    }
    const summary = await runDemo(options)
    process.stdout.write(options.json ? `${JSON.stringify(summary)}\n` : formatSummary(summary))
    return summary.verdicts.differs === 0 ? 0 : 1
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\nSee \`npm start -- --help\`.\n`)
      return 2
    }
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    return error instanceof Interrupted ? error.exitCode : 1
  }
}

process.exitCode = await main(process.argv.slice(2))
