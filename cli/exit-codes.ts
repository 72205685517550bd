import { constants } from 'node:os'
import type { ErrorCode } from '../client/index.js'

/** What the commands end with. Scripts branch on these, so a number never changes its meaning. */
export const ExitCode = {
  OK: 0,
  ERROR: 1,
  USAGE: 2,
  NO_BROKER: 3,
  NO_ANSWER: 4,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

export const EXIT_CODES_HELP = `
Exit codes:
  0    done; also when the reader of standard output has gone (| head)
  1    an error; standard error has its code, as CODE: message
  2    the command line or a configuration is wrong
  3    no broker, or it is stopping, or the connection to it was lost
  4    no answer: TIMEOUT, NO_RESPONDERS, RESPONDER_LOST
  130  ended by SIGINT (Ctrl-C); 143 by SIGTERM. broker and serve stop in order then, with 0`

const BY_ERROR: Partial<Record<ErrorCode, ExitCode>> = {
  INVALID_ARGUMENT: ExitCode.USAGE,
  CONFIG_INVALID: ExitCode.USAGE,
  BAD_TOPIC: ExitCode.USAGE,
  BAD_PATTERN: ExitCode.USAGE,
  TOPIC_RESERVED: ExitCode.USAGE,
  PATH_TOO_LONG: ExitCode.USAGE,
  NO_BROKER: ExitCode.NO_BROKER,
  DISCONNECTED: ExitCode.NO_BROKER,
  BROKER_STOPPING: ExitCode.NO_BROKER,
  TIMEOUT: ExitCode.NO_ANSWER,
  NO_RESPONDERS: ExitCode.NO_ANSWER,
  RESPONDER_LOST: ExitCode.NO_ANSWER,
}

export function exitCodeOf(code: ErrorCode): ExitCode {
  return BY_ERROR[code] ?? ExitCode.ERROR
}

/** As a shell reports a process that a signal ended. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}
