import { type Command, InvalidArgumentError } from 'commander'
import { type BrokerSettings, runBroker } from '../../broker/index.js'
import { assignment, type GlobalOptions, natural } from '../option-values.js'

interface BrokerOptions extends GlobalOptions {
  readonly config?: string
  readonly group?: number
  readonly limit?: Record<string, number>
  readonly busyPoll?: BusyPoll
}

type BusyPoll = BrokerSettings['busyPollUs']

const HELP = `
Prints one line once it takes clients, and logs to standard error. SIGTERM and SIGINT stop it in order: what is queued
is still handled, for as long as drainTimeoutMs permits, and publishers keep what they have for the next broker; a
second signal does not wait. SIGHUP reads the configuration again. The limits are in docs/LIMITS.md, by the names that --limit and the file take; who may
do what, the file's "permissions", is explained there as well.

Examples:
  ringbus broker
  ringbus broker --path /run/app/bus.sock --limit clientsMax=500 --limit backlogBytesMax=1048576
  ringbus broker --config broker.json                {"path": "/run/app/bus.sock", "clientsMax": 500}`

export function addBrokerCommand(program: Command): void {
  program
    .command('broker')
    .description('run a broker, until a signal stops it')
    .option('--config <file>', 'settings as JSON; the other options go before it')
    .option('--group <gid>', 'let the processes of this group connect as well, by its number', natural)
    .option('--limit <name=number>', 'sets one limit; may be repeated', limit)
    .option(
      '--busy-poll <auto|µs|0>',
      'how long to poll after traffic instead of sleeping (default: auto)',
      busyPoll,
    )
    .addHelpText('after', HELP)
    .action(async (_options: object, command: Command) => run(command.optsWithGlobals<BrokerOptions>()))
}

async function run({ path, config, group, limit: limits, busyPoll, logLevel }: BrokerOptions): Promise<void> {
  await runBroker({
    settings: { ...limits, path, group, ...(busyPoll === undefined ? {} : { busyPollUs: busyPoll }) },
    configPath: config,
    logLevel,
    ready: (broker) =>
      process.stdout.write(`ringbus broker ready at ${broker.path}, process ${process.pid}\n`),
  })
}

function limit(text: string, previous: Record<string, number> = {}): Record<string, number> {
  const [name, value] = assignment(text)
  const number = Number(value)
  if (value === '' || Number.isNaN(number)) throw new InvalidArgumentError('Expected name=number.')
  return { ...previous, [name]: number }
}

function busyPoll(text: string): BusyPoll {
  if (text === 'auto') return text
  if (/^\d+$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Expected auto, or a whole number of microseconds.')
}
