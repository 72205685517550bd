import type { RingbusClient } from '../client/index.js'

interface ClientRows {
  readonly rows: readonly { readonly messagesSent: number }[]
}

/**
 * Messages of all kinds (published ones, requests, replies, parts of streams) that the broker has sent to the
 * clients that it has now. What it sent to a client that is gone is no longer counted.
 */
export async function countDelivered(bus: RingbusClient): Promise<number> {
  const { data } = await bus.request<ClientRows>('$SYS.clients')
  return data.rows.reduce((sum, row) => sum + row.messagesSent, 0)
}

/** Deliveries of payloads that their sender had put into a ring, since the broker started. */
export interface RingUse {
  /** Read by their receiver in shared memory. */
  readonly delivered: number
  /** Sent by socket all the same: the receiver had not mapped the ring, or could not. */
  readonly inlined: number
}

export async function readRingUse(bus: RingbusClient): Promise<RingUse> {
  const { data } = await bus.request<{ readonly rings: RingUse }>('$SYS.stats')
  const { delivered, inlined } = data.rings
  return { delivered, inlined }
}
