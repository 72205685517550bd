import type { Tuning } from './peers/index.js'

/** How a stream of payloads of one size is driven. */
export interface Flow {
  readonly windowMessages: number
  readonly burstMessages: number
  readonly reportMessages: number
}

/** One message in flight and one on its way there, however large they are. */
const WINDOW_MESSAGES_MIN = 2

/** Where payloads are large, a window is a few messages, published in several turns and reported about as often. */
const TURNS_PER_WINDOW = 4

export function flowFor(tuning: Tuning, payloadBytes: number, subscribers: number): Flow {
  const windowBytes = Math.min(tuning.windowBytes, tuning.heldBytes / subscribers)
  const windowMessages = Math.max(
    WINDOW_MESSAGES_MIN,
    Math.min(tuning.windowMessages, Math.floor(windowBytes / payloadBytes)),
  )
  const share = Math.max(1, Math.floor(windowMessages / TURNS_PER_WINDOW))
  return {
    windowMessages,
    burstMessages: Math.min(tuning.burstMessages, share),
    reportMessages: Math.min(tuning.reportMessages, share),
  }
}
