import { type Command, InvalidArgumentError } from 'commander'
import { runBroker } from '../../broker/index.js'
import { assignment, type GlobalOptions } from '../option-values.js'

interface BrokerOptions extends GlobalOptions {
  readonly config?: string
  readonly limit?: Record<string, number>
}

const HELP = `
Prints one line once it takes clients, and logs to standard error. SIGTERM and SIGINT stop it in order, SIGHUP
reads the configuration again. The limits are in docs/LIMITS.md, by the names that --limit and the file take.

Examples:
  ringbus broker
  ringbus broker --path /run/app/bus.sock --limit clientsMax=500 --limit backlogBytesMax=1048576
  ringbus broker --config broker.json                {"path": "/run/app/bus.sock", "clientsMax": 500}`

export function addBrokerCommand(program: Command): void {
  program
    .command('broker')
    .description('run a broker, until a signal stops it')
    .option('--config <file>', 'settings as JSON; --path and --limit go before it')
    .option('--limit <name=number>', 'sets one limit; may be repeated', limit)
    .addHelpText('after', HELP)
    .action(async (_options: object, command: Command) => run(command.optsWithGlobals<BrokerOptions>()))
}

async function run({ path, config, limit: limits, logLevel }: BrokerOptions): Promise<void> {
  await runBroker({
    settings: { ...limits, path },
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
