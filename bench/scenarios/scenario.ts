import type { Peer, PeerName } from '../peers/index.js'

export interface Metric {
  readonly name: string
  readonly unit: 'messages/s' | 'µs' | 'bytes' | 'ratio'
  readonly better: 'higher' | 'lower'
}

/** One value per metric, in the metrics' order. */
export type Sample = readonly number[]

export interface MeasureOptions {
  /** How long a stream is published, after a warm-up. */
  readonly durationMs: number
  /** How many messages a latency series has, after a warm-up. */
  readonly seriesCount: number
  /** Where processes leave their profiles. */
  readonly profileFolder: string | undefined
}

/** What is measured, once per call, with processes of its own that are gone afterwards. */
export interface Scenario {
  readonly name: string
  readonly title: string
  readonly metrics: readonly Metric[]
  readonly peers: readonly PeerName[]
  /** Samples that suffice, for what hardly varies and takes long. */
  readonly samplesMax?: number
  /** Why it cannot run here. */
  obstacle?(): string | undefined
  measure(peer: Peer, options: MeasureOptions): Promise<Sample>
}

/** A figure that must not count: messages were lost, doubled or damaged. */
export class VoidSample extends Error {}
