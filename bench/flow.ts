import type { Tuning } from './peers/index.js'

/** How a publisher of a stream of payloads of one size is driven. */
export interface Flow {
  readonly windowMessages: number
  readonly burstMessages: number
  readonly reportMessages: number
}

/** Who takes part in a stream. */
export interface Parties {
  readonly publishers: number
  readonly subscribers: number
}

/** One message in flight and one on its way there, however large they are. */
const WINDOW_MESSAGES_MIN = 2

/** Where payloads are large, a window is a few messages, published in several turns and reported about as often. */
const TURNS_PER_WINDOW = 4

/** Publishers share what the server may hold. */
export function flowFor(tuning: Tuning, payloadBytes: number, { publishers, subscribers }: Parties): Flow {
  const windowBytes = Math.min(tuning.windowBytes, tuning.heldBytes / subscribers)
  const messages = Math.min(tuning.windowMessages, windowBytes / payloadBytes)
  const windowMessages = Math.max(WINDOW_MESSAGES_MIN, Math.floor(messages / publishers))
  const share = Math.max(1, Math.floor(windowMessages / TURNS_PER_WINDOW))
  return {
    windowMessages,
    burstMessages: Math.min(tuning.burstMessages, share),
    reportMessages: Math.min(tuning.reportMessages, share),
  }
}
