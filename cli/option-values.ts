import { InvalidArgumentError, Option } from 'commander'
import type { LogLevel } from '../broker/index.js'
import { LOG_LEVELS } from './notes.js'

/** Options of every command. */
export interface GlobalOptions {
  readonly path?: string
  readonly brokerUid?: number
  readonly logLevel?: LogLevel
}

export function logLevelOption(): Option {
  return new Option(
    '--log-level <level>',
    'what goes to standard error (default: info for broker, else warn)',
  ).choices(LOG_LEVELS)
}

export function brokerUidOption(): Option {
  return new Option(
    '--broker-uid <uid>',
    "trust a broker that runs as this user, besides one's own and root's",
  ).argParser(natural)
}

/** Options of every command that sends a payload. */
export interface PayloadFlags {
  readonly priority?: number
  readonly header?: Record<string, string>
}

export function priorityOption(): Option {
  return new Option('-p, --priority <number>', '0 to 31, higher is more urgent (default: 0)').argParser(
    natural,
  )
}

export function headerOption(): Option {
  return new Option('-H, --header <name=value>', 'a header beside the payload; may be repeated').argParser(
    (value: string, previous: Record<string, string> = {}) => {
      const [name, text] = assignment(value)
      return { ...previous, [name]: text }
    },
  )
}

/** Splits `name=value` at its first equals sign. */
export function assignment(value: string): [name: string, value: string] {
  const equals = value.indexOf('=')
  if (equals < 1) throw new InvalidArgumentError('Expected name=value.')
  return [value.slice(0, equals), value.slice(equals + 1)]
}

export function natural(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError('Expected a whole number, 0 or more.')
  return Number(value)
}

export function positive(value: string): number {
  const number = natural(value)
  if (number === 0) throw new InvalidArgumentError('Expected a whole number, 1 or more.')
  return number
}

/** Headers as commands take them and the client wants them; none is cheaper than an empty map. */
export function payloadOptions(flags: PayloadFlags): {
  priority: number | undefined
  headers: Record<string, string> | undefined
} {
  return { priority: flags.priority, headers: flags.header }
}
