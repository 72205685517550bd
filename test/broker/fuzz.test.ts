import test from 'ava'
import { packValue } from '../../protocol/index.js'
import { startBench } from './fixtures.js'
import {
  cancel,
  credit,
  failure,
  flush,
  hello,
  publish,
  pull,
  reply,
  replyPart,
  request,
  requestStream,
  serve,
  subscribe,
  topic,
  unserve,
  unsubscribe,
} from './frames.js'
import { Client } from './transcript.js'

/** Connections that send mutated frames; each is broken in a way of its own. */
const ATTEMPTS = 1500

/** Connections that are open at a time, so that what one leaves behind meets the next. */
const AT_A_TIME = 10

/** Small numbers from a seed, the same for the same seed (mulberry32). */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** Sound frames, most of them about the same few ids, so that mutations meet something. */
function soundFrame(random: (below: number) => number): Buffer {
  const id = random(4)
  const names = ['a', 'b.c', '$SYS.stats', '$SYS.subscriptions', 'calm.x']
  const patterns = ['a', '*', '>', 'b.*', '$SYS.>', 'calm.>']
  const link = random(2) === 0 ? ((random(3) << 20) | random(4)) >>> 0 : id
  const makers = [
    () => topic(id, names[random(names.length)]!),
    () => publish(id, 'x'.repeat(random(200)), { priority: random(32) }),
    () => publish(id, 'x', { headers: packValue({ a: 1 }), expiryNs: random(2) * 1e15 + 1 }),
    () => subscribe(id, patterns[random(patterns.length)]!, { window: random(1000) }),
    () => subscribe(id, 'a', { group: 'g', window: random(1000) }),
    () => unsubscribe(id, { drain: random(2) === 0 }),
    () => credit(id, random(500), random(3), random(2)),
    () => serve(id, patterns[random(patterns.length)]!, 1 + random(3)),
    () => unserve(id),
    () => request(id, id, 'ask', { priority: random(32) }),
    () => requestStream(id, id),
    () => reply(link, 'answer'),
    () => replyPart(link, 'part'),
    () => failure(link, 'HANDLER_ERROR', 'failed'),
    () => cancel(id),
    () => pull(id, random(1000)),
    () => flush(id),
  ]
  return makers[random(makers.length)]!()
}

/** Sound frames with a byte flipped, cut out, repeated or replaced here and there. */
function mutatedStream(random: (below: number) => number): Buffer {
  const frames = Array.from({ length: 1 + random(40) }, () => soundFrame(random))
  const bytes = Buffer.concat([random(20) > 0 ? hello() : Buffer.alloc(0), ...frames])
  for (let count = random(4); count > 0; count--) {
    const at = random(bytes.length)
    if (random(2) === 0) bytes[at] = random(256)
    else bytes[at]! ^= 1 << random(8)
  }
  const cut = random(4) === 0 ? random(bytes.length) : bytes.length
  return random(10) === 0 ? Buffer.concat([bytes.subarray(random(16)), frames[0]!]) : bytes.subarray(0, cut)
}

test('[WIRE-1.7] [ERR-3] the broker survives mutated streams, and a bystander does not notice', async (t) => {
  const seed = Number(process.env['RINGBUS_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  t.log(`RINGBUS_FUZZ_SEED=${seed}`)
  const random = randomNumbers(seed)
  const { client, path } = await startBench(t, {
    backlogMessagesMax: 20,
    heldRequestsMax: 5,
    refusedLingerMs: 20,
  })
  const bystander = await client()
  bystander.send(subscribe(1, 'quiet'), topic(0, 'quiet'))
  const open: Client[] = []
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const fuzzer = await Client.connect(t, path)
    fuzzer.send(mutatedStream(random))
    open.push(fuzzer)
    if (open.length > AT_A_TIME) open.splice(random(open.length), 1)[0]!.hangUp()
    if (attempt % 10 > 0) continue
    bystander.send(publish(0, `attempt ${attempt}`))
    await bystander.expect('MESSAGE', { text: `attempt ${attempt}` })
  }
  for (const fuzzer of open) fuzzer.hangUp()
  await bystander.expectNothing()
})

test('[WIRE-1.7] the broker survives noise', async (t) => {
  const seed = Number(process.env['RINGBUS_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  t.log(`RINGBUS_FUZZ_SEED=${seed}`)
  const random = randomNumbers(seed)
  const { client, path } = await startBench(t, { refusedLingerMs: 20 })
  const bystander = await client()
  for (let attempt = 0; attempt < 200; attempt++) {
    const fuzzer = await Client.connect(t, path)
    const noise = Buffer.from(Array.from({ length: 1 + random(300) }, () => random(256)))
    fuzzer.send(random(2) === 0 ? Buffer.concat([hello(), noise]) : noise)
    fuzzer.hangUp()
  }
  await bystander.expectNothing()
})
