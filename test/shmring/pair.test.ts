import { closeSync, openSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import { type NativeHost, type PairHandle, PairStream } from '../../shmring/index.js'
import { nativeHost, temporaryDirectory, testWhen } from './fixtures.js'
import { PairWord, pairFor, storeWord } from './pair-fixtures.js'
import { fetchPair } from './segment-sides.js'

const onLinux = testWhen(process.platform === 'linux', 'only Linux has pairs')
const native = nativeHost()
const RING_BYTES = 65_536

/** Bytes that tell their place in a stream. */
function streamed(length: number, from = 0): Buffer {
  const bytes = Buffer.alloc(length)
  for (let index = 0; index < length; index++) bytes[index] = Math.imul(from + index, 0x9e3779b1) >>> 24
  return bytes
}

const OUT_OF_RANGE = { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' }
const INVALID = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE' }

// --- the binding

onLinux('the size of a ring is a power of two from 64 KiB to 4 MiB', (t) => {
  for (const bytes of [0, 32_768, 8 * 1024 * 1024, 2 ** 32 + 65_536]) {
    t.throws(() => native.pairCreate(bytes), OUT_OF_RANGE, `${bytes}`)
  }
  for (const bytes of [65_537, 3 * 65_536]) t.throws(() => native.pairCreate(bytes), { code: 'EINVAL' })
  for (const bytes of ['65536', 65_536n, null, undefined]) {
    t.throws(() => native.pairCreate(bytes as never), INVALID, `${bytes}`)
  }
  native.pairClose(native.pairCreate(4 * 1024 * 1024))
})

onLinux('a descriptor that is no pair is not mapped, and closed all the same', async (t) => {
  const isOpen = (fd: number) => {
    t.notThrows(() => closeSync(native.duplicate(fd)))
    return true
  }
  const file = openSync(process.execPath, 'r')
  t.true(isOpen(file))
  t.throws(() => native.pairMap(file, RING_BYTES), { code: 'EBADMSG' })
  t.throws(() => native.duplicate(file), { code: 'EBADF' })
  const pair = native.pairCreate(RING_BYTES)
  const fd = await fetchPair(native, temporaryDirectory(t), pair)
  t.throws(() => native.pairMap(fd, 2 * RING_BYTES), { code: 'EBADMSG' })
  t.throws(() => native.duplicate(fd), { code: 'EBADF' })
  const other = openSync(process.execPath, 'r')
  t.throws(() => native.pairMap(other, 1), OUT_OF_RANGE)
  t.throws(() => native.duplicate(other), { code: 'EBADF' })
  t.throws(() => native.pairMap(-1, RING_BYTES), INVALID)
  t.throws(() => native.pairMap('3' as never, RING_BYTES), INVALID)
  native.pairClose(pair)
})

onLinux('a pair is sent once, with a byte at least', async (t) => {
  const pair = native.pairCreate(RING_BYTES)
  t.throws(() => native.pairSend(0, Buffer.alloc(0), pair), INVALID)
  t.throws(() => native.pairSend(0, 'text' as never, pair), INVALID)
  t.throws(() => native.pairSend(-1, Buffer.alloc(1), pair), INVALID)
  const file = openSync(process.execPath, 'r')
  t.throws(() => native.pairSend(file, Buffer.alloc(1), pair), { code: 'ENOTSOCK' })
  closeSync(file)
  closeSync(await fetchPair(native, temporaryDirectory(t), pair))
  t.throws(() => native.pairSend(0, Buffer.alloc(1), pair), { code: 'EPERM' })
  native.pairClose(pair)
})

/** Everything that takes a pair, with arguments that are otherwise right. */
const CALLS: readonly [name: string, call: (pair: PairHandle) => unknown][] = [
  ['pairSend', (pair) => native.pairSend(0, Buffer.alloc(1), pair)],
  ['pairWrite', (pair) => native.pairWrite(pair, Buffer.alloc(1))],
  ['pairRead', (pair) => native.pairRead(pair, Buffer.alloc(1))],
  ['pairRest', (pair) => native.pairRest(pair)],
]

onLinux('a closed pair and a handle of another kind are refused; closing again does nothing', (t) => {
  const pair = native.pairCreate(RING_BYTES)
  const segment = native.segmentCreate(RING_BYTES)
  native.pairClose(pair)
  t.notThrows(() => native.pairClose(pair))
  for (const [name, call] of CALLS) {
    t.throws(() => call(pair), { ...INVALID, message: /closed/ }, name)
    for (const other of [segment, {}, 7, null, undefined]) {
      t.throws(() => call(other as never), { ...INVALID, message: /handle of a pair/ }, name)
    }
  }
  t.throws(() => native.pairClose(segment as never), INVALID)
  t.throws(() => native.segmentClose(pair as never), INVALID)
  native.segmentClose(segment)
})

onLinux('bytes are bytes, or the call is refused and nothing moves', async (t) => {
  const { broker, client } = await pairFor(t, native)
  for (const bytes of ['text', 5, null, undefined, {}, [1]]) {
    t.throws(() => native.pairWrite(client, bytes as never), INVALID)
    t.throws(() => native.pairRead(broker, bytes as never), INVALID)
  }
  t.is(native.pairRead(broker, Buffer.alloc(10)), 0)
  t.is(native.pairWrite(client, new Uint8Array(0)), 0)
  t.is(native.pairWrite(client, new Uint8Array([1, 2, 3]).subarray(1)), 2)
  const target = new Uint8Array(5)
  t.is(native.pairRead(broker, target.subarray(2)), 2)
  t.deepEqual([...target], [0, 0, 2, 3, 0])
})

onLinux('the complement of a count says that the other end must be rung', async (t) => {
  const { broker, client } = await pairFor(t, native)
  t.true(native.pairRest(broker))
  t.is(native.pairWrite(client, streamed(10)), ~10)
  t.is(native.pairWrite(client, streamed(10)), 10)
  t.false(native.pairRest(broker))
  t.is(native.pairRead(broker, Buffer.alloc(100)), 20)
  t.true(native.pairRest(broker))
  // Even one that was given nothing may have to ring.
  t.is(native.pairWrite(client, Buffer.alloc(0)), ~0)
  t.is(native.pairWrite(client, Buffer.alloc(RING_BYTES + 1)), RING_BYTES)
  t.is(native.pairRead(broker, Buffer.alloc(RING_BYTES / 2)), ~(RING_BYTES / 2))
  t.is(native.pairRead(broker, Buffer.alloc(RING_BYTES)), RING_BYTES / 2)
})

onLinux('[PAIR-4] counts that cannot be are told by EBADMSG', async (t) => {
  const { broker, file } = await pairFor(t, native)
  storeWord(file, 0, PairWord.HEAD, RING_BYTES + 1)
  t.throws(() => native.pairRead(broker, Buffer.alloc(1)), { code: 'EBADMSG' })
  storeWord(file, 0, PairWord.HEAD, 0)
  t.is(native.pairRead(broker, Buffer.alloc(1)), 0)
  storeWord(file, 1, PairWord.TAIL, 1)
  t.throws(() => native.pairWrite(broker, Buffer.alloc(1)), { code: 'EBADMSG' })
})

// --- the stream

/** One end, and what became of it. Its bells are counted, and wake the other end when the test says so. */
class TestEnd {
  readonly stream: PairStream
  readonly chunks: Buffer[] = []
  readonly errors: Error[] = []
  bells = 0
  reads = 0
  writtenCount = 0
  onData: (chunk: Buffer) => void = () => {}
  onBell: () => void = () => {}
  hasSocket = true

  constructor(t: ExecutionContext, pair: PairHandle, memoryBytes = 16_384) {
    const counting: NativeHost = {
      ...native,
      pairRead: (handle, target) => {
        this.reads += 1
        return native.pairRead(handle, target)
      },
      send: (fd, bytes) => {
        t.is(fd, 1234)
        t.is(bytes.length, 1)
        this.bells += 1
        this.onBell()
        return 1
      },
    }
    const memory = Buffer.alloc(memoryBytes)
    this.stream = new PairStream(counting, pair, RING_BYTES, {
      memory: () => memory,
      data: (chunk) => {
        this.chunks.push(Buffer.from(chunk))
        this.onData(chunk)
      },
      written: () => {
        this.writtenCount += 1
      },
      spoilt: (error) => this.errors.push(error),
      descriptor: () => (this.hasSocket ? 1234 : undefined),
    })
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks)
  }

  /** As whoever has a stream does: what there is no room for waits. */
  send(bytes: Buffer): void {
    const written = this.stream.write(bytes)
    if (written < bytes.length) this.stream.wait(bytes.subarray(written))
  }
}

interface Ends {
  readonly broker: TestEnd
  readonly client: TestEnd
  readonly file: number
}

/** Two ends that read, and wake each other. */
async function endsFor(t: ExecutionContext): Promise<Ends> {
  const pair = await pairFor(t, native)
  const [broker, client] = [new TestEnd(t, pair.broker), new TestEnd(t, pair.client)]
  broker.onBell = () => setImmediate(() => client.stream.look())
  client.onBell = () => setImmediate(() => broker.stream.look())
  for (const { stream } of [broker, client]) {
    stream.start()
    stream.look()
  }
  return { broker, client, file: pair.file }
}

async function untilReceived(end: TestEnd, byteCount: number): Promise<void> {
  while (end.received.length < byteCount) await new Promise(setImmediate)
}

onLinux('what waits goes first, in order, and its end is told once', async (t) => {
  const { broker, client } = await endsFor(t)
  const bytes = streamed(5 * RING_BYTES)
  client.send(bytes.subarray(0, RING_BYTES + 1000))
  t.is(client.stream.waitingBytes, 1000)
  broker.stream.look()
  t.is(client.stream.write(bytes.subarray(RING_BYTES + 1000)), 0, 'not past what waits, though there is room')
  client.send(bytes.subarray(RING_BYTES + 1000, RING_BYTES + 1001))
  client.send(bytes.subarray(RING_BYTES + 1001))
  t.is(client.stream.waitingBytes, 4 * RING_BYTES)
  await untilReceived(broker, bytes.length)
  while (client.stream.waitingBytes > 0) await new Promise(setImmediate)
  t.true(broker.received.equals(bytes))
  t.is(client.writtenCount, 1)
  client.stream.look()
  client.send(streamed(100))
  await untilReceived(broker, bytes.length + 100)
  t.is(client.writtenCount, 1, 'nothing has waited since')
})

onLinux('both ways at once, with pieces of all sizes', async (t) => {
  const { broker, client } = await endsFor(t)
  const bytes = streamed(3_000_000)
  for (const end of [broker, client]) {
    for (let at = 0, size = 1; at < bytes.length; size = (size * 7) % 300_007) {
      end.send(bytes.subarray(at, at + size))
      at += size
    }
  }
  for (const end of [broker, client]) {
    await untilReceived(end, bytes.length)
    t.true(end.received.equals(bytes))
  }
})

/** Microtasks run before this goes on, and nothing else. */
const endOfTurn = () => Promise.resolve()

/** Two ends that rest, and of which none is woken. */
async function restingEndsFor(t: ExecutionContext): Promise<Ends> {
  const ends = await endsFor(t)
  ends.broker.onBell = () => {}
  ends.client.onBell = () => {}
  return ends
}

onLinux('[PAIR-5] who rests is rung once, as the turn is over, and not without a socket', async (t) => {
  const { broker, client } = await restingEndsFor(t)
  client.send(streamed(10))
  client.send(streamed(10))
  t.is(client.bells, 0)
  await endOfTurn()
  t.is(client.bells, 1)
  client.send(streamed(10))
  await endOfTurn()
  t.is(client.bells, 1, 'it is awake, as far as anybody knows')
  broker.stream.look()
  t.is(broker.received.length, 30)
  client.hasSocket = false
  client.send(streamed(10))
  await endOfTurn()
  t.is(client.bells, 1)
  broker.stream.look()
  t.is(broker.received.length, 40)
})

onLinux('[PAIR-5] who rests is rung at once for a quarter of a ring, and for a full one', async (t) => {
  const { broker, client } = await restingEndsFor(t)
  client.send(streamed(10))
  client.send(streamed(RING_BYTES / 4 - 11))
  t.is(client.bells, 0)
  client.send(streamed(1))
  t.is(client.bells, 1)
  await endOfTurn()
  t.is(client.bells, 1)
  broker.stream.look()
  client.send(streamed(10))
  await endOfTurn()
  t.is(client.bells, 2, 'what was rung for does not count any more')
  broker.stream.look()
  client.send(streamed(RING_BYTES / 4 - 1))
  t.is(client.bells, 2)
  client.stream.write(streamed(RING_BYTES))
  t.is(client.bells, 3)
})

onLinux('[PAIR-5] who rests again while it is still to be rung is rung', async (t) => {
  const { broker, client } = await restingEndsFor(t)
  client.send(streamed(10))
  broker.stream.look()
  client.send(streamed(10))
  await endOfTurn()
  t.is(client.bells, 1)
  broker.stream.look()
  client.send(streamed(10))
  await endOfTurn()
  t.is(client.bells, 2)
  broker.stream.look()
  t.is(broker.received.length, 30)
})

onLinux('[PAIR-5] whoever waits for room is rung as half of the ring is free, in a turn', async (t) => {
  const { broker, client } = await restingEndsFor(t)
  client.send(streamed(RING_BYTES + 1))
  const bells: number[] = []
  broker.onData = () => bells.push(broker.bells)
  broker.stream.look()
  // A quarter of the ring at a time.
  t.deepEqual(bells, [0, 1, 1, 1])
})

onLinux('[PAIR-3] nothing is read before it is time', async (t) => {
  const pair = await pairFor(t, native)
  const [broker, client] = [new TestEnd(t, pair.broker), new TestEnd(t, pair.client)]
  client.send(streamed(10))
  broker.stream.look()
  broker.stream.drain()
  t.deepEqual([broker.reads, broker.stream.isReading], [0, false])
  broker.stream.start()
  t.deepEqual([broker.reads, broker.stream.isReading], [0, true])
  broker.stream.look()
  t.is(broker.received.length, 10)
})

onLinux('an end that has more and more to read lets others have their turn', async (t) => {
  const { broker, client } = await endsFor(t)
  let isOver = false
  setImmediate(() => {
    isOver = true
  })
  broker.onData = () => {
    if (!isOver) client.stream.write(streamed(32_768))
  }
  client.stream.write(streamed(32_768))
  broker.stream.look()
  t.false(isOver, 'it has its own turn')
  while (!isOver) await new Promise(setImmediate)
  t.true(broker.received.length > 0)
})

onLinux(
  '[PAIR-6] at the end, a ring full is read and no more, even if there comes more and more',
  async (t) => {
    const { broker, client } = await endsFor(t)
    client.onBell = () => {}
    client.send(streamed(3 * RING_BYTES))
    // It goes on as soon as there is room.
    broker.onData = () => client.stream.look()
    broker.stream.drain()
    t.true(broker.received.equals(streamed(RING_BYTES)))
    // And less, if there is less.
    broker.onData = () => {}
    client.stream.close()
    broker.stream.drain()
    broker.stream.drain()
    t.true(broker.received.equals(streamed(2 * RING_BYTES)))
  },
)

for (const way of ['look', 'drain'] as const) {
  onLinux(`a stream may be closed by what it brings: ${way}`, async (t) => {
    const { broker, client } = await endsFor(t)
    client.onBell = () => {}
    client.send(streamed(RING_BYTES))
    broker.onData = () => broker.stream.close()
    broker.stream[way]()
    t.is(broker.chunks.length, 1)
    for (const again of ['look', 'drain', 'start', 'close'] as const) broker.stream[again]()
    t.is(broker.stream.write(streamed(10)), 10)
    broker.stream.wait(streamed(10))
    await new Promise(setImmediate)
    t.is(broker.chunks.length, 1)
    t.deepEqual([broker.errors, broker.stream.waitingBytes, broker.stream.isReading], [[], 0, false])
  })
}

onLinux('a stream closed with bytes that wait tells nothing of them', async (t) => {
  const { broker, client } = await endsFor(t)
  client.send(streamed(2 * RING_BYTES))
  client.stream.close()
  await untilReceived(broker, RING_BYTES)
  client.stream.look()
  t.deepEqual([client.writtenCount, client.stream.waitingBytes], [0, 0])
})

onLinux('[PAIR-4] a spoilt head is told once; nothing is read any more, and writing goes on', async (t) => {
  const { broker, client, file } = await endsFor(t)
  storeWord(file, 0, PairWord.HEAD, 2 * RING_BYTES)
  broker.stream.look()
  broker.stream.look()
  broker.stream.drain()
  t.is(broker.errors.length, 1)
  t.like(broker.errors[0], { code: 'EBADMSG' })
  t.is(broker.chunks.length, 0)
  broker.send(streamed(10))
  await untilReceived(client, 10)
  t.is(broker.errors.length, 1)
})

onLinux('[PAIR-4] a spoilt tail is told once, and not to whoever is writing', async (t) => {
  const { broker, file } = await endsFor(t)
  storeWord(file, 1, PairWord.TAIL, 1)
  broker.send(streamed(10))
  broker.send(streamed(10))
  t.is(broker.errors.length, 0, 'it may be in the middle of something')
  await null
  t.is(broker.errors.length, 1)
  broker.send(streamed(10))
  await null
  t.deepEqual([broker.errors.length, broker.stream.waitingBytes], [1, 0])
})

onLinux('[PAIR-4] a tail that is spoilt while bytes wait sets them free', async (t) => {
  const { broker, file } = await endsFor(t)
  broker.onBell = () => {}
  broker.send(streamed(2 * RING_BYTES))
  storeWord(file, 1, PairWord.TAIL, RING_BYTES + 1)
  broker.stream.look()
  t.deepEqual([broker.writtenCount, broker.stream.waitingBytes], [1, 0])
  await null
  t.is(broker.errors.length, 1)
})
