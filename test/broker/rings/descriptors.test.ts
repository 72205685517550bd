import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { Flag, Kind, SegmentRole } from '../../../protocol/index.js'
import { socketIn, startBench } from '../fixtures.js'
import { hello, publish, subscribe, topic } from '../frames.js'
import { Child, spawnBroker } from '../processes.js'
import { patterned, RingClient, ringRows, ringStats, TestRing } from '../ring-client.js'
import { attach, mapped, open, publishByRing, retired } from '../ring-frames.js'
import { Client, connected } from '../transcript.js'
import { publicSocketIn, testAsRoot } from '../users.js'

const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** A script in a process that may have only so many descriptors. */
function spawnLimited(
  t: ExecutionContext,
  descriptorsMax: number,
  script: string,
  ...parameters: string[]
): Child {
  const command = `ulimit -n ${descriptorsMax}; exec "$0" "$@"`
  const child = spawn('/bin/sh', ['-c', command, process.execPath, fileOf(script), ...parameters], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  return new Child(t, child)
}

const DESCRIPTORS_MAX = 250

/** A broker that may have few descriptors. */
async function startLimited(t: ExecutionContext): Promise<string> {
  const path = socketIn(t)
  const broker = spawnBroker(t, path, `ulimit -n ${DESCRIPTORS_MAX};`)
  await broker.until(() => broker.stderr.includes('takes clients'))
  return path
}

/** Takes every descriptor that the broker has: with connections, and what is left with segments. */
async function exhaust(t: ExecutionContext, path: string): Promise<{ giveBack: () => void }> {
  const owners = await Promise.all(Array.from({ length: 10 }, () => RingClient.open(t, path)))
  const crowd = await Promise.all(Array.from({ length: DESCRIPTORS_MAX }, () => Client.connect(t, path)))
  for (const client of crowd) client.send(hello())
  // Welcome, or turned away.
  await Promise.all(crowd.map((client) => client.next().catch(() => undefined)))
  for (const owner of owners) {
    for (let count = 0; count < 4; count++) {
      owner.send(open(1))
      const answer = await owner.next()
      if (answer.kind === 'SEGMENT') continue
      t.regex(String(answer.body['message']), /EMFILE/)
      return {
        giveBack: () => {
          for (const client of crowd) client.hangUp()
        },
      }
    }
  }
  throw new Error('the broker has descriptors left')
}

test('[RING-3] a broker without a descriptor for a segment refuses OPEN, and goes on', async (t) => {
  const path = await startLimited(t)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  reader.send(subscribe(1, 'a', { window: 2 ** 30 }))
  await reader.expectNothing()
  const { giveBack } = await exhaust(t, path)
  owner.send(open(1))
  await owner.expectRefusal('RING_LIMIT', Kind.OPEN, 0)
  owner.send(topic(0, 'a'), publish(0, patterned(100_000, 1)))
  t.true((await reader.expect('MESSAGE')).payload.equals(patterned(100_000, 1)))
  giveBack()
  while ((await owner.ask<{ clients: number }>('$SYS.stats')).clients > 20);
  const ring = await owner.openRing(1)
  owner.send(publishByRing(0, ring.put(patterned(50_000, 2))))
  await reader.mapOffered()
  t.true(reader.read(await reader.expect('MESSAGE')).equals(patterned(50_000, 2)))
})

test('[RING-5] [RING-11] a segment that cannot be sealed is offered to no reader: it is asked back, and goes inline', async (t) => {
  const path = await startLimited(t)
  const [owner, reader] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  reader.send(subscribe(1, 'a', { window: 2 ** 30 }))
  await reader.expectNothing()
  owner.send(open(1))
  const offer = await owner.expectOffer(SegmentRole.OWNER)
  const { fd } = await owner.fetch(offer.id)
  const ring = new TestRing(offer, fd)
  await exhaust(t, path)
  owner.send(mapped(ring.id), topic(0, 'a'), publishByRing(0, ring.put(patterned(50_000, 1))))
  await owner.expect('RETIRE', { topic: ring.id })
  const received = await reader.expect('MESSAGE', { flags: 0 })
  t.true(received.payload.equals(patterned(50_000, 1)))
  owner.send(retired(ring.id))
  await owner.expectNothing()
  await reader.expectNothing()
  t.deepEqual(
    (await ringRows(owner)).filter(({ segment }) => segment === ring.id),
    [],
  )
})

test('[RING-4] [RING-11] a client without a descriptor to receive gets the bytes inline, and sends its own inline', async (t) => {
  const { path, client } = await startBench(t)
  const [owner, observer] = [await RingClient.open(t, path), await client()]
  owner.send(subscribe(1, 'from.starved', { window: 2 ** 30 }))
  await owner.expectNothing()
  const starved = spawnLimited(t, 120, './starved-child.js', path)
  t.is(await starved.message(), 'ready')
  const ring = await owner.openRing(200_000)
  owner.send(topic(0, 'to.starved'), publishByRing(0, ring.put(patterned(100_000, 100_000))))
  t.deepEqual(await starved.message(), { length: 100_000, isSound: true })
  t.like(await ringStats(observer), { declined: 1, inlined: 1, delivered: 0 })
  starved.process.send('publish')
  const first = await owner.expect('MESSAGE')
  t.is(first.flags & Flag.RING, 0)
  t.true(first.payload.equals(patterned(100_000, 100_000)))
  // The ring that it had asked for is closed again.
  let stats = await ringStats(observer)
  while (stats.declined < 2) stats = await ringStats(observer)
  t.like(stats, { segments: 1, committed: 1 })
})

testAsRoot(
  '[RING-4] descriptors that are sent and not received have a bound: beyond it ATTACH gets none, and the broker goes on',
  async (t) => {
    // The kernel holds root to no such bound.
    const uid = 4711
    const path = publicSocketIn(t, uid)
    const keeper = spawnLimited(t, DESCRIPTORS_MAX, '../user-child.js', String(uid), String(uid))
    await keeper.message()
    keeper.process.send({ do: 'start', options: { path, refusedLingerMs: 10, ringBytes: 65_536 } })
    t.like(await keeper.message(), { code: 'OK' })
    const attacker = await RingClient.open(t, path)
    attacker.send(open(1))
    const { id } = await attacker.expectOffer(SegmentRole.OWNER)
    const unread: Awaited<ReturnType<typeof connected>>[] = []
    for (let count = 0; count < 2 * DESCRIPTORS_MAX; count++) {
      const socket = await connected(t, path, true)
      socket.write(attach(id, attacker.clientId, attacker.token))
      unread.push(socket)
      await attacker.expectNothing()
    }
    const answer = await attacker.fetch(id).catch((error: NodeJS.ErrnoException) => error)
    t.false('fd' in answer && answer.fd >= 0, JSON.stringify(answer))
    for (const socket of unread) socket.destroy()
    await attacker.expectNothing()
    t.like(await ringStats(attacker), { segments: 1 })
  },
)
