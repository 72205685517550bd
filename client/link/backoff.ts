export interface BackoffSettings {
  readonly delayMinMs: number
  readonly delayMaxMs: number
}

/** Beyond this many doublings the delay has long reached its bound. */
const DOUBLINGS_MAX = 30

/**
 * The delay before an attempt, counted from 0: exponential with full jitter, so that the clients of a broker
 * that comes back do not all arrive at once.
 */
export function backoffMs(attempt: number, { delayMinMs, delayMaxMs }: BackoffSettings): number {
  return Math.random() * Math.min(delayMaxMs, delayMinMs * 2 ** Math.min(attempt, DOUBLINGS_MAX))
}
