import { readdirSync, readlinkSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { type RingDescriptor, readDescriptor } from '../../../protocol/index.js'
import { socketIn, startBench } from '../fixtures.js'
import { credit, subscribe, topic } from '../frames.js'
import { startBrokerProcess } from '../processes.js'
import {
  native,
  patterned,
  RingClient,
  type RingRow,
  ringRows,
  ringStats,
  ringStatsWhen,
  type TestRing,
} from '../ring-client.js'
import { abort, publishByRing } from '../ring-frames.js'
import { Client, type Received } from '../transcript.js'

const KIB = 1024
const SMALL = { ringBytes: 64 * KIB }

/** Descriptors of segments that a process has open. */
function segmentDescriptors(pid: number): number {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`).includes('ringbus-segment')
    } catch {
      return false
    }
  }).length
}

test('[RING-7] [RING-9] when all clients have gone, whatever they left, no segment and no descriptor is left', async (t) => {
  const path = socketIn(t)
  const broker = await startBrokerProcess(t, path)
  const observer = await Client.open(t, path, 'observer')
  const open: RingClient[] = []
  for (const pattern of ['a', '>', 'b']) {
    const reader = await RingClient.open(t, path, pattern)
    reader.send(subscribe(1, pattern, { window: pattern === 'b' ? 0 : 2 ** 30 }))
    await reader.expectNothing()
    open.push(reader)
  }
  for (const name of ['a', 'b']) {
    const owner = await RingClient.open(t, path, `owner of ${name}`)
    const ring = await owner.openRing(1)
    owner.send(topic(0, name))
    t.truthy(ring.claim(100))
    for (let seed = 0; seed < 5; seed++) owner.send(publishByRing(0, ring.put(patterned(10_000, seed))))
    await owner.expectNothing()
    open.push(owner)
  }
  await open[0]!.mapOffered()
  await open[1]!.mapOffered()
  for (let count = 0; count < 5; count++) await open[0]!.expect('MESSAGE')
  t.true(segmentDescriptors(broker.pid) >= 2)
  t.like(await ringStats(observer), { segments: 2 })
  for (const client of open) client.hangUp()
  const stats = await ringStatsWhen(observer, ({ segments }) => segments === 0)
  t.like(stats, { segmentBytes: 0, reservedBytes: 0, copiedBytes: 0, abandoned: 0 })
  t.is(segmentDescriptors(broker.pid), 0)
})

type Step =
  | { readonly does: 'publish'; readonly topic: number; readonly bytes: number }
  | { readonly does: 'abort' | 'late'; readonly bytes: number }
  | { readonly does: 'release' | 'credit'; readonly which: number }

const which = fc.nat(100)
const bytes = fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 30_000 }))
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ does: fc.constant('publish' as const), topic: fc.nat(2), bytes }),
  fc.record({ does: fc.constant('publish' as const), topic: fc.nat(1), bytes }),
  fc.record({ does: fc.constantFrom('abort' as const, 'late' as const), bytes }),
  fc.record({ does: fc.constant('release' as const), which }),
  fc.record({ does: fc.constant('release' as const), which }),
  fc.record({ does: fc.constant('credit' as const), which }),
)

/** A publisher, two readers with leases of their own, and a client without rings. */
class World {
  readonly t: ExecutionContext
  readonly owner: RingClient
  readonly ring: TestRing
  readonly readers: readonly RingClient[]
  readonly plain: Client
  readonly leases: { reader: RingClient; received: Received }[] = []
  readonly #pending: RingDescriptor[] = []
  /** What was put at a position: readers must find it there. */
  readonly #seeds = new Map<number, number>()
  committed = 0
  byRing = 0
  inline = 0

  constructor(t: ExecutionContext, owner: RingClient, ring: TestRing, readers: RingClient[], plain: Client) {
    this.t = t
    this.owner = owner
    this.ring = ring
    this.readers = readers
    this.plain = plain
  }

  async perform(step: Step): Promise<void> {
    if (step.does === 'publish') this.#publish(step.topic, step.bytes)
    else if (step.does === 'abort') this.#abort(step.bytes)
    else if (step.does === 'late') this.#later(step.bytes)
    else if (step.does === 'release') this.release(step.which)
    else this.readers[0]!.send(credit(1, 100))
    await this.settle()
  }

  /** Takes what has come to everybody. */
  async settle(): Promise<void> {
    await this.owner.expectNothing()
    for (const reader of this.readers) {
      for (const received of await reader.arrived()) this.#take(reader, received)
    }
    this.inline += (await this.plain.arrived()).length
  }

  release(which: number): void {
    const [lease] = this.leases.splice(which % Math.max(1, this.leases.length), 1)
    if (lease === undefined) return
    // Nobody has written there as long as the lease was held.
    this.#check(lease.reader, lease.received)
    lease.reader.release(lease.received)
  }

  /** Commits the claims that were kept back. */
  commitPending(): void {
    for (const descriptor of this.#pending.splice(0)) this.#commit(0, descriptor)
  }

  #claim(bytes: number): RingDescriptor | undefined {
    const descriptor = this.ring.claim(bytes)
    if (descriptor !== undefined) {
      this.#seeds.set(descriptor.position, bytes)
      native.ringWrite(this.ring.handle, descriptor.position, patterned(bytes, bytes))
    }
    return descriptor
  }

  #publish(topic: number, bytes: number): void {
    const descriptor = this.#claim(bytes)
    if (descriptor !== undefined) this.#commit(topic, descriptor)
  }

  #commit(topic: number, descriptor: RingDescriptor): void {
    this.owner.send(publishByRing(topic, descriptor))
    this.committed += 1
  }

  #abort(bytes: number): void {
    const descriptor = this.#claim(bytes)
    if (descriptor !== undefined) this.owner.send(abort(this.ring.id, descriptor))
  }

  #later(bytes: number): void {
    if (this.#pending.length > 1) return this.commitPending()
    const descriptor = this.#claim(bytes)
    if (descriptor !== undefined) this.#pending.unshift(descriptor)
  }

  #take(reader: RingClient, received: Received): void {
    if (!reader.isByRing(received)) {
      this.inline += 1
      return
    }
    this.byRing += 1
    this.#check(reader, received)
    this.leases.push({ reader, received })
  }

  #check(reader: RingClient, received: Received): void {
    const { position, length } = readDescriptor(received.frame, 0)
    this.t.is(this.#seeds.get(position), length)
    this.t.true(reader.read(received).equals(patterned(length, length)))
  }
}

/** Everybody has mapped the owner's ring. */
async function startWorld(t: ExecutionContext, path: string, client: () => Promise<Client>): Promise<World> {
  const owner = await RingClient.open(t, path, 'owner')
  const readers = [await RingClient.open(t, path), await RingClient.open(t, path)]
  const plain = await client()
  readers[0]!.send(subscribe(1, 'a', { window: 500 }))
  readers[1]!.send(subscribe(1, '*', { window: 2 ** 30 }))
  plain.send(subscribe(1, 'b', { window: 2 ** 30 }))
  for (const subscriber of [...readers, plain]) await subscriber.expectNothing()
  owner.send(topic(0, 'a'), topic(1, 'b'), topic(2, 'nobody.cares'))
  const ring = await owner.openRing(1)
  owner.send(publishByRing(0, ring.put(Buffer.from('first'))))
  for (const reader of readers) {
    await reader.mapOffered()
    reader.release(await reader.expect('MESSAGE'))
  }
  return new World(t, owner, ring, readers, plain)
}

interface ClientRow {
  readonly client: number
  readonly rings: { readonly leases: number; readonly leasedBytes: number } | null
}

async function addsUp(t: ExecutionContext, observer: Client, world: World): Promise<void> {
  const stats = await ringStats(observer)
  const rows = await ringRows(observer)
  t.is(stats.committed, 1 + world.committed)
  t.is(stats.delivered, 2 + world.byRing)
  t.is(stats.inlined, world.inline)
  t.is(stats.segments, rows.length)
  t.is(
    stats.segmentBytes,
    rows.reduce((sum, row: RingRow) => sum + row.bytes, 0),
  )
  const { rows: clients } = await observer.ask<{ rows: ClientRow[] }>('$SYS.clients')
  for (const reader of world.readers) {
    const held = world.leases.filter((lease) => lease.reader === reader)
    const bytes = held.reduce((sum, { received }) => sum + readDescriptor(received.frame, 0).length, 0)
    t.like(clients.find(({ client }) => client === reader.clientId)!.rings, {
      leases: held.length,
      leasedBytes: bytes,
    })
  }
  const leased = new Set(world.leases.map(({ received }) => readDescriptor(received.frame, 0).position))
  t.true(rows[0]!.records >= leased.size)
  t.true(rows[0]!.occupiedBytes <= rows[0]!.bytes)
}

test('[RING-6] [RING-7] [RING-11] whatever is published and released, the counts add up, and leased bytes do not change', async (t) => {
  const { client, path } = await startBench(t, { ...SMALL, ringIdleMs: 60_000, leaseTimeoutMs: 60_000 })
  const observer = await client('observer')
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 50 }), async (steps) => {
      const before = await ringStats(observer)
      const world = await startWorld(t, path, client)
      world.committed += before.committed
      world.byRing += before.delivered
      world.inline += before.inlined
      for (const step of steps) {
        await world.perform(step)
        await addsUp(t, observer, world)
      }
      world.commitPending()
      world.readers[0]!.send(credit(1, 2 ** 29))
      for (await world.settle(); world.leases.length > 0; await world.settle()) world.release(0)
      await addsUp(t, observer, world)
      t.like(await ringRows(observer), [{ records: 0, occupiedBytes: 0 }])
      t.truthy(world.ring.claim(64 * KIB))
      for (const user of [world.owner, world.plain, ...world.readers]) user.hangUp()
      await ringStatsWhen(observer, ({ segments }) => segments === 0)
    }),
    { numRuns: 15 },
  )
})
