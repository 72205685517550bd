import type { Command } from 'commander'
import { type RequestOptions, RingbusError } from '../../client/index.js'
import { type Bus, connectionLost, openBus } from '../bus.js'
import { parseJson, textOrBytes, wholeInput } from '../input.js'
import { Interruption } from '../interruption.js'
import {
  chooseFormat,
  FORMATS_HELP,
  type FormatFlags,
  formatOptions,
  type MessageFormat,
  payloadAlone,
} from '../message-format.js'
import {
  type GlobalOptions,
  headerOption,
  natural,
  type PayloadFlags,
  payloadOptions,
  priorityOption,
} from '../option-values.js'
import { Output } from '../output.js'

interface RequestCommandOptions extends GlobalOptions, FormatFlags, PayloadFlags {
  readonly timeout?: number
  readonly stream?: boolean
}

const HELP = `${FORMATS_HELP}

With --json the payload is JSON as well, sent as the value it stands for. A reply that is text is written as it
is, with its lines.

Examples:
  ringbus request text.count 'how many words'
  ringbus request math.add '{"a":1,"b":2}' --json | jq .data
  ringbus request images.resize - --bytes < photo.jpg > small.jpg
  ringbus request logs.tail --stream --timeout 0
  ringbus request '$SYS.stats'`

export function addRequestCommand(program: Command): void {
  const command = program
    .command('request')
    .description('send a request and write its reply')
    .argument('<topic>', 'the topic that somebody serves')
    .argument('[payload]', 'what to ask; -: all of standard input; nothing: an empty text')
    .option(
      '--timeout <milliseconds>',
      'for the reply, or the next part; 0: for ever (default: 5000)',
      natural,
    )
    .option('--stream', 'write the parts of a stream of replies as they come')
    .addOption(priorityOption())
    .addOption(headerOption())
  for (const option of formatOptions()) command.addOption(option)
  command
    .addHelpText('after', HELP)
    .action(async (topic: string, payload: string | undefined, _options: object, self: Command) => {
      await run(topic, payload ?? '', self.optsWithGlobals<RequestCommandOptions>())
    })
}

async function run(topic: string, argument: string, options: RequestCommandOptions): Promise<void> {
  const interruption = new Interruption()
  const output = new Output()
  await using bus = await openBus(options, 'request', false)
  const payload = await payloadOf(argument, options.json === true, interruption.signal)
  const { priority, headers } = payloadOptions(options)
  const settings = { priority, headers, timeout: options.timeout, signal: interruption.signal }
  const format = chooseFormat(options, payloadAlone)
  const asked = { topic, payload, settings }
  try {
    await Promise.race([
      options.stream === true
        ? writeParts(bus, asked, output, format)
        : writeReply(bus, asked, output, format),
      output.readerGone,
      connectionLost(bus),
    ])
  } catch (error) {
    if (!(error instanceof RingbusError && interruption.signal.aborted)) throw error
  }
  await interruption.conclude(output)
}

interface Asked {
  readonly topic: string
  readonly payload: unknown
  readonly settings: RequestOptions
}

async function writeReply(bus: Bus, asked: Asked, output: Output, format: MessageFormat): Promise<void> {
  const reply = await bus.request(asked.topic, asked.payload, asked.settings)
  await output.write(format(reply))
}

async function writeParts(bus: Bus, asked: Asked, output: Output, format: MessageFormat): Promise<void> {
  for await (const part of bus.requestStream(asked.topic, asked.payload, asked.settings)) {
    await output.write(format(part))
  }
}

async function payloadOf(argument: string, json: boolean, signal: AbortSignal): Promise<unknown> {
  const given = argument === '-' ? textOrBytes(await wholeInput(signal)) : argument
  if (!json || given.length === 0) return given
  return parseJson(given.toString(), 'The payload')
}
