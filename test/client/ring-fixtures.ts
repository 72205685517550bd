import { setTimeout as delay } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { BrokerOptions } from '../../broker/index.js'
import type { ConnectOptions, RingbusClient } from '../../client/index.js'
import { brokerIn, clientOf } from './fixtures.js'

/** More than the broker's threshold. */
export const LARGE_BYTES = 20_000

interface RingStats {
  readonly committed: number
  readonly delivered: number
  readonly inlined: number
  readonly declined: number
  readonly segments: number
}

interface ClientRow {
  readonly name: string
  readonly rings: { readonly leases: number; readonly attached: number; readonly owned: number } | null
}

interface RingRow {
  readonly segment: number
  /** Its owner, while it is connected. */
  readonly client: number | null
  readonly state: string
  readonly bytes: number
  readonly records: number
}

/** What the broker counts about rings. */
export async function ringStats(bus: RingbusClient): Promise<RingStats> {
  const reply = await bus.request<{ rings: RingStats }>('$SYS.stats')
  return reply.data.rings
}

/** The segments that there are. */
export async function segments(bus: RingbusClient): Promise<RingRow[]> {
  return (await bus.request<{ rows: RingRow[] }>('$SYS.rings')).data.rows
}

/** Records that clients have not released, of all clients. */
export async function leases(bus: RingbusClient): Promise<number> {
  const { rows } = (await bus.request<{ rows: ClientRow[] }>('$SYS.clients')).data
  return rows.reduce((sum, { rings }) => sum + (rings?.leases ?? 0), 0)
}

/** Resolves when `condition` resolves to true; ava's time-out is the watchdog. */
export async function eventually(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(2)
}

/** Resolves when nobody holds a record any more. */
export async function allReleased(bus: RingbusClient): Promise<void> {
  await eventually(async () => (await leases(bus)) === 0)
}

/** Has a client's ring opened: what it publishes from then on goes by ring. */
export async function openRing(bus: RingbusClient, bytes = LARGE_BYTES): Promise<void> {
  const { committed } = await ringStats(bus)
  await eventually(async () => {
    bus.publish('ring-fixtures.nobody', Buffer.alloc(bytes))
    return (await ringStats(bus)).committed > committed
  })
}

/** Has a client map the ring of another one: what it is sent from then on comes by ring. */
export async function mapRing(publisher: RingbusClient, subscriber: RingbusClient): Promise<void> {
  const topic = 'ring-fixtures.mapped'
  const subscription = subscriber.subscribe(topic, () => {})
  await subscription.ready
  const { delivered } = await ringStats(publisher)
  await eventually(async () => {
    publisher.publish(topic, Buffer.alloc(LARGE_BYTES))
    return (await ringStats(publisher)).delivered > delivered
  })
  subscription.unsubscribe()
  await allReleased(publisher)
}

/** A publisher whose ring is open, and a subscriber that has mapped it. */
export async function ringPair(
  t: ExecutionContext,
  options: BrokerOptions = {},
  connectOptions: ConnectOptions = {},
): Promise<{ path: string; publisher: RingbusClient; subscriber: RingbusClient }> {
  const path = await brokerIn(t, options)
  const publisher = await clientOf(t, path, { ...connectOptions, name: 'publisher' })
  const subscriber = await clientOf(t, path, { ...connectOptions, name: 'subscriber' })
  await openRing(publisher)
  await mapRing(publisher, subscriber)
  return { path, publisher, subscriber }
}
