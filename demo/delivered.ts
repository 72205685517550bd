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
