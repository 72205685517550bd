import { connect } from '../../client/index.js'
import type { Bus } from '../bus.js'

export interface ConnectOrder {
  readonly path: string | undefined
  readonly brokerUid: number | undefined
}

/** The connection of a worker; what it measures with is what everybody gets. */
export function openSession({ path, brokerUid }: ConnectOrder): Promise<Bus> {
  return connect({ path, brokerUid, name: 'ringbus bench', reconnect: false })
}
