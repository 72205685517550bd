import { type ErrorCode, RingbusError } from '../../client/index.js'
import { StreamFault } from './stream-fault.js'

/** What the command asks of a worker, and what that answers; the values between them are cloned. */
export interface Call {
  readonly id: number
  readonly command: string
  readonly argument: unknown
}

export interface Answer {
  readonly id: number
  readonly result?: unknown
  readonly error?: SentError
}

/** An error between processes. */
export type SentError =
  | { readonly kind: 'fault'; readonly message: string }
  | { readonly kind: 'ringbus'; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'other'; readonly message: string }

export function sentForm(error: unknown): SentError {
  if (error instanceof StreamFault) return { kind: 'fault', message: error.message }
  if (error instanceof RingbusError) return { kind: 'ringbus', code: error.code, message: error.message }
  return { kind: 'other', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
}

export function errorFrom(sent: SentError): Error {
  switch (sent.kind) {
    case 'fault':
      return new StreamFault(sent.message)
    case 'ringbus':
      return new RingbusError(sent.code, sent.message)
    default:
      return new Error(sent.message)
  }
}
