import { type Command, Option } from 'commander'
import type { Message, OverflowPolicy, SubscribeOptions } from '../../client/index.js'
import { type Bus, connectionLost, openBus } from '../bus.js'
import { Interruption } from '../interruption.js'
import { LossNotes } from '../loss-notes.js'
import {
  chooseFormat,
  FORMATS_HELP,
  type FormatFlags,
  formatOptions,
  type MessageFormat,
  topicAndPayload,
} from '../message-format.js'
import { Notes } from '../notes.js'
import { type GlobalOptions, positive } from '../option-values.js'
import { Output } from '../output.js'

interface SubOptions extends GlobalOptions, FormatFlags {
  readonly count?: number
  readonly group?: string
  readonly overflow: OverflowPolicy
  readonly backlogBytes?: number
  readonly backlogMessages?: number
  readonly retained: boolean
  readonly reconnect: boolean
}

const OVERFLOW_POLICIES: readonly OverflowPolicy[] = [
  'block',
  'drop-oldest',
  'drop-newest',
  'latest',
  'disconnect',
]

/** Unlike a program's: who looks at what goes by, in a pager or with a breakpoint behind the pipe, holds nobody up. */
const OVERFLOW_DEFAULT: OverflowPolicy = 'drop-oldest'

const HELP = `${FORMATS_HELP}

When the reader of a pipe goes, the command learns it with the next message, and ends quietly. While the reader
does not read, messages wait in the broker, as many as --backlog-bytes and --backlog-messages permit. Beyond, --overflow:
  block        publishers are paused; when nothing is read for a second, the oldest messages are lost all the same
  drop-oldest  the oldest are lost; a note on standard error says how many (default)
  drop-newest  those that come are lost
  latest       of each topic only the newest message waits
  disconnect   the connection is lost; with --no-reconnect the command ends
Messages that the broker has retained come first; --json marks them.

Examples:
  ringbus sub '>'                                    everything but what the broker publishes about itself
  ringbus sub 'orders.*' '$SYS.client.>'
  ringbus sub orders.created -n 1 --json | jq .data.id
  ringbus sub jobs --group workers --overflow block --raw | while read -r job; do echo "$job"; done
  ringbus sub 'sensors.>' --overflow latest --backlog-messages 1000
  ringbus sub images.new -n 1 --bytes > photo.jpg`

export function addSubCommand(program: Command): void {
  const command = program
    .command('sub')
    .description('write what is published to standard output, one message a line')
    .argument('<pattern...>', 'topics; * stands for one token, a last > for one or more: quote them')
    .option('-n, --count <messages>', 'end after that many', positive)
    .option('--group <name>', 'share the messages with everyone of the same group and pattern')
    .addOption(
      new Option('--overflow <policy>', 'what becomes of messages that there is no room for')
        .choices(OVERFLOW_POLICIES)
        .default(OVERFLOW_DEFAULT),
    )
    .option(
      '--backlog-bytes <bytes>',
      "how much may wait, at most the broker's limit (default: that)",
      positive,
    )
    .option('--backlog-messages <messages>', 'how many may wait, likewise', positive)
    .option('--no-retained', 'only what is published from now on')
    .option('--no-reconnect', 'end when the connection is lost, with exit code 3')
  for (const option of formatOptions()) command.addOption(option)
  command.addHelpText('after', HELP).action(async (patterns: string[], _options: object, self: Command) => {
    await run(patterns, self.optsWithGlobals<SubOptions>())
  })
}

async function run(patterns: readonly string[], options: SubOptions): Promise<void> {
  const notes = new Notes(options.logLevel)
  const interruption = new Interruption()
  const output = new Output()
  await using bus = await openBus(options, 'sub', options.reconnect)
  const losses = new LossNotes(notes)
  bus.on('slow', (info) => losses.take(info))
  noteConnection(bus, notes)
  const tap = new Tap(output, chooseFormat(options, topicAndPayload), options.count)
  const settings = subscribeOptions(options)
  const subscriptions = patterns.map((pattern) =>
    bus.subscribe(pattern, settings, (message) => tap.show(message)),
  )
  await Promise.all(subscriptions.map((subscription) => subscription.ready))
  notes.info(`subscribed to ${patterns.join(' ')}`)
  await Promise.race([tap.full, output.readerGone, interruption.interrupted, connectionLost(bus)])
  for (const subscription of subscriptions) subscription.unsubscribe()
  losses.conclude()
  await interruption.conclude(output)
}

/** Writes messages, at most as many as are wanted. */
class Tap {
  /** Resolves once as many messages as wanted were written. */
  readonly full: Promise<void>
  readonly #output: Output
  readonly #format: MessageFormat
  #wanted: number
  #filled: () => void = () => {}

  constructor(output: Output, format: MessageFormat, wanted = Number.POSITIVE_INFINITY) {
    this.#output = output
    this.#format = format
    this.#wanted = wanted
    this.full = new Promise((resolve) => {
      this.#filled = resolve
    })
  }

  /** The handler: the broker sends more as its promise resolves, so a slow reader is nobody else's trouble. */
  show(message: Message): Promise<void> | undefined {
    if (this.#wanted === 0) return undefined
    this.#wanted -= 1
    const written = this.#output.write(this.#format(message))
    if (this.#wanted === 0) this.#filled()
    return written
  }
}

function subscribeOptions(options: SubOptions): SubscribeOptions {
  const { group, overflow, backlogBytes, backlogMessages, retained } = options
  return {
    group,
    overflow,
    backlogBytesMax: backlogBytes,
    backlogMessagesMax: backlogMessages,
    // Those of a group get none: whose would they be?
    retained: retained && group === undefined,
  }
}

function noteConnection(bus: Bus, notes: Notes): void {
  bus.on('disconnect', (error) => notes.warn(`${error.code}: ${error.message}`))
  bus.on('reconnect', () => notes.warn('connected again; what was published meanwhile is lost'))
  bus.on('error', (error) => notes.warn(`${error.code}: ${error.message}`))
}
