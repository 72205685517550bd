import { type Command, Option } from 'commander'
import { type PublishOptions, RingbusError } from '../../client/index.js'
import { type Bus, connectionLost, openBus } from '../bus.js'
import { inputLines, parseJson, textOrBytes, wholeInput } from '../input.js'
import { Interruption } from '../interruption.js'
import { Notes } from '../notes.js'
import {
  type GlobalOptions,
  headerOption,
  type PayloadFlags,
  payloadOptions,
  positive,
  priorityOption,
} from '../option-values.js'

interface PubOptions extends GlobalOptions, PayloadFlags {
  readonly raw?: boolean
  readonly json?: boolean
  readonly encoding?: 'msgpack' | 'json'
  readonly ttl?: number
  readonly retain?: boolean
  readonly repeat?: number
}

const HELP = `
Without a payload, or with -, each line of standard input is a message. What is valid UTF-8 is sent as text,
anything else as bytes. The command ends once the broker has routed everything; nobody need be subscribed.
No more is read than subscribers take that ask publishers to wait for them (see sub --overflow).

Examples:
  ringbus pub greetings hello
  tail -f app.log | ringbus pub logs.app
  ringbus pub orders.created '{"id":1}' --json -p 20 -H trace=4711
  jq -c .[] orders.json | ringbus pub orders.created --json
  ringbus pub images.new --raw < photo.jpg
  ringbus pub config.mode dark --retain              who subscribes later gets it, too
  ringbus pub config.mode '' --retain                what is retained is removed`

export function addPubCommand(program: Command): void {
  program
    .command('pub')
    .description('publish a payload, or each line of standard input')
    .argument('<topic>', 'such as orders.created; no wildcards')
    .argument('[payload]', 'the message; - or nothing: standard input')
    .addOption(new Option('--raw', 'all of standard input is one message, as bytes').conflicts('json'))
    .option('--json', 'the payload or each line is JSON, sent as the value it stands for; errors as JSON too')
    .addOption(
      new Option('--encoding <name>', 'how --json values travel (default: by their type)').choices([
        'msgpack',
        'json',
      ]),
    )
    .addOption(priorityOption())
    .addOption(headerOption())
    .option('--ttl <milliseconds>', 'nobody handles the message after that time', positive)
    .option('--retain', 'the broker keeps the message for subscribers to come, the last one of the topic')
    .option('-n, --repeat <times>', 'publish the payload that often', positive)
    .addHelpText('after', HELP)
    .action(async (topic: string, payload: string | undefined, _options: object, command: Command) => {
      await run(topic, payload, command.optsWithGlobals<PubOptions>())
    })
}

async function run(topic: string, payload: string | undefined, options: PubOptions): Promise<void> {
  const fromLines = (payload === undefined || payload === '-') && options.raw !== true
  checkCombination(payload, options, fromLines)
  const interruption = new Interruption()
  await using bus = await openBus(options, 'pub', false)
  const failed = new Promise<never>((_resolve, reject) => bus.on('error', reject))
  const batches = fromLines
    ? linePayloads(options, interruption.signal)
    : repeated(await givenPayload(payload, options, interruption.signal), options.repeat ?? 1)
  await Promise.race([
    publishAll(bus, topic, batches, publishOptions(options), interruption.signal),
    failed,
    connectionLost(bus),
    // What was published by then leaves as the connection closes, unless it is held up for long.
    interruption.interrupted,
  ])
  process.exitCode = interruption.exitCode
  const notes = new Notes(options.logLevel)
  bus.on('error', (error) => notes.warn(`${error.code}: ${error.message}`))
}

function checkCombination(payload: string | undefined, options: PubOptions, fromLines: boolean): void {
  if (options.encoding !== undefined && options.json !== true) throw usage('--encoding is for --json')
  if (options.repeat !== undefined && fromLines) throw usage('--repeat is for a payload or --raw')
  if (options.raw === true && payload !== undefined && payload !== '-') {
    throw usage('--raw takes the message from standard input: leave the payload out')
  }
}

function usage(message: string): RingbusError {
  return new RingbusError('INVALID_ARGUMENT', message)
}

async function publishAll(
  bus: Bus,
  topic: string,
  batches: AsyncIterable<unknown[]>,
  options: PublishOptions,
  signal: AbortSignal,
): Promise<void> {
  for await (const batch of batches) {
    // What was cut short is no message.
    if (signal.aborted) return
    for (const data of batch) if (!bus.publish(topic, data, options)) await bus.ready(topic)
  }
  await bus.flush()
}

async function* linePayloads(options: PubOptions, signal: AbortSignal): AsyncGenerator<unknown[]> {
  let number = 0
  for await (const lines of inputLines(signal)) {
    const batch: unknown[] = []
    for (const line of lines) {
      number += 1
      if (options.json !== true) batch.push(textOrBytes(line))
      else if (line.length > 0) batch.push(parseJson(line.toString('utf8'), `Line ${number}`))
    }
    yield batch
  }
}

async function givenPayload(
  payload: string | undefined,
  options: PubOptions,
  signal: AbortSignal,
): Promise<unknown> {
  if (options.raw === true) return wholeInput(signal)
  return options.json === true ? parseJson(payload!, 'The payload') : payload
}

/** One at a time, so that a large number takes no memory. */
async function* repeated(data: unknown, times: number): AsyncGenerator<unknown[]> {
  for (let time = 0; time < times; time++) yield [data]
}

function publishOptions(options: PubOptions): PublishOptions {
  const { ttl, retain, encoding } = options
  return { ...payloadOptions(options), ttl, retain, encoding }
}
