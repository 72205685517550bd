/** How long a process may poll, and when polling is worth it. Times are in microseconds. */
export interface PollPolicy {
  /** The longest poll after one piece of traffic. */
  readonly budgetUs: number
  /**
   * What a wake-up may cost that polling spares, in processor time, on average. A budget of its own that always holds
   * has no bound here: Infinity.
   */
  readonly worthUs: number
  /**
   * A wake-up that comes so soon after the process went to sleep speaks for a trial. Longer than the budget: in a chain of
   * processes that all sleep, each waits for the others to wake, and would poll for far less.
   */
  readonly nearUs: number
}

/** Which broker polls by default: four wake-ups of others, of some 25 µs each, fit into what is near. */
export const BROKER_POLICY: PollPolicy = { budgetUs: 100, worthUs: 75, nearUs: 200 }

/** Its user has asked for it, and a request takes twice as many hops as what the broker waits for. */
export const CLIENT_POLICY: PollPolicy = { budgetUs: 200, worthUs: 150, nearUs: 400 }

/** Polls for so long after all traffic, whatever comes of it. */
export function fixedPolicy(budgetUs: number): PollPolicy {
  return { budgetUs, worthUs: Number.POSITIVE_INFINITY, nearUs: 0 }
}
