import { type ConnectOptions, connect } from '../client/index.js'
import type { GlobalOptions } from './option-values.js'

export type Bus = Awaited<ReturnType<typeof connect>>

/** Connects as the command `name`, which is how `ringbus status` and the broker's log call it. */
export function openBus(
  { path, brokerUid }: GlobalOptions,
  name: string,
  reconnect: NonNullable<ConnectOptions['reconnect']>,
): Promise<Bus> {
  return connect({ path, brokerUid, name: `ringbus ${name}`, reconnect })
}

/** Rejects with the error that ends the connection for good; never resolves. */
export async function connectionLost(bus: Bus): Promise<never> {
  const error = await bus.closed
  if (error !== undefined) throw error
  return new Promise(() => {})
}
