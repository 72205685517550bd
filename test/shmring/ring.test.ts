import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { GRANULE_BYTES, POSITION_MAX, RING_LAYOUT_VERSION } from '../../protocol/index.js'
import { type ReaderHandle, RingClaim, type RingHandle, type SegmentHandle } from '../../shmring/index.js'
import { listenPaused, nativeHost, projectRoot, temporaryDirectory, testWhen } from './fixtures.js'
import { sidesFor } from './segment-fixtures.js'
import { ANSWER, ATTACH_TIMEOUT_MS, serveSegment } from './segment-sides.js'

const native = nativeHost()
const onLinux = testWhen(process.platform === 'linux', 'only Linux has segments')

const DATA_BYTES = 65_536
const CAPACITY = DATA_BYTES / GRANULE_BYTES

const WRONG_VALUE = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE' }
const OUT_OF_RANGE = { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' }

type Call = (...args: never[]) => unknown

function throwsEach(t: ExecutionContext, expectation: object, call: Call, lists: readonly unknown[][]): void {
  for (const args of lists) t.throws(() => call(...(args as never[])), expectation, JSON.stringify(args))
}

/** The number that a header defines. */
function headerNumber(header: string, name: string): number {
  const text = readFileSync(join(projectRoot, 'shmring/include', header), 'utf8')
  return Number(new RegExp(`#define ${name} (\\d+)u`).exec(text)![1])
}

test('the C header and the protocol agree about granules and the layout', (t) => {
  t.is(headerNumber('ringbus_layout.h', 'RINGBUS_GRANULE_BYTES'), GRANULE_BYTES)
  t.is(headerNumber('ringbus_layout.h', 'RINGBUS_LAYOUT_VERSION'), RING_LAYOUT_VERSION)
  const ring = readFileSync(join(projectRoot, 'shmring/include/ringbus_ring.h'), 'utf8')
  t.regex(ring, /#define RINGBUS_POSITION_END \(UINT64_C\(1\) << 53\)/)
  t.is(POSITION_MAX, 2 ** 53 - 1)
})

onLinux('a payload goes from its owner to the reader and the broker', async (t) => {
  const { segment, ring, reader } = await sidesFor(t, native, DATA_BYTES)
  const payload = Buffer.from('a payload of no particular length')
  const claim = new Float64Array(4)
  t.is(native.ringClaim(ring, payload.length, claim), RingClaim.OK)
  t.deepEqual([...claim.subarray(0, 3)], [0, 0, 0])
  native.ringWrite(ring, claim[0]!, payload)
  const copy = Buffer.alloc(payload.length)
  native.readerCopy(reader, 0, copy)
  t.deepEqual(copy, payload)
  t.deepEqual(Buffer.from(native.readerTake(reader, 0, payload.length)!), payload)
  native.segmentRead(segment, 2, copy.subarray(0, 7))
  t.is(copy.toString('latin1', 0, 7), 'payload')
  t.is(native.segmentReservedBytes(segment), DATA_BYTES)
})

onLinux('a full ring waits for what the broker posts, and restarts when it is empty', async (t) => {
  const { segment, ring } = await sidesFor(t, native, DATA_BYTES)
  const claim = new Float64Array(4)
  t.is(native.ringClaim(ring, DATA_BYTES + 1, claim), RingClaim.TOO_LARGE)
  t.is(native.ringClaim(ring, 1000 * GRANULE_BYTES, claim), RingClaim.OK)
  t.is(native.ringClaim(ring, 30 * GRANULE_BYTES, claim), RingClaim.WAIT)
  t.is(claim[3], CAPACITY - 1000 + 30)
  t.false(native.segmentWanted(segment))
  t.false(native.ringWait(ring, claim[3]!))
  t.true(native.segmentWanted(segment))
  t.false(native.segmentPost(segment, 29))
  t.true(native.segmentPost(segment, 1))
  t.false(native.segmentWanted(segment))
  t.true(native.ringWait(ring, 54))
  t.is(native.ringClaim(ring, 30 * GRANULE_BYTES, claim), RingClaim.OK)
  t.deepEqual([...claim.subarray(0, 3)], [CAPACITY, CAPACITY - 1000, 0])
  t.false(native.segmentPost(segment, 970 + 54))
  t.is(native.ringClaim(ring, DATA_BYTES, claim), RingClaim.OK)
  t.deepEqual([...claim.subarray(0, 3)], [2 * CAPACITY, CAPACITY - 30, 1])
})

onLinux('a loan is the memory itself until it is taken back', async (t) => {
  const { ring, reader } = await sidesFor(t, native, DATA_BYTES)
  const claim = new Float64Array(4)
  native.ringClaim(ring, 100, claim)
  const loan = native.ringLoan(ring, claim[0]!, 100)!
  new Uint8Array(loan).fill(7)
  const copy = new Uint8Array(100)
  native.readerCopy(reader, 0, copy)
  t.deepEqual(copy, new Uint8Array(100).fill(7))
  t.throws(() => native.ringEndLoan(ring, new ArrayBuffer(100)), WRONG_VALUE)
  t.true(native.ringEndLoan(ring, loan))
  t.is(loan.byteLength, 0)
  t.false(native.ringEndLoan(ring, loan))
})

onLinux('a view shows the memory until it is released, and is released once', async (t) => {
  const { ring, reader } = await sidesFor(t, native, DATA_BYTES)
  const claim = new Float64Array(4)
  native.ringClaim(ring, 200, claim)
  native.ringWrite(ring, 0, Buffer.alloc(200, 'v'))
  const view = native.readerView(reader, 64, 100, 5)!
  const other = native.readerView(reader, 64, 100, 6)!
  t.is(Buffer.from(view).toString(), 'v'.repeat(100))
  t.throws(() => native.readerView(reader, 0, 1, 5), WRONG_VALUE)
  t.throws(() => native.readerRelease(reader, 7, view), WRONG_VALUE)
  t.throws(() => native.readerRelease(reader, 5, new ArrayBuffer(100)), WRONG_VALUE)
  t.true(native.readerRelease(reader, 5, view))
  t.is(view.byteLength, 0)
  t.false(native.readerRelease(reader, 5, view))
  t.is(other.byteLength, 100)
  const again = native.readerView(reader, 0, 1, 5)!
  t.true(native.readerRelease(reader, 5, again))
  t.true(native.readerRelease(reader, 6, other))
  t.deepEqual(native.readerReturned(reader), [])
})

// A tracked buffer is copied by structuredClone rather than moved on some versions of Node; either will do.
onLinux('a view that was given to structuredClone is still accounted for', async (t) => {
  const { reader } = await sidesFor(t, native, DATA_BYTES)
  const view = native.readerView(reader, 0, 64, 1)!
  let clone: ArrayBuffer | undefined
  try {
    clone = structuredClone(view, { transfer: [view] })
  } catch (error) {
    t.is((error as Error).name, 'DataCloneError')
  }
  const wasWhole = view.byteLength === 64
  t.is(native.readerRelease(reader, 1, view), wasWhole)
  t.is(clone?.byteLength ?? 64, 64)
})

onLinux('nothing outside of the data area can be reached', async (t) => {
  const { segment, ring, reader } = await sidesFor(t, native, DATA_BYTES)
  const two = Buffer.alloc(2)
  const offsets = [-1, DATA_BYTES - 1, DATA_BYTES, DATA_BYTES + 1, 2 ** 32, 2 ** 53, -(2 ** 53)]
  throwsEach(
    t,
    OUT_OF_RANGE,
    native.segmentRead,
    offsets.map((offset) => [segment, offset, two]),
  )
  throwsEach(
    t,
    OUT_OF_RANGE,
    native.readerCopy,
    offsets.map((offset) => [reader, offset, two]),
  )
  throwsEach(
    t,
    OUT_OF_RANGE,
    native.readerTake,
    offsets.map((offset) => [reader, offset, 2]),
  )
  throwsEach(
    t,
    OUT_OF_RANGE,
    native.readerView,
    offsets.map((offset) => [reader, offset, 2, 0]),
  )
  throwsEach(t, OUT_OF_RANGE, native.readerView, [
    [reader, 0, 0, 0],
    [reader, 0, DATA_BYTES + 1, 0],
    [reader, 0, 1, -1],
    [reader, 0, 1, 2 ** 53],
  ])
  native.ringClaim(ring, 100, new Float64Array(4))
  const positions = [-1, 1, 2, CAPACITY, 2 ** 32, POSITION_MAX, 2 ** 53]
  throwsEach(
    t,
    OUT_OF_RANGE,
    native.ringWrite,
    positions.map((at) => [ring, at, Buffer.alloc(100)]),
  )
  throwsEach(
    t,
    OUT_OF_RANGE,
    native.ringLoan,
    positions.map((at) => [ring, at, 100]),
  )
  throwsEach(t, OUT_OF_RANGE, native.ringWrite, [
    [ring, 0, Buffer.alloc(129)],
    [ring, 0, Buffer.alloc(0)],
  ])
  throwsEach(t, OUT_OF_RANGE, native.ringLoan, [
    [ring, 0, 0],
    [ring, 0, DATA_BYTES + 1],
    [ring, 0, 129],
  ])
  throwsEach(t, OUT_OF_RANGE, native.segmentPost, [
    [segment, -1],
    [segment, CAPACITY + 1],
    [segment, 2 ** 32],
  ])
  throwsEach(t, OUT_OF_RANGE, native.ringWait, [
    [ring, 0],
    [ring, CAPACITY + 1],
    [ring, 2 ** 32 + 1],
  ])
  throwsEach(t, OUT_OF_RANGE, native.ringClaim, [
    [ring, 0, new Float64Array(4)],
    [ring, -1, new Float64Array(4)],
  ])
})

onLinux('sizes that no segment has are refused', (t) => {
  const sizes = [0, -1, 65_535, 65_537, 2 ** 30 + 65_536, 2 ** 53]
  throwsEach(
    t,
    OUT_OF_RANGE,
    native.segmentCreate,
    sizes.map((size) => [size]),
  )
  throwsEach(t, WRONG_VALUE, native.segmentCreate, [['65536'], [65_536.5], [Number.NaN], [Infinity], []])
})

onLinux('an argument of another type is refused', async (t) => {
  const { segment, ring, reader } = await sidesFor(t, native, DATA_BYTES)
  const claim = new Float64Array(4)
  const bytes = Buffer.alloc(1)
  native.ringClaim(ring, 1, claim)
  const fractions = [0.5, Number.NaN, Infinity, '0', undefined, null, 0n, {}]
  throwsEach(
    t,
    WRONG_VALUE,
    (value) => native.segmentPost(segment, value),
    fractions.slice(0, 6).map((v) => [v]),
  )
  throwsEach(
    t,
    WRONG_VALUE,
    (value) => native.ringWait(ring, value),
    fractions.slice(0, 6).map((v) => [v]),
  )
  for (const value of fractions as number[]) {
    t.throws(() => native.segmentRead(segment, value, bytes), WRONG_VALUE)
    t.throws(() => native.ringClaim(ring, value, claim), WRONG_VALUE)
    t.throws(() => native.ringWrite(ring, value, bytes), WRONG_VALUE)
    t.throws(() => native.ringLoan(ring, value, 1), WRONG_VALUE)
    t.throws(() => native.ringLoan(ring, 0, value), WRONG_VALUE)
    t.throws(() => native.readerCopy(reader, value, bytes), WRONG_VALUE)
    t.throws(() => native.readerTake(reader, value, 1), WRONG_VALUE)
    t.throws(() => native.readerTake(reader, 0, value), WRONG_VALUE)
    t.throws(() => native.readerView(reader, value, 1, 0), WRONG_VALUE)
    t.throws(() => native.readerView(reader, 0, value, 0), WRONG_VALUE)
    t.throws(() => native.readerView(reader, 0, 1, value), WRONG_VALUE)
    t.throws(() => native.readerRelease(reader, value, new ArrayBuffer(1)), WRONG_VALUE)
  }
  const noBytes = [
    new ArrayBuffer(1),
    new Uint16Array(1),
    new DataView(new ArrayBuffer(1)),
    [0],
    'x',
    undefined,
  ]
  for (const value of noBytes as unknown as Uint8Array[]) {
    t.throws(() => native.segmentRead(segment, 0, value), WRONG_VALUE)
    t.throws(() => native.ringWrite(ring, 0, value), WRONG_VALUE)
    t.throws(() => native.readerCopy(reader, 0, value), WRONG_VALUE)
    t.throws(() => native.segmentSend(0, value, segment, false), WRONG_VALUE)
    t.throws(() => native.attach('/nowhere', value, 1), WRONG_VALUE)
  }
  for (const value of [bytes, undefined, new SharedArrayBuffer(1), {}] as unknown as ArrayBuffer[]) {
    t.throws(() => native.ringEndLoan(ring, value), WRONG_VALUE)
    t.throws(() => native.readerRelease(reader, 0, value), WRONG_VALUE)
  }
  for (const value of [new Float64Array(3), new Float32Array(4), [0, 0, 0, 0], undefined] as Float64Array[]) {
    t.throws(() => native.ringClaim(ring, 1, value), WRONG_VALUE)
  }
  t.throws(() => native.segmentSend(0, Buffer.alloc(0), segment, false), WRONG_VALUE)
  t.throws(() => native.segmentSend(0, bytes, segment, 1 as never), WRONG_VALUE)
  t.throws(() => native.segmentSend(-1, bytes, segment, true), WRONG_VALUE)
})

interface Handles {
  readonly segment: SegmentHandle
  readonly ring: RingHandle
  readonly reader: ReaderHandle
}

/** Every function that takes a handle but those that close it. */
function everyCall({ segment, ring, reader }: Handles): (() => unknown)[] {
  const bytes = Buffer.alloc(1)
  return [
    () => native.segmentSeal(segment),
    () => native.segmentSend(0, bytes, segment, false),
    () => native.segmentPost(segment, 1),
    () => native.segmentWanted(segment),
    () => native.segmentRead(segment, 0, bytes),
    () => native.segmentReservedBytes(segment),
    () => native.ringClaim(ring, 1, new Float64Array(4)),
    () => native.ringWait(ring, 1),
    () => native.ringWrite(ring, 0, bytes),
    () => native.ringLoan(ring, 0, 1),
    () => native.ringEndLoan(ring, new ArrayBuffer(1)),
    () => native.readerCopy(reader, 0, bytes),
    () => native.readerTake(reader, 0, 1),
    () => native.readerView(reader, 0, 1, 0),
    () => native.readerRelease(reader, 0, new ArrayBuffer(1)),
    () => native.readerReturned(reader),
  ]
}

/** The functions that `everyCall` leaves out. */
const CLOSERS = ['segmentClose', 'ringClose', 'readerClose'] as const

onLinux('a closed handle can only be closed again', async (t) => {
  const sides = await sidesFor(t, native, DATA_BYTES)
  for (let times = 0; times < 2; times++) {
    native.readerClose(sides.reader)
    native.ringClose(sides.ring)
    native.segmentClose(sides.segment)
  }
  for (const call of everyCall(sides)) t.throws(call, { ...WRONG_VALUE, message: /is closed$/ })
})

onLinux('what is no handle, or one of another kind, is refused', async (t) => {
  const { segment, ring, reader } = await sidesFor(t, native, DATA_BYTES)
  const others = { segment: ring, ring: reader, reader: segment } as unknown as Handles
  for (const value of [{}, null, undefined, 1, 'x', () => {}, Object.create(segment), new Proxy(ring, {})]) {
    const handles = { segment: value, ring: value, reader: value } as unknown as Handles
    for (const call of everyCall(handles)) t.throws(call, WRONG_VALUE)
    for (const name of CLOSERS) t.throws(() => native[name](value as never), WRONG_VALUE)
  }
  for (const call of everyCall(others)) t.throws(call, WRONG_VALUE)
  t.throws(() => native.segmentClose(others.segment), WRONG_VALUE)
})

onLinux(
  'a descriptor is sent writable before the seal and read-only after it, and not otherwise',
  async (t) => {
    const path = join(temporaryDirectory(t), 'segment')
    const segment = native.segmentCreate(DATA_BYTES)
    let isWritable = true
    const server = await serveSegment(native, path, segment, () => isWritable)
    t.teardown(() => server.close())
    const { fd } = await native.attach(path, ANSWER, ATTACH_TIMEOUT_MS)
    t.is(
      readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')
        .match(/flags:\s+(\d+)/)![1]!
        .at(-1),
      '2',
    )
    native.closeDescriptor(fd)
    t.throws(() => native.segmentSend(0, ANSWER, segment, false), { code: 'EPERM' })
    native.segmentSeal(segment)
    t.throws(() => native.segmentSend(0, ANSWER, segment, true), { code: 'EPERM' })
    t.throws(() => native.segmentSeal(segment), { code: 'EPERM' })
    isWritable = false
    const { fd: readOnly, reply } = await native.attach(path, ANSWER, ATTACH_TIMEOUT_MS)
    t.deepEqual(reply, ANSWER)
    t.is(
      readFileSync(`/proc/self/fdinfo/${readOnly}`, 'utf8')
        .match(/flags:\s+(\d+)/)![1]!
        .at(-1),
      '0',
    )
    native.segmentClose(segment)
    native.readerClose(native.readerMap(readOnly, DATA_BYTES))
  },
)

// Serial, for nothing else may take the descriptors that are to be seen closed.
test.serial('a descriptor that is mapped, or cannot be, is taken over', async (t) => {
  const file = join(temporaryDirectory(t), 'file')
  writeFileSync(file, '')
  for (const map of [native.ringMap, native.readerMap]) {
    const fds = [openSync(file, 'r'), openSync(file, 'r')]
    t.throws(() => map(fds[0]!, DATA_BYTES), { code: process.platform === 'linux' ? 'EBADMSG' : 'ENOTSUP' })
    t.throws(() => map(fds[1]!, 7), OUT_OF_RANGE)
    for (const fd of fds) t.throws(() => fstatSync(fd), { code: 'EBADF' })
  }
  const fd = openSync(file, 'r')
  native.closeDescriptor(fd)
  t.throws(() => closeSync(fd), { code: 'EBADF' })
  t.like(
    t.throws(() => native.closeDescriptor(fd)),
    { code: 'EBADF', syscall: 'close' },
  )
})

onLinux('an attach that fails says where and why', async (t) => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'missing')
  const error = await t.throwsAsync(native.attach(path, ANSWER, ATTACH_TIMEOUT_MS))
  t.like(error, { code: 'ENOENT', errno: -2, syscall: 'connect', path })
  const silent = join(directory, 'silent')
  await listenPaused(t, silent)
  await t.throwsAsync(native.attach(silent, ANSWER, 1), { code: 'ETIMEDOUT' })
  await t.throwsAsync(native.attach(`/${'x'.repeat(200)}`, ANSWER, 1), { code: 'ENAMETOOLONG' })
  t.throws(() => native.attach('', ANSWER, 1), WRONG_VALUE)
  t.throws(() => native.attach('/a\0b', ANSWER, 1), WRONG_VALUE)
  throwsEach(t, OUT_OF_RANGE, native.attach, [
    [path, ANSWER, 0],
    [path, ANSWER, 2 ** 31],
  ])
  t.throws(() => native.attach(path, ANSWER, 0.5), WRONG_VALUE)
})

onLinux('a thread has handles of its own, which end with it', async (t) => {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData).then(({ loadNative }) => {
      const native = loadNative()
      const segment = native.segmentCreate(65536)
      native.segmentSeal(segment)
      const bytes = new Uint8Array(4).fill(1)
      native.segmentRead(segment, 0, bytes)
      parentPort.postMessage([...bytes, native.segmentWanted(segment)])
    })`
  const index = join(projectRoot, 'dist/shmring/index.js')
  const worker = new Worker(program, { eval: true, workerData: index })
  const ended = new Promise((resolve) => worker.once('exit', resolve))
  const message = await new Promise((resolve, reject) =>
    worker.once('message', resolve).once('error', reject),
  )
  t.deepEqual(message, [0, 0, 0, 0, false])
  t.is(await ended, 0)
})
