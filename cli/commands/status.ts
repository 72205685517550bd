import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { type BrokerStatus, readStatus } from '../broker-status.js'
import { connectionLost, openBus } from '../bus.js'
import { Interruption } from '../interruption.js'
import { jsonText } from '../json-text.js'
import { type GlobalOptions, positive } from '../option-values.js'
import { Output } from '../output.js'
import { statusReport } from '../status-report.js'

interface StatusOptions extends GlobalOptions {
  readonly json?: boolean
  readonly watch?: number
}

const HELP = `
First comes what is slow or blocking, if anything: whose subscription it is, since when, what it holds and has lost,
and whose publishers wait for it. In the tables the slow ones come first, and the last column says why. A subscription
accounts for every message that it matched: matched = handled + dropped + queued + in flight. What was dropped was
  expired      its time to live was over
  oldest       the oldest when there was no room; newest: the one that came; replaced: superseded, with "latest"
  unsendable   nothing that its client could be sent
  discarded    received by its client, but handled by nobody there
  ended, lost  still queued, or on its way, when the subscription or its client ended
Latency is from publish to the call of the handler, of about ten messages of a topic in a second. Leases are payloads in
shared memory that a client was given and has not released.

Examples:
  ringbus status
  ringbus status --watch 2
  ringbus status --json | jq '.subscriptions[] | select(.dropped > 0) | {name, pid, pattern, droppedBy}'`

/** Puts the cursor into the corner and clears the terminal. */
const CLEAR_SCREEN = '\x1b[H\x1b[2J'

export function addStatusCommand(program: Command): void {
  program
    .command('status')
    .description('show who is connected, with what, and who is slow')
    .option(
      '--json',
      'one JSON object {takenAtMs, stats, clients, subscriptions, services, topics, rings}; errors as JSON too',
    )
    .option('--watch <seconds>', 'again and again, until interrupted', positive)
    .addHelpText('after', HELP)
    .action(async (_options: object, command: Command) => run(command.optsWithGlobals<StatusOptions>()))
}

async function run(options: StatusOptions): Promise<void> {
  const interruption = new Interruption()
  const output = new Output()
  await using bus = await openBus(options, 'status', false)
  const show = async (): Promise<void> => {
    do {
      await output.write(rendered(await readStatus(bus), options))
    } while (options.watch !== undefined && (await pause(options.watch, interruption.signal)))
  }
  await Promise.race([show(), interruption.interrupted, output.readerGone, connectionLost(bus)])
  await interruption.conclude(output)
}

function rendered(status: BrokerStatus, options: StatusOptions): string {
  if (options.json === true) return `${jsonText(status)}\n`
  const clear = options.watch !== undefined && process.stdout.isTTY ? CLEAR_SCREEN : ''
  return `${clear}${statusReport(status)}`
}

/** Says whether the time passed without an interruption. */
async function pause(seconds: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(seconds * 1000, undefined, { signal })
    return true
  } catch {
    return false
  }
}
