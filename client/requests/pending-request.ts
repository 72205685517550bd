import { RingbusError } from '../../protocol/index.js'

/** A request that has not ended, as the requester's books have it. */
export interface PendingRequest {
  readonly topic: string
  /** A part of a stream: the frame of `length` bytes at `start`. */
  part(bytes: Buffer, start: number, length: number): void
  /** The final reply. */
  end(bytes: Buffer, start: number, length: number): void
  fail(error: RingbusError): void
}

export function timeoutError(topic: string, timeoutMs: number, what: string): RingbusError {
  return new RingbusError('TIMEOUT', `"${topic}": ${what} within ${timeoutMs} ms`, {
    details: { topic, timeoutMs },
  })
}

export function cancelledError(topic: string, cause: unknown): RingbusError {
  return new RingbusError('CANCELLED', `The request to "${topic}" was cancelled`, {
    cause,
    details: { topic },
  })
}
