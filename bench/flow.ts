import type { Tuning } from './peers/index.js'

/** How a stream of payloads of one size is driven. */
export interface Flow {
  readonly windowMessages: number
  readonly burstMessages: number
  readonly reportMessages: number
}

/** Where payloads are large, a window is a few messages, published in several turns and reported about as often. */
const TURNS_PER_WINDOW = 4

export function flowFor(tuning: Tuning, payloadBytes: number): Flow {
  const windowMessages = Math.max(
    1,
    Math.min(tuning.windowMessages, Math.floor(tuning.windowBytes / payloadBytes)),
  )
  const share = Math.max(1, Math.floor(windowMessages / TURNS_PER_WINDOW))
  return {
    windowMessages,
    burstMessages: Math.min(tuning.burstMessages, share),
    reportMessages: Math.min(tuning.reportMessages, share),
  }
}
