import { type Body, isErrorCode, type Kind, packValue, RingbusError } from '../protocol/index.js'

type FailureBody = Body<typeof Kind.FAILURE>

/** Characters of an error's message that travel: enough for its reader, and far below what a body may hold. */
const MESSAGE_LENGTH_MAX = 4096

/** Bytes of an error's details that travel; larger ones are left out. */
const DETAILS_BYTES_MAX = 16_384

/** The error that a FAILURE or ERROR describes; a code of a later version becomes the nearest known one. [ERR-1] */
export function errorOf({ code, message, details }: FailureBody): RingbusError {
  if (isErrorCode(code)) return new RingbusError(code, message, details === undefined ? {} : { details })
  return new RingbusError('HANDLER_ERROR', message, { details: { ...details, code } })
}

/** What tells a requester of a handler's error. A RingbusError was thrown for it to see, and keeps its code. */
export function failureOf(error: unknown): FailureBody {
  if (error instanceof RingbusError) return failure(error.code, error.message, error.details)
  if (!(error instanceof Error)) return failure('HANDLER_ERROR', String(error), {})
  const code = (error as { code?: unknown }).code
  const details = { name: error.name, ...(typeof code === 'string' ? { code } : {}) }
  return failure('HANDLER_ERROR', error.message, details)
}

function failure(code: string, message: string, details: Readonly<Record<string, unknown>>): FailureBody {
  const body = { code, message: message.slice(0, MESSAGE_LENGTH_MAX) }
  return Object.keys(details).length > 0 && canTravel(details) ? { ...body, details: { ...details } } : body
}

function canTravel(details: unknown): boolean {
  try {
    return packValue(details).length <= DETAILS_BYTES_MAX
  } catch {
    return false
  }
}
