import type { Metric } from './scenario.js'

/** Metrics of what a message costs each kind of process that has to do with it, and all of them together. */
export function processorMetrics(
  kinds: readonly string[],
  unit: 'ns/message' | 'ns/request' = 'ns/message',
): Metric[] {
  return [...kinds, 'all'].map((kind) => ({ name: `processor time, ${kind}`, unit, better: 'lower' }))
}

/** Their values, in the same order; none where the system does not keep account of processor time. */
export function processorValues<Kind extends string>(
  kinds: readonly Kind[],
  spentNs: Readonly<Record<Kind, number>> | undefined,
  messages: number,
): number[] {
  if (spentNs === undefined) return []
  const values = kinds.map((kind) => spentNs[kind] / messages)
  return [...values, values.reduce((sum, value) => sum + value)]
}
