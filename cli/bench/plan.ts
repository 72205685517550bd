import type { Figure, MeasurementName, Outcome, Result } from './figures.js'
import type { Lab } from './lab.js'
import {
  measureFloorEcho,
  measureLowLatency,
  measurePingPong,
  measureRequest,
  measureRequestsInFlight,
  SMALL_BYTES,
} from './latency-measurements.js'
import { NothingToMeasure } from './nothing-to-measure.js'
import { StreamFault } from './stream-fault.js'
import { measureFloorStream, measureStream } from './stream-measurements.js'
import type { TimeBudget } from './time-budget.js'

export interface Measurement<On = Lab> {
  readonly name: MeasurementName
  readonly title: string
  /** Its share of the time, in relation to the others. */
  readonly weight: number
  /** There is nothing to measure where large payloads go by socket. */
  readonly needsRings?: true
  run(on: On, slotMs: number): Promise<Figure>
}

const LARGE_BYTES = 1024 * 1024

/** What the floor of a stream is written in: large enough that calls of the system do not count. */
const PIECE_BYTES = 64 * 1024

const IN_FLIGHT = 64

export const MEASUREMENTS: readonly Measurement[] = [
  {
    name: 'floor-echo',
    title: `bare Unix socket, ${SMALL_BYTES} B there and back`,
    weight: 1,
    run: measureFloorEcho,
  },
  {
    name: 'floor-stream',
    title: 'bare Unix socket, 64 KiB at a time',
    weight: 0.7,
    run: (lab, slotMs) => measureFloorStream(lab, slotMs, PIECE_BYTES),
  },
  {
    name: 'latency',
    title: `publish to handler, ${SMALL_BYTES} B`,
    weight: 1.5,
    run: measurePingPong,
  },
  {
    name: 'latency-low',
    title: `the same with \`latency: 'low'\``,
    weight: 1.3,
    run: measureLowLatency,
  },
  {
    name: 'request',
    title: `request to reply, ${SMALL_BYTES} B`,
    weight: 1.2,
    run: measureRequest,
  },
  {
    name: 'requests-64',
    title: `requests, ${SMALL_BYTES} B, ${IN_FLIGHT} in flight`,
    weight: 1,
    run: (lab, slotMs) => measureRequestsInFlight(lab, slotMs, IN_FLIGHT),
  },
  {
    name: 'throughput',
    title: `messages, ${SMALL_BYTES} B, one to one`,
    weight: 1.3,
    run: (lab, slotMs) =>
      measureStream(lab, slotMs, { payloadBytes: SMALL_BYTES, subscribers: 1, inPlace: false }),
  },
  {
    name: 'fan-out-4',
    title: `messages, ${SMALL_BYTES} B, one to four`,
    weight: 1.3,
    run: (lab, slotMs) =>
      measureStream(lab, slotMs, { payloadBytes: SMALL_BYTES, subscribers: 4, inPlace: false }),
  },
  {
    name: 'large',
    title: 'payloads, 1 MiB, copied in and out',
    weight: 1,
    run: (lab, slotMs) =>
      measureStream(lab, slotMs, { payloadBytes: LARGE_BYTES, subscribers: 1, inPlace: false }),
  },
  {
    name: 'large-in-place',
    title: 'payloads, 1 MiB, loan and view',
    weight: 1,
    needsRings: true,
    run: (lab, slotMs) =>
      measureStream(lab, slotMs, { payloadBytes: LARGE_BYTES, subscribers: 1, inPlace: true }),
  },
]

export interface Site<On> {
  readonly on: On
  /** Time that is divided among all measurements that are to be run. */
  readonly budget: TimeBudget
  /** Why there are none, if so. */
  readonly ringsMissing: string | undefined
  readonly begins: (measurement: Measurement<On>, index: number) => void
}

/** Runs them one after the other. One that is found void does not end the others; any other error does. */
export async function measureAll<On extends { replaceWorkers(): Promise<void> }>(
  measurements: readonly Measurement<On>[],
  site: Site<On>,
): Promise<Result[]> {
  const results: Result[] = []
  for (const [index, measurement] of measurements.entries()) {
    site.begins(measurement, index)
    const { name, title } = measurement
    results.push({ name, title, outcome: await outcomeOf(measurement, site) })
  }
  return results
}

async function outcomeOf<On extends { replaceWorkers(): Promise<void> }>(
  measurement: Measurement<On>,
  { on, budget, ringsMissing }: Site<On>,
): Promise<Outcome> {
  const slotMs = budget.nextSlotMs()
  if (measurement.needsRings && ringsMissing !== undefined) return { status: 'skipped', reason: ringsMissing }
  try {
    return { status: 'measured', figure: await measurement.run(on, slotMs) }
  } catch (error) {
    if (error instanceof NothingToMeasure) return { status: 'skipped', reason: error.message }
    if (!(error instanceof StreamFault)) throw error
    await on.replaceWorkers()
    return { status: 'void', fault: error.message }
  }
}
