import type { Command } from 'commander'
import type { Message } from '../../client/index.js'
import { type Bus, connectionLost, openBus } from '../bus.js'
import { Interruption } from '../interruption.js'
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
  readonly reconnect: boolean
}

const HELP = `${FORMATS_HELP}

When the reader of a pipe goes, the command learns it with the next message, and ends quietly. While the reader
does not read, messages queue in the broker; past the limit of the subscription it drops the newest.

Examples:
  ringbus sub '>'                                    everything but what the broker publishes about itself
  ringbus sub 'orders.*' '$SYS.client.>'
  ringbus sub orders.created -n 1 --json | jq .data.id
  ringbus sub jobs --group workers --raw | while read -r job; do echo "$job"; done
  ringbus sub images.new -n 1 --bytes > photo.jpg`

export function addSubCommand(program: Command): void {
  const command = program
    .command('sub')
    .description('write what is published to standard output, one message a line')
    .argument('<pattern...>', 'topics; * stands for one token, a last > for one or more: quote them')
    .option('-n, --count <messages>', 'end after that many', positive)
    .option('--group <name>', 'share the messages with everyone of the same group and pattern')
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
  noteConnection(bus, notes)
  const tap = new Tap(output, chooseFormat(options, topicAndPayload), options.count)
  const group = options.group === undefined ? {} : { group: options.group }
  const subscriptions = patterns.map((pattern) =>
    bus.subscribe(pattern, group, (message) => tap.show(message)),
  )
  await Promise.all(subscriptions.map((subscription) => subscription.ready))
  notes.info(`subscribed to ${patterns.join(' ')}`)
  await Promise.race([tap.full, output.readerGone, interruption.interrupted, connectionLost(bus)])
  for (const subscription of subscriptions) subscription.unsubscribe()
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

function noteConnection(bus: Bus, notes: Notes): void {
  bus.on('disconnect', (error) => notes.warn(`${error.code}: ${error.message}`))
  bus.on('reconnect', () => notes.warn('connected again; what was published meanwhile is lost'))
  bus.on('error', (error) => notes.warn(`${error.code}: ${error.message}`))
}
