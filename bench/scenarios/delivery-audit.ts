import type { Peer, Server } from '../peers/index.js'

/**
 * Runs a measurement and asks the server which way its payloads went, where a system has several: a figure whose
 * payloads did not all go the way that it names must not count.
 */
export async function audited<Result>(
  peer: Peer,
  server: Server,
  measure: () => Promise<Result>,
  deliveriesOf: (result: Result) => number,
): Promise<Result> {
  if (peer.way === undefined || server.deliveryCounts === undefined) return measure()
  const before = await server.deliveryCounts()
  const result = await measure()
  const after = await server.deliveryCounts()
  const byRing = after.byRing - before.byRing
  const inlined = after.inlined - before.inlined
  const deliveries = deliveriesOf(result)
  if (byRing !== (peer.way === 'ring' ? deliveries : 0) || inlined > 0) {
    throw new Error(
      `of ${deliveries} deliveries ${byRing} went by ring, and ${inlined} had to be inlined by the broker`,
    )
  }
  return result
}
