import type { Percentiles } from './percentiles.js'

/** One payload at a time: how long each takes. */
export interface LatencyFigure extends Percentiles {
  readonly kind: 'latency'
  /** What is different from how it is measured elsewhere. */
  readonly note?: string
}

/** As many as possible: how many there are in a second. */
export interface RateFigure {
  readonly kind: 'rate'
  /** Deliveries; those of all subscribers together. */
  readonly messages: number
  readonly payloadBytes: number
  readonly perSecond: number
  readonly bytesPerSecond: number
  /** Deliveries of large payloads by ring, and by socket; null for small ones, or if the broker does not say. */
  readonly byRing: number | null
  readonly bySocket: number | null
}

export type Figure = LatencyFigure | RateFigure

/** What became of a measurement. A figure is given only when everything arrived as it was sent. */
export type Outcome =
  | { readonly status: 'measured'; readonly figure: Figure }
  | { readonly status: 'void'; readonly fault: string }
  | { readonly status: 'skipped'; readonly reason: string }

/** A measurement and its outcome, in the order of the plan. */
export interface Result {
  readonly name: MeasurementName
  readonly title: string
  readonly outcome: Outcome
}

export const MEASUREMENT_NAMES = [
  'floor-echo',
  'floor-stream',
  'latency',
  'latency-low',
  'request',
  'requests-64',
  'throughput',
  'fan-out-4',
  'large',
  'large-in-place',
] as const
export type MeasurementName = (typeof MEASUREMENT_NAMES)[number]

export function latencyOf(results: readonly Result[], name: MeasurementName): LatencyFigure | undefined {
  const figure = figureOf(results, name)
  return figure?.kind === 'latency' ? figure : undefined
}

export function rateOf(results: readonly Result[], name: MeasurementName): RateFigure | undefined {
  const figure = figureOf(results, name)
  return figure?.kind === 'rate' ? figure : undefined
}

function figureOf(results: readonly Result[], name: MeasurementName): Figure | undefined {
  const outcome = results.find((result) => result.name === name)?.outcome
  return outcome?.status === 'measured' ? outcome.figure : undefined
}
