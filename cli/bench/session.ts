import { connect } from '../../client/index.js'
import type { Bus } from '../bus.js'

export interface ConnectOrder {
  readonly path: string | undefined
  readonly brokerUid: number | undefined
  /** As for `connect`. */
  readonly latency?: 'normal' | 'low'
}

/** A connection to measure with: what everybody gets by default, unless latency is asked for. */
export function openSession({ path, brokerUid, latency }: ConnectOrder): Promise<Bus> {
  return connect({ path, brokerUid, latency, name: 'ringbus bench', reconnect: false })
}
