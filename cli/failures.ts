import { fileURLToPath } from 'node:url'
import { RingbusError } from '../client/index.js'
import { ExitCode, exitCodeOf } from './exit-codes.js'

/** The page that has a heading for each code, with the remedy; it is installed with the command. */
const ERRORS_PAGE = fileURLToPath(new URL('../../docs/ERRORS.md', import.meta.url))

/** Writes an error to standard error, as text or as one line of JSON; returns what to exit with. */
export function reportFailure(error: unknown, json: boolean): ExitCode {
  if (error instanceof RingbusError) {
    const exitCode = exitCodeOf(error.code)
    const help = `${ERRORS_PAGE}#${error.code.toLowerCase()}`
    const { code, message, details } = error
    process.stderr.write(
      json
        ? `${JSON.stringify({ error: { code, message, details, help }, exitCode })}\n`
        : `${code}: ${message}\n  See ${help}\n`,
    )
    return exitCode
  }
  const { code, message } = describe(error)
  process.stderr.write(
    json
      ? `${JSON.stringify({ error: { code, message }, exitCode: ExitCode.ERROR })}\n`
      : `${code}: ${message}\n`,
  )
  return ExitCode.ERROR
}

/** An error of the system has a code of its own; anything else is a fault of this program: its stack helps. */
function describe(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: 'INTERNAL', message: String(error) }
  const { code } = error as NodeJS.ErrnoException
  if (typeof code === 'string') return { code, message: error.message.replace(`${code}: `, '') }
  return { code: 'INTERNAL', message: error.stack ?? error.message }
}
