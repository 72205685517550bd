import test from 'ava'
import { SegmentRole } from '../../../protocol/index.js'
import { startBench } from '../fixtures.js'
import { cancel, credit, pull, reply, request, serve, subscribe, topic, unsubscribe } from '../frames.js'
import { Bystanders, native, patterned, RingClient, ringStats, type TestRing } from '../ring-client.js'
import {
  abort,
  attach,
  decline,
  detached,
  mapped,
  open,
  publishByRing,
  release,
  replyByRing,
  requestByRing,
  retired,
} from '../ring-frames.js'

const KIB = 1024

/** Connections that send frames about rings; each is wrong in a way of its own. */
const ATTEMPTS = 300

/** Connections that are open at a time, so that what one leaves behind meets the next. */
const AT_A_TIME = 6

type Random = (below: number) => number

/** Small numbers from a seed, the same for the same seed (mulberry32). */
function randomNumbers(seed: number): Random {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** Segments that there are, were, or never will be. */
function anySegment(random: Random, known: number): number {
  return random(8) === 0 ? [0, 1, 2 ** 32 - 1, known + 1][random(4)]! : 1 + random(known)
}

function anyNumber(random: Random, small: number): number {
  const far = [2 ** 32 - 1, 2 ** 32, 2 ** 40 + random(100), 2 ** 53 - 1, 2 ** 53]
  return random(12) === 0 ? far[random(far.length)]! : random(small)
}

interface Fuzzer {
  readonly client: RingClient
  readonly ring: TestRing | undefined
}

function claimIn(ring: TestRing | undefined, length: number) {
  try {
    return ring?.claim(length)
  } catch {
    // Who has lied to the broker finds more free than the ring has.
    return undefined
  }
}

/** Claims as an owner should, and then says something like it. */
function nearlyTrue({ ring }: Fuzzer, random: Random) {
  const length = 1 + random(random(3) === 0 ? 30_000 : 3000)
  const claimed = claimIn(ring, length)
  if (claimed === undefined) return undefined
  native.ringWrite(ring!.handle, claimed.position, patterned(length, length))
  if (random(12) > 0) return claimed
  const wrong = [
    { ...claimed, position: claimed.position + random(3) - 1 },
    { ...claimed, length: length + random(200) },
    { ...claimed, padding: claimed.padding + random(20) },
    { ...claimed, restarted: !claimed.restarted },
  ]
  const { position, ...rest } = wrong[random(wrong.length)]!
  return { ...rest, position: Math.max(0, position) }
}

function anySpan(fuzzer: Fuzzer, random: Random, known: number) {
  if (random(3) > 0) {
    const claimed = nearlyTrue(fuzzer, random)
    if (claimed !== undefined) return claimed
  }
  return {
    segment: random(2) === 0 ? (fuzzer.ring?.id ?? 0) : anySegment(random, known),
    position: anyNumber(random, 2000),
    length: anyNumber(random, 5000),
    padding: random(3) === 0 ? random(1100) : 0,
    restarted: random(4) === 0,
  }
}

function anyFrame(fuzzer: Fuzzer, random: Random, known: number): Buffer {
  const { client } = fuzzer
  const segment = () => anySegment(random, known)
  const span = () => anySpan(fuzzer, random, known)
  const id = random(4)
  const harmless = [
    () => publishByRing(id, span(), { priority: random(32) }),
    () => publishByRing(id, span(), { expiryNs: 1 + random(2) * 1e15 }),
    () => requestByRing(id, random(6), span()),
    () => replyByRing(((random(3) << 20) | random(4)) >>> 0, span(), random(2) * 0x20),
    () => {
      const { segment, ...rest } = span()
      return abort(segment, rest)
    },
    () => subscribe(random(50), ['bystander', 'x', '>', '*'][random(4)]!, { window: random(100_000) }),
    () => subscribe(random(50), 'x', { window: random(3000), group: 'g' }),
    () => unsubscribe(random(50), { drain: random(2) === 0 }),
    () => serve(50 + random(50), 'x', 1 + random(2)),
    () => request(id, random(6), 'q'),
    () => credit(random(50), random(1000)),
    () => open(random(3) === 0 ? anyNumber(random, 200_000) : random(64 * KIB)),
  ]
  const harsh = [
    () => mapped(segment()),
    () => decline(segment()),
    () => retired(segment()),
    () => detached(segment()),
    () => release(segment(), anyNumber(random, 2000)),
    () => attach(segment(), client.clientId, client.token),
    () => cancel(random(6)),
    () => pull(random(6), random(1000)),
    () => reply(random(4), 'r'),
  ]
  const makers = random(10) > 0 ? harmless : harsh
  return makers[random(makers.length)]!()
}

/** Answers offers in every way that there is, and releases some of what comes. */
async function play(fuzzer: Fuzzer, random: Random): Promise<void> {
  const { client } = fuzzer
  try {
    for (;;) {
      const received = await client.next()
      if (received.kind === 'SEGMENT' && received.id === SegmentRole.READER) {
        const answer = random(5)
        if (answer === 0) client.send(decline(received.topic))
        else if (answer > 1) await client.map({ id: received.topic, bytes: received.body['bytes'] as number })
      } else if (received.kind === 'DETACH' && random(4) > 0) {
        client.send(detached(received.topic))
      } else if (received.kind === 'RETIRE' && random(4) > 0) {
        client.send(retired(received.topic))
      } else if (client.isByRing(received) && random(4) > 0) {
        client.release(received)
      }
    }
  } catch {
    // The broker has let it go, or it cannot have what it asks for.
  }
}

test('[RING-3] [RING-6] [RING-7] the broker survives whatever is said of rings, and bystanders do not notice', async (t) => {
  const seed = Number(process.env['RINGBUS_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  t.log(`RINGBUS_FUZZ_SEED=${seed}`)
  const random = randomNumbers(seed)
  const { client, path } = await startBench(t, {
    ringBytes: 64 * KIB,
    ringBytesMax: 256 * KIB,
    refusedLingerMs: 20,
    attachTimeoutMs: 30,
    leaseTimeoutMs: 100,
    ringIdleMs: 300,
    ringCopyBytesMax: 100_000,
    ringHeldBytesMax: 128 * KIB,
    ringRecordsMax: 50,
    heldRequestsMax: 5,
    backlogMessagesMax: 30,
  })
  const bystanders = await Bystanders.open(t, path)
  const observer = await client()
  const fuzzers: RingClient[] = []
  let [delivered, known] = [0, 1]
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const user = await RingClient.open(t, path, `fuzzer ${attempt}`)
    user.send(topic(0, 'x'), topic(1, 'y.z'), topic(2, 'x.y'), topic(3, 'x'))
    const ring = random(4) > 0 ? await user.openRing(1 + random(64 * KIB)) : undefined
    if (ring !== undefined) known = ring.id
    const fuzzer = { client: user, ring }
    void play(fuzzer, random)
    for (let bursts = 1 + random(4); bursts > 0; bursts--) {
      for (let frames = random(12); frames > 0; frames--) user.send(anyFrame(fuzzer, random, known))
      await bystanders.exchange(1, true)
    }
    fuzzers.push(user)
    if (fuzzers.length > AT_A_TIME) fuzzers.splice(random(fuzzers.length), 1)[0]!.hangUp()
    delivered = (await ringStats(observer)).delivered
  }
  for (const fuzzer of fuzzers) fuzzer.hangUp()
  do await bystanders.exchange(1, true)
  while ((await ringStats(observer)).segments > 1)
  const stats = await ringStats(observer)
  t.log(JSON.stringify(stats))
  t.true(delivered > ATTEMPTS)
  t.like(stats, { copiedBytes: 0 })
})
