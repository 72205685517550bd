import { Command, CommanderError } from 'commander'
import { addBenchCommand } from './commands/bench.js'
import { addBrokerCommand } from './commands/broker.js'
import { addDoctorCommand } from './commands/doctor.js'
import { addPubCommand } from './commands/pub.js'
import { addRequestCommand } from './commands/request.js'
import { addServeCommand } from './commands/serve.js'
import { addStatusCommand } from './commands/status.js'
import { addSubCommand } from './commands/sub.js'
import { EXIT_CODES_HELP, ExitCode } from './exit-codes.js'
import { reportFailure } from './failures.js'
import { brokerUidOption, logLevelOption } from './option-values.js'
import { VERSION } from './version.js'

const EXAMPLES = `
Examples:
  ringbus broker                                     run a broker, at the default socket
  ringbus sub '>'                                    see everything that is published
  echo hello | ringbus pub greetings                 publish each line of standard input
  ringbus pub orders.created '{"id":1}' --json -p 20
  ringbus sub 'orders.*' --json | jq .data
  ringbus serve text.count -- wc -w                  answer requests with a command
  ringbus request text.count 'how many words'
  ringbus status                                     who is connected, and who is slow
  ringbus doctor                                     what is wrong, and what to do about it
  ringbus bench                                      how fast this machine is, within ten seconds

The socket is --path, else $RINGBUS_SOCKET, else ringbus/broker.sock in $XDG_RUNTIME_DIR, else
/tmp/ringbus-<uid>/broker.sock. NODE_DEBUG=ringbus shows what the client library does.`

/** Runs one command line and sets the exit code of the process. */
export async function runCli(argv: readonly string[]): Promise<void> {
  let running: Command | undefined
  const program = ringbusProgram().hook('preAction', (_program, command) => {
    running = command
  })
  try {
    await program.parseAsync(argv)
  } catch (error) {
    if (error instanceof CommanderError)
      process.exitCode = error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE
    else process.exitCode = reportFailure(error, running?.opts()['json'] === true)
  } finally {
    // A command that ends before its input does would otherwise wait for more of it.
    process.stdin.destroy()
  }
}

function ringbusProgram(): Command {
  const program = new Command('ringbus')
    .description('A message broker for one host: pub/sub and request/reply over a Unix domain socket.')
    .version(VERSION, '-V, --version')
    .option('--path <socket>', "the broker's socket")
    .addOption(brokerUidOption())
    .addOption(logLevelOption())
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'INVALID_ARGUMENT: ')),
    })
    .showHelpAfterError('  See --help.')
    .exitOverride()
    .addHelpText('after', `${EXAMPLES}\n${EXIT_CODES_HELP}`)
  const additions = [
    addBrokerCommand,
    addPubCommand,
    addSubCommand,
    addRequestCommand,
    addServeCommand,
    addStatusCommand,
    addDoctorCommand,
    addBenchCommand,
  ]
  for (const add of additions) add(program)
  return program
}
