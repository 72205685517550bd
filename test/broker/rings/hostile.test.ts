import { once } from 'node:events'
import { writeSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { type ErrorCode, Kind, type RingDescriptor, SegmentRole } from '../../../protocol/index.js'
import { type Bench, startBench } from '../fixtures.js'
import { publish, subscribe, topic } from '../frames.js'
import {
  Bystanders,
  native,
  patterned,
  RingClient,
  ringStats,
  ringStatsWhen,
  type TestRing,
} from '../ring-client.js'
import {
  abort,
  attach,
  decline,
  detached,
  mapped,
  open,
  publishByRing,
  release,
  retired,
} from '../ring-frames.js'
import { Client, connected } from '../transcript.js'

const KIB = 1024
const WIDE = { window: 2 ** 30 }
const OPTIONS = { ringBytes: 64 * KIB, refusedLingerMs: 50, ringIdleMs: 60_000, leaseTimeoutMs: 60_000 }

interface Scene {
  readonly attacker: RingClient
  /** The attacker's own, mapped, its alias 0 bound to `attack`. */
  readonly ring: TestRing
  readonly bystanders: Bystanders
}

async function startScene(t: ExecutionContext): Promise<Scene & Bench> {
  const bench = await startBench(t, OPTIONS)
  const bystanders = await Bystanders.open(t, bench.path)
  const attacker = await RingClient.open(t, bench.path, 'attacker')
  attacker.send(topic(0, 'attack'))
  return { ...bench, attacker, ring: await attacker.openRing(1), bystanders }
}

/** What a ring descriptor says when nothing else is wrong with it. */
function spanIn(segment: number, fields: Partial<RingDescriptor> = {}): RingDescriptor {
  return { segment, position: 0, length: 64, padding: 0, restarted: false, ...fields }
}

type Attack = (scene: Scene) => Uint8Array[] | Promise<Uint8Array[]>

/** Frames that end the connection of whoever sends them, and disturb nobody else. */
const ATTACKS: [title: string, code: ErrorCode, attack: Attack][] = [
  ['a commit to no segment', 'BAD_DESCRIPTOR', () => [publishByRing(0, spanIn(0))]],
  [
    'a commit to a segment that there never was',
    'BAD_DESCRIPTOR',
    () => [publishByRing(0, spanIn(0xffff_ffff))],
  ],
  [
    'a commit to the ring of another client',
    'BAD_DESCRIPTOR',
    ({ bystanders }) => [publishByRing(0, spanIn(bystanders.ring.id, { position: 1000 }))],
  ],
  [
    'an ABORT in the ring of another client',
    'BAD_DESCRIPTOR',
    ({ bystanders }) => [abort(bystanders.ring.id, spanIn(0, { position: 1000 }))],
  ],
  [
    'a commit beyond the end of the segment',
    'BAD_DESCRIPTOR',
    ({ ring }) => [publishByRing(0, spanIn(ring.id, { position: 1020, length: 320 }))],
  ],
  [
    'a commit of more than the ring has',
    'BAD_DESCRIPTOR',
    ({ ring }) => [publishByRing(0, spanIn(ring.id, { length: 64 * KIB + 1 }))],
  ],
  [
    'a commit of 2^53 - 1 bytes',
    'BAD_DESCRIPTOR',
    ({ ring }) => [publishByRing(0, spanIn(ring.id, { length: 2 ** 53 - 1 }))],
  ],
  [
    'a commit of 2^53 bytes',
    'BAD_FRAME',
    ({ ring }) => [publishByRing(0, spanIn(ring.id, { length: 2 ** 53 }))],
  ],
  [
    'a commit at position 2^53 - 1',
    'BAD_DESCRIPTOR',
    ({ ring }) => [publishByRing(0, spanIn(ring.id, { position: 2 ** 53 - 1 }))],
  ],
  [
    'a commit at position 2^53',
    'BAD_FRAME',
    ({ ring }) => [publishByRing(0, spanIn(ring.id, { position: 2 ** 53 }))],
  ],
  ['a commit of nothing', 'BAD_DESCRIPTOR', ({ ring }) => [publishByRing(0, spanIn(ring.id, { length: 0 }))]],
  [
    'padding of 2^32 - 1 granules',
    'BAD_DESCRIPTOR',
    ({ ring }) => [publishByRing(0, spanIn(ring.id, { padding: 2 ** 32 - 1 }))],
  ],
  ['the same commit twice', 'BAD_DESCRIPTOR', ({ ring }) => replayed(ring)],
  ['commits that overlap', 'BAD_DESCRIPTOR', ({ ring }) => overlapping(ring)],
  [
    'an ABORT of what was committed',
    'BAD_DESCRIPTOR',
    ({ ring }) => {
      ring.claim(100)
      const descriptor = ring.put(patterned(100, 1))
      return [publishByRing(0, descriptor), abort(ring.id, descriptor)]
    },
  ],
  [
    'an ABORT with a length beyond 2^53',
    'BAD_FRAME',
    ({ ring }) => [abort(ring.id, spanIn(0, { length: 2 ** 60 }))],
  ],
  ['memory that was never allocated', 'BAD_DESCRIPTOR', ({ ring }) => [publishByRing(0, spanIn(ring.id))]],
  [
    'a commit after RETIRED',
    'BAD_DESCRIPTOR',
    async ({ attacker, ring }) => {
      const descriptor = ring.put(patterned(100, 1))
      attacker.send(open(1))
      await attacker.expect('RETIRE')
      await attacker.expectOffer(SegmentRole.OWNER)
      return [retired(ring.id), publishByRing(0, descriptor)]
    },
  ],
  [
    'a commit before MAPPED',
    'BAD_DESCRIPTOR',
    async ({ attacker }) => {
      attacker.send(open(1))
      await attacker.expect('RETIRE')
      const { id } = await attacker.expectOffer(SegmentRole.OWNER)
      return [publishByRing(0, spanIn(id))]
    },
  ],
  ['a RELEASE where there is no segment', 'LEASE_UNKNOWN', () => [release(9999, 0)]],
  [
    'a RELEASE of what another client holds',
    'LEASE_UNKNOWN',
    ({ bystanders }) => [release(bystanders.ring.id, 0)],
  ],
  [
    'a RELEASE of its own record, which it does not hold',
    'LEASE_UNKNOWN',
    ({ ring }) => [publishByRing(0, ring.put(patterned(9, 1))), release(ring.id, 0)],
  ],
  ['MAPPED of no segment', 'SEGMENT_UNKNOWN', () => [mapped(0)]],
  [
    'MAPPED of the ring of another client',
    'SEGMENT_UNKNOWN',
    ({ bystanders }) => [mapped(bystanders.ring.id)],
  ],
  ['MAPPED of its own ring a second time', 'SEGMENT_UNKNOWN', ({ ring }) => [mapped(ring.id)]],
  ['DECLINE of no segment', 'SEGMENT_UNKNOWN', () => [decline(0)]],
  [
    'DECLINE of the ring of another client',
    'SEGMENT_UNKNOWN',
    ({ bystanders }) => [decline(bystanders.ring.id)],
  ],
  ['DECLINE of its own ring, after MAPPED', 'SEGMENT_UNKNOWN', ({ ring }) => [decline(ring.id)]],
  ['RETIRED of a ring that was not asked back', 'SEGMENT_UNKNOWN', ({ ring }) => [retired(ring.id)]],
  [
    'RETIRED of the ring of another client',
    'SEGMENT_UNKNOWN',
    ({ bystanders }) => [retired(bystanders.ring.id)],
  ],
  ['DETACHED of a segment that it does not read', 'SEGMENT_UNKNOWN', ({ ring }) => [detached(ring.id)]],
  ['DETACHED of a segment that goes on', 'SEGMENT_UNKNOWN', async (scene) => [detached(await reads(scene))]],
  [
    'MAPPED of a segment that it reads, a second time',
    'SEGMENT_UNKNOWN',
    async (scene) => [mapped(await reads(scene))],
  ],
  ['DECLINE of a segment that it reads', 'SEGMENT_UNKNOWN', async (scene) => [decline(await reads(scene))]],
  ['RETIRED of a segment that it reads', 'SEGMENT_UNKNOWN', async (scene) => [retired(await reads(scene))]],
  [
    'a RELEASE of a record before its own',
    'LEASE_UNKNOWN',
    async (scene) => [release(await reads(scene), 0)],
  ],
  [
    'a commit to a segment that it reads',
    'BAD_DESCRIPTOR',
    async (scene) => [publishByRing(0, spanIn(await reads(scene), { position: 1000 }))],
  ],
  [
    'ATTACH on a connection that has greeted',
    'UNEXPECTED_FRAME',
    ({ attacker, ring }) => [attach(ring.id, attacker.clientId, attacker.token)],
  ],
  [
    'GRANT, SEGMENT and SPACE, which only the broker sends',
    'UNEXPECTED_FRAME',
    () => [Buffer.from(mapped(1)).fill(Kind.SPACE, 4, 5)],
  ],
]

function replayed(ring: TestRing): Uint8Array[] {
  ring.claim(100)
  const frame = publishByRing(0, ring.put(patterned(100, 1)))
  return [frame, frame]
}

function overlapping(ring: TestRing): Uint8Array[] {
  ring.claim(640)
  const { position, length } = ring.put(patterned(640, 1))
  return [
    publishByRing(0, spanIn(ring.id, { position, length })),
    publishByRing(0, spanIn(ring.id, { position: position + 9, length: 640 })),
  ]
}

/** Subscribes the attacker to what bystanders send; returns the segment that it has a lease in. */
async function reads({ attacker, bystanders }: Scene): Promise<number> {
  attacker.send(subscribe(1, 'bystander', WIDE))
  await attacker.expectNothing()
  const exchanged = bystanders.exchange(1)
  const { id } = await attacker.mapOffered()
  await attacker.expect('MESSAGE')
  await exchanged
  return id
}

for (const [title, code, attack] of ATTACKS) {
  test(`[RING-3] [RING-6] [RING-7] ends the connection, and nobody else notices: ${title}`, async (t) => {
    const scene = await startScene(t)
    const { attacker, bystanders, client } = scene
    attacker.send(...(await attack(scene)))
    await attacker.expectFatal(code)
    await bystanders.exchange(20)
    attacker.hangUp()
    // A reader that was cut off takes the ring with it; then the bystanders have another one.
    const observer = await client()
    do await bystanders.exchange(1)
    while ((await ringStats(observer)).segments > 1)
  })
}

test('[RING-4] a descriptor is given to nobody but the client that was offered the segment, by its token', async (t) => {
  const { attacker, bystanders, path, client } = await startScene(t)
  const { publisher, reader, ring } = bystanders
  const attempts: [segment: number, client: number, token: Uint8Array][] = [
    [ring.id, attacker.clientId, attacker.token],
    [ring.id, reader.clientId, attacker.token],
    [ring.id, publisher.clientId, attacker.token],
    [ring.id, reader.clientId, new Uint8Array(16)],
    [ring.id, reader.clientId, new Uint8Array(0)],
    [ring.id, reader.clientId, reader.token.subarray(1)],
    [ring.id, reader.clientId, Buffer.concat([reader.token, reader.token])],
    [ring.id, 0, reader.token],
    [ring.id, 2 ** 32, reader.token],
    [ring.id, Number.MAX_SAFE_INTEGER, reader.token],
    // Who has mapped it gets no second one.
    [ring.id, reader.clientId, reader.token],
    [ring.id, publisher.clientId, publisher.token],
    [9999, attacker.clientId, attacker.token],
    [0, attacker.clientId, attacker.token],
  ]
  for (const [segment, id, token] of attempts) {
    const { fd, code } = await attacker.fetch(segment, id, token)
    t.deepEqual([fd, code], [-1, 'ATTACH_REFUSED'], `${segment} for ${id}`)
  }
  // One that is offered to another client, and not answered yet: its token alone is missing.
  const victim = await RingClient.open(t, path, 'victim')
  victim.send(open(1))
  const { id: offered } = await victim.expectOffer(SegmentRole.OWNER)
  const { token } = victim
  const wrong = [
    attacker.token,
    new Uint8Array(16),
    new Uint8Array(0),
    token.subarray(1),
    Buffer.concat([token, token]),
  ]
  for (const guess of wrong) {
    t.is((await attacker.fetch(offered, victim.clientId, guess)).code, 'ATTACH_REFUSED')
  }
  t.is((await attacker.fetch(offered, attacker.clientId, token)).code, 'ATTACH_REFUSED')
  const { fd } = await victim.fetch(offered)
  t.true(fd >= 0)
  native.closeDescriptor(fd)
  const plain = await client()
  plain.send(attach(ring.id, attacker.clientId, attacker.token))
  await plain.expectFatal('UNEXPECTED_FRAME')
  const stranger = new Client(t, await connected(t, path))
  stranger.send(attach(ring.id, reader.clientId, reader.token, 0x1234))
  await stranger.expectFatal('NOT_RINGBUS')
  await bystanders.exchange(10)
  await attacker.expectNothing()
})

test('[RING-4] a token is worth nothing any more once its client is refused or gone', async (t) => {
  const { path } = await startBench(t, { ...OPTIONS, refusedLingerMs: 60_000 })
  const [leaving, other] = [await RingClient.open(t, path), await RingClient.open(t, path)]
  leaving.send(open(1))
  const { id } = await leaving.expectOffer(SegmentRole.OWNER)
  const { fd } = await other.fetch(id, leaving.clientId, leaving.token)
  t.true(fd >= 0)
  native.closeDescriptor(fd)
  leaving.send(publish(7, 'no such alias'))
  await leaving.expectFatal('ALIAS_UNBOUND')
  t.is((await other.fetch(id, leaving.clientId, leaving.token)).code, 'ATTACH_REFUSED')
  leaving.hangUp()
  t.is((await other.fetch(id, leaving.clientId, leaving.token)).code, 'ATTACH_REFUSED')
})

test('[RING-4] ATTACH is answered once, and what comes behind it is not looked at', async (t) => {
  const { attacker, bystanders, path } = await startScene(t)
  attacker.send(open(1))
  await attacker.expect('RETIRE')
  const { id } = await attacker.expectOffer(SegmentRole.OWNER)
  const second = new Client(t, await connected(t, path))
  const request = attach(id, attacker.clientId, attacker.token)
  second.send(request, request, Buffer.alloc(4096, 7))
  await second.expect('GRANT', { topic: id })
  await second.expectEnd()
  await bystanders.exchange(5)
})

test('[RING-3] a flood of OPEN gets its refusals, or the end if it does not read them', async (t) => {
  const { attacker, bystanders, client } = await startScene(t)
  const observer = await client()
  attacker.pause()
  for (let sent = 0; sent < 40; sent++) {
    attacker.send(...Array.from({ length: 1000 }, () => open(2 ** 30)))
    await bystanders.exchange(1)
  }
  let refused = 0
  do ({ clientsRefused: refused } = await observer.ask<{ clientsRefused: number }>('$SYS.stats'))
  while (refused === 0)
  t.like(await ringStatsWhen(observer, ({ segments }) => segments === 1), { segmentBytes: 64 * KIB })
  await bystanders.exchange(20)
})

test('[RING-4] a flood of ATTACH that reads no answer leaves others their descriptors', async (t) => {
  const { attacker, bystanders, path, client } = await startScene(t)
  attacker.send(open(1))
  await attacker.expect('RETIRE')
  const { id } = await attacker.expectOffer(SegmentRole.OWNER)
  const sockets = []
  for (let count = 0; count < 300; count++) {
    const socket = await connected(t, path, true)
    socket.write(attach(id, attacker.clientId, attacker.token))
    sockets.push(socket)
    if (count % 30 === 0) await bystanders.exchange(1)
  }
  await (await Bystanders.open(t, path, 'late')).exchange(5)
  for (const socket of sockets) {
    socket.destroy()
    await once(socket, 'close')
  }
  attacker.hangUp()
  await ringStatsWhen(await client(), ({ segments }) => segments === 2)
  await bystanders.exchange(20)
})

/** Numbers from a seed, the same for the same seed. */
function randomBytes(seed: number, length: number): Buffer {
  return patterned(length, seed)
}

test('[RING-5] [RING-8] an owner that writes noise over its whole segment, control area included, harms itself alone', async (t) => {
  const seed = Number(process.env['RINGBUS_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  t.log(`RINGBUS_FUZZ_SEED=${seed}`)
  const { path, client } = await startBench(t, OPTIONS)
  const bystanders = await Bystanders.open(t, path)
  const observer = await client()
  const victim = await RingClient.open(t, path, 'victim')
  victim.send(subscribe(1, 'noise', WIDE))
  await victim.expectNothing()
  for (let round = 0; round < 20; round++) {
    const attacker = await RingClient.open(t, path, 'attacker')
    attacker.send(topic(0, 'noise'), open(1))
    const offer = await attacker.expectOffer(SegmentRole.OWNER)
    const [fd, raw] = [(await attacker.fetch(offer.id)).fd, (await attacker.fetch(offer.id)).fd]
    const handle = native.ringMap(fd, offer.bytes)
    const claim = new Float64Array(4)
    t.is(native.ringClaim(handle, offer.bytes, claim), 0)
    const memory = new Uint8Array(native.ringLoan(handle, 0, offer.bytes)!)
    writeSync(raw, randomBytes(seed + round, 64 * KIB + offer.bytes), 0, undefined, 0)
    attacker.send(mapped(offer.id))
    for (let position = 0; position < 1000; position += 100) {
      attacker.send(publishByRing(0, spanIn(offer.id, { position, length: 6400 })))
      memory.set(randomBytes(seed + position, 6400), position * 64)
      // Whatever it wishes for, and whatever the broker makes of it.
      native.ringWait(handle, 1 + (randomBytes(seed ^ position, 4).readUInt32LE(0) % 1024))
      await bystanders.exchange(1)
      memory.set(randomBytes(seed - position, 6400), position * 64)
      t.is((await victim.nextPayload()).length, 6400)
    }
    native.closeDescriptor(raw)
    attacker.hangUp()
    await ringStatsWhen(observer, ({ committed }) => committed >= (round + 1) * 20)
  }
  victim.hangUp()
  await ringStatsWhen(observer, ({ segments }) => segments === 1)
  await bystanders.exchange(20)
  t.like(await ringStats(observer), { abandoned: 0 })
})
