import type { Command } from 'commander'
import type { Request } from '../../client/index.js'
import { connectionLost, openBus } from '../bus.js'
import { runChild } from '../child-command.js'
import { parseJson, textOrBytes } from '../input.js'
import { Interruption } from '../interruption.js'
import { jsonText } from '../json-text.js'
import { Notes } from '../notes.js'
import { type GlobalOptions, positive } from '../option-values.js'

interface ServeOptions extends GlobalOptions {
  readonly concurrency: number
  readonly json?: boolean
  readonly reconnect: boolean
}

const HELP = `
The command gets the request's payload on standard input: text and bytes as they are, values as JSON. Its
standard output is the reply. An exit code other than 0 fails the request, with the end of standard error in the
message. RINGBUS_TOPIC, RINGBUS_PRIORITY and RINGBUS_HEADERS_JSON are in its environment. When the requester
cancels, times out or dies, the command and whatever it has started are ended: SIGTERM, 2 s later SIGKILL.

SIGINT or SIGTERM lets the requests in hand end first; a second one ends them, too.

Examples:
  ringbus serve text.count -- wc -w
  ringbus serve 'text.*' -- sh -c 'tr a-z A-Z; echo "$RINGBUS_TOPIC" >&2'
  ringbus serve math.add --json -- jq '.a + .b'`

/** Commands at a time, unless told otherwise: processes are heavier than handlers. */
const CONCURRENCY_DEFAULT = 4

export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('answer requests with a command, one run for each')
    .argument('<topic>', 'a topic or pattern to serve')
    .argument('<command...>', 'the command and its arguments, behind --')
    .option('--concurrency <runs>', 'runs of the command at a time', positive, CONCURRENCY_DEFAULT)
    .option('--json', 'standard output is JSON, and the reply the value it stands for; errors as JSON too')
    .option('--no-reconnect', 'end when the connection is lost, with exit code 3')
    .showHelpAfterError('  Options of the command itself go behind --. See --help.')
    .addHelpText('after', HELP)
    .action(async (topic: string, words: string[], _options: object, self: Command) => {
      await run(topic, words, self.optsWithGlobals<ServeOptions>())
    })
}

async function run(topic: string, words: readonly string[], options: ServeOptions): Promise<void> {
  const notes = new Notes(options.logLevel)
  const interruption = new Interruption()
  await using bus = await openBus(options, 'serve', options.reconnect)
  bus.on('disconnect', (error) => notes.warn(`${error.code}: ${error.message}`))
  bus.on('reconnect', () => notes.warn('connected again'))
  bus.on('error', (error) => notes.warn(`${error.code}: ${error.message}`))
  const answer = (request: Request): Promise<unknown> =>
    answerWith(words, request, options.json === true, interruption.forced)
  const service = bus.serve(topic, answer, { concurrency: options.concurrency })
  await service.ready
  notes.info(`serving ${topic}`)
  await Promise.race([interruption.interrupted, connectionLost(bus)])
  notes.info('stopping once the requests in hand are answered')
  await service.stop()
}

async function answerWith(
  words: readonly string[],
  request: Request,
  json: boolean,
  forced: AbortSignal,
): Promise<unknown> {
  const [command, ...args] = words
  const output = await runChild({
    command: command!,
    args,
    env: {
      RINGBUS_TOPIC: request.topic,
      RINGBUS_PRIORITY: String(request.priority),
      RINGBUS_HEADERS_JSON: JSON.stringify(request.headers),
    },
    input: request.encoding === 'msgpack' ? jsonText(request.data) : request.bytes,
    cancelled: request.signal,
    forced,
  })
  return json ? parseJson(output.toString('utf8'), `The output of ${command}`) : textOrBytes(output)
}
