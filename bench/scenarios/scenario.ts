import type { FloorName, FloorProgram } from '../floors/index.js'
import type { EncodedHistogram } from '../histogram.js'
import type { Peer, PeerName, Server, ServerOptions } from '../peers/index.js'

export interface Metric {
  readonly name: string
  readonly unit: Unit
  readonly better: 'higher' | 'lower'
}

export type Unit =
  | 'messages/s'
  | 'requests/s'
  | 'MiB/s'
  | 'messages'
  | 'ns/message'
  | 'ns/request'
  | 'µs'
  | 'ms'
  | 's'
  | 'clock ticks'
  | 'bytes'
  | 'MiB'
  | 'ratio'

/** One value per metric, in the metrics' order; none where something cannot be known here. */
export type Sample = readonly (number | undefined)[]

/** All times of a sample, by what they span. */
export type Histograms = Readonly<Record<string, EncodedHistogram>>

/** A sample with the times that its values are percentiles of. */
export interface RecordedSample {
  readonly values: Sample
  readonly histograms: Histograms
}

export interface MeasureOptions {
  /** How long a stream is published, after a warm-up. */
  readonly durationMs: number
  /** How long processes run before they are measured. */
  readonly warmupMs: number
  /** How many messages a latency series of small messages has, after a warm-up. */
  readonly seriesCount: number
  /** How long a latency series of a given payload size takes. */
  readonly seriesMs: number
  /** Messages of a backlog. */
  readonly backlogCount: number
  /** Messages of a pipeline. */
  readonly pipelineCount: number
  /** How long a process is stopped. */
  readonly stopMs: number
  /** Where processes leave their profiles. */
  readonly profileFolder: string | undefined
}

/** What takes turns in a scenario: systems, and what the machine gives without any. */
export type SystemName = PeerName | FloorName

/** What ringbus is compared with: one system, or the best of those that are not ringbus, round by round. */
export type Reference = SystemName | 'best'

/** A mechanism of the machine's own, in the metrics of a scenario: what a system on this machine starts from. */
export interface Floor {
  readonly name: FloorName
  measure(program: FloorProgram, options: MeasureOptions): Promise<Sample | RecordedSample>
}

/**
 * What is measured, once per call, with processes of its own that are gone afterwards. A measurement that throws has
 * no figure: messages were lost, doubled or damaged, did not go the way that it names, or a process ended.
 */
export interface Scenario {
  readonly name: string
  readonly title: string
  readonly metrics: readonly Metric[]
  readonly peers: readonly PeerName[]
  /** Measured in the same rounds. */
  readonly floors?: readonly Floor[]
  readonly references: readonly Reference[]
  /** Samples that suffice, for what hardly varies and takes long. */
  readonly samplesMax?: number
  /** Left out of a quick run unless it is named. */
  readonly isLong?: true
  /** Why it cannot run here. */
  obstacle?(): string | undefined
  measure(peer: Peer, options: MeasureOptions): Promise<Sample | RecordedSample>
}

/** Something that has processes. */
interface Closable {
  close(): Promise<void>
}

export async function withServer<Result>(
  peer: Peer,
  options: ServerOptions,
  use: (server: Server) => Promise<Result>,
): Promise<Result> {
  const server = await peer.startServer(options)
  try {
    return await use(server)
  } finally {
    await server.stop()
  }
}

export async function closing<Opened extends Closable, Result>(
  opening: Promise<Opened>,
  use: (opened: Opened) => Promise<Result>,
): Promise<Result> {
  const opened = await opening
  try {
    return await use(opened)
  } finally {
    await opened.close()
  }
}
