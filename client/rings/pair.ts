import { PAIR_SEGMENT } from '../../protocol/index.js'
import { mappingError } from './attach.js'
import type { RingConnection } from './ring-connection.js'

/** Fetches and maps the pair of rings that the broker offers, and has the stream go there; or goes on without. [PAIR-2] */
export async function takePair(connection: RingConnection, ringBytes: number): Promise<void> {
  const { host } = connection
  const offered = { id: PAIR_SEGMENT, bytes: ringBytes }
  try {
    const descriptor = await connection.fetch(offered)
    if (connection.isCurrent) connection.link.pair(host.pairMap(descriptor, ringBytes), ringBytes)
    else host.closeDescriptor(descriptor)
  } catch (error) {
    if (connection.isCurrent) connection.decline(offered, mappingError(offered, error))
  }
}
