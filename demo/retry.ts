import { setTimeout as delay } from 'node:timers/promises'
import { RingbusError } from '../client/index.js'

/** The request reached nobody, or somebody who died over it: others may answer it. */
const RETRIED_CODES: readonly string[] = ['RESPONDER_LOST', 'NO_RESPONDERS']

/** A process that died is started anew; this leaves a busy machine ample time for it. Past it the error stands. */
const RETRY_FOR_MS = 30_000

/** Between attempts, so that nobody asks in a frenzy while nobody serves. */
const PAUSE_MS = 100

export interface Retried<Result> {
  readonly result: Result
  readonly retries: number
}

/** Makes a request again when its responder is lost or missing. Whatever it changes must bear repetition. */
export async function withRetries<Result>(
  attempt: () => Promise<Result>,
  signal?: AbortSignal,
): Promise<Retried<Result>> {
  const deadline = performance.now() + RETRY_FOR_MS
  for (let retries = 0; ; retries++) {
    try {
      return { result: await attempt(), retries }
    } catch (error) {
      const isRetried = error instanceof RingbusError && RETRIED_CODES.includes(error.code)
      if (!isRetried || performance.now() > deadline) throw error
      await delay(PAUSE_MS, undefined, signal === undefined ? {} : { signal })
    }
  }
}
