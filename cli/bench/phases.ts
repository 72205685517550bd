import type { Lab } from './lab.js'
import type { WorkerProcess } from './worker-process.js'

/** The rest of a slot goes by with connections and with what is still on its way at the end. */
const WARMUP_SHARE = 0.25
const MEASURED_SHARE = 0.6

/** A measurement warms up, then counts. */
export function phases(slotMs: number): { warmupMs: number; measuredMs: number } {
  return { warmupMs: slotMs * WARMUP_SHARE, measuredMs: slotMs * MEASURED_SHARE }
}

export async function connectAll(
  lab: Lab,
  workers: readonly WorkerProcess[],
  latency: 'normal' | 'low' = 'normal',
): Promise<void> {
  const order = { path: lab.path, brokerUid: lab.brokerUid, latency }
  await Promise.all(workers.map((worker) => worker.call('connect', order)))
}

export async function disconnectAll(workers: readonly WorkerProcess[]): Promise<void> {
  await Promise.all(workers.map((worker) => worker.call('disconnect', null)))
}
