import { RingbusError } from '../../protocol/index.js'

/** Past this many waiting bytes of a topic `publish` asks for a pause: some milliseconds of a busy socket. */
export const SOFT_BYTES = 1024 * 1024

/** Past this many of a topic `publish` throws: the program does not heed the pause, and would fill its memory. */
export const HARD_BYTES = 16 * 1024 * 1024

/**
 * Past this many bytes of all topics together that wait for the socket, `publish` asks for a pause whatever its topic: a
 * program that goes through many topics is to pause as well.
 */
export const TOGETHER_SOFT_BYTES = 16 * 1024 * 1024

/** Past this many of all topics together, paused ones included, `publish` throws: sixteen topics that are full. */
export const OUTBOX_BYTES_MAX = 256 * 1024 * 1024

/** One topic holds as much as it may. */
export function topicIsFull(topic: string, waitingBytes: number, isPaused: boolean): RingbusError {
  const reason = isPaused ? ', for its subscribers take no more' : ''
  return new RingbusError(
    'BACKPRESSURE',
    `${waitingBytes} bytes of "${topic}" wait to be sent${reason}, the limit is ${HARD_BYTES}: await ready("${topic}") after publish has returned false`,
    { details: { topic, waitingBytes, bytesMax: HARD_BYTES, paused: isPaused } },
  )
}

/** All topics together hold as much as they may. */
export function outboxIsFull(topic: string, waitingBytes: number, isPaused: boolean): RingbusError {
  return new RingbusError(
    'BACKPRESSURE',
    `${waitingBytes} bytes of all topics wait to be sent, the limit is ${OUTBOX_BYTES_MAX}: await ready("${topic}") after publish has returned false`,
    { details: { topic, waitingBytes, bytesMax: OUTBOX_BYTES_MAX, paused: isPaused } },
  )
}

/** Requests and answers wait for the socket as much as they may. */
export function requestsAreFull(topic: string, waitingBytes: number): RingbusError {
  return new RingbusError(
    'BACKPRESSURE',
    `${waitingBytes} bytes of requests and answers wait to be sent, the limit is ${HARD_BYTES}`,
    { details: { topic, waitingBytes, bytesMax: HARD_BYTES } },
  )
}

/** As much is kept for the next connection as may be. */
export function nothingMoreIsKept(topic: string, waitingBytes: number, bytesMax: number): RingbusError {
  return new RingbusError(
    'BACKPRESSURE',
    `${waitingBytes} bytes wait for the connection to come back, the limit is ${bytesMax}`,
    { details: { topic, waitingBytes, bytesMax, paused: false } },
  )
}
