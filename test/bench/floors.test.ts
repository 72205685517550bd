import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  compileFloors,
  type FloorProgram,
  ImpossibleHere,
  MECHANISMS,
  type Mechanism,
} from '../../bench/floors/index.js'
import { PROJECT_ROOT } from '../project-files.js'
import { COMPILING_MS, floorProgram, floorsPath, runFloors, unlessAbsent } from './floor-fixtures.js'

const SANITIZERS = ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all']

const COUNT = 300
const SERIES = { payloadBytes: 128, count: COUNT, warmupCount: 20, hops: 2, processors: 'apart' } as const
const STREAM = { payloadBytes: 128, durationMs: 20, warmupMs: 5, batchBytes: 65_536 } as const

const RELAYS = MECHANISMS.filter((mechanism) => mechanism !== 'futex' && mechanism !== 'socket-epoll')
const QUEUES: readonly Mechanism[] = ['sysv-queue', 'posix-queue']

async function checkLatency(t: ExecutionContext, program: FloorProgram, mechanism: Mechanism, changes = {}) {
  const order = { ...SERIES, ...changes }
  const pairs = await unlessAbsent(t, program.latency(mechanism, order))
  if (pairs === undefined) return
  t.is(
    pairs.reduce((sum, [, count]) => sum + count, 0),
    order.count,
  )
  t.true(pairs.every(([ns, count]) => ns > 0 && count > 0))
  t.deepEqual(
    pairs.toSorted(([left], [right]) => left - right),
    [...pairs],
  )
}

async function checkThroughput(
  t: ExecutionContext,
  program: FloorProgram,
  mechanism: Mechanism,
  changes = {},
) {
  const order = { ...STREAM, ...changes }
  const transfer = await unlessAbsent(t, program.throughput(mechanism, order))
  if (transfer === undefined) return
  t.true(transfer.messages > 0)
  t.true(transfer.ns >= order.durationMs * 1e6)
}

/** Everything that the program can do, in small. */
async function checkAll(t: ExecutionContext, program: FloorProgram): Promise<void> {
  for (const mechanism of MECHANISMS) {
    await checkLatency(t, program, mechanism)
    await checkLatency(t, program, mechanism, { hops: 4, processors: 'any', payloadBytes: 16 })
    if (!QUEUES.includes(mechanism)) {
      await checkLatency(t, program, mechanism, { payloadBytes: 1_000_001, count: 3 })
    }
  }
  for (const mechanism of RELAYS) {
    await checkThroughput(t, program, mechanism)
    await checkThroughput(t, program, mechanism, { payloadBytes: 1001, batchBytes: 1, warmupMs: 0 })
    if (QUEUES.includes(mechanism)) continue
    await checkThroughput(t, program, mechanism, { payloadBytes: 1_000_001 })
  }
  for (const payloadBytes of [16, 1_000_001]) {
    const { messages, ns } = await program.copy(payloadBytes, 20)
    t.true(messages > 0 && ns >= 20e6)
  }
}

test('every mechanism gives as many values as were asked for, and every message of a stream', async (t) => {
  t.timeout(COMPILING_MS)
  await checkAll(t, await floorProgram())
})

test('so it does under the address and undefined-behaviour sanitizers', async (t) => {
  t.timeout(COMPILING_MS)
  await checkAll(t, await floorProgram(SANITIZERS))
})

test('messages that a queue may not have are not possible, and the limit is named', async (t) => {
  const limits = { 'sysv-queue': '/proc/sys/kernel/msgmax', 'posix-queue': '/proc/sys/fs/mqueue/msgsize_max' }
  const program = await floorProgram()
  for (const [mechanism, path] of Object.entries(limits)) {
    const limit = Number(readFileSync(path, 'utf8'))
    const order = { ...SERIES, payloadBytes: limit + 1 }
    const error = await t.throwsAsync(program.latency(mechanism as Mechanism, order), {
      instanceOf: ImpossibleHere,
    })
    t.true(error.message.includes(`${limit} bytes here (${path}), not ${limit + 1}`), error.message)
  }
})

test('a compiler that is not there is named', async (t) => {
  t.deepEqual(await compileFloors({ compilers: ['no-such-compiler', 'nor-this-one'] }), {
    missing: 'there is no C compiler here (tried no-such-compiler, nor-this-one)',
  })
})

test('the bench goes on without a compiler, and says so', (t) => {
  const main = join(PROJECT_ROOT, 'dist/bench/main.js')
  const args = [main, '--only', 'floors-latency-16B', '--peers', 'floor-futex']
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env: { PATH: '' } })
  t.is(status, 0)
  t.regex(stdout, /^floors: skipped, there is no C compiler here \(tried cc, gcc, clang\)$/m)
})

test('sources that do not compile are an error', async (t) => {
  await t.throwsAsync(compileFloors({ flags: ['-include', '/nowhere.h'] }), { message: /nowhere\.h/ })
})

test('a message passes the relay once, and a request with its reply twice', async (t) => {
  const path = await floorsPath()
  for (const mechanism of ['futex', 'socket']) {
    for (const hops of [2, 4]) {
      const args = ['latency', mechanism, '--count', '100', '--warmup', '10', '--hops', String(hops)]
      const { stdout } = runFloors(path, ...args)
      t.is((JSON.parse(stdout) as { relayed: number }).relayed, (110 * hops) / 2)
    }
  }
})

const REFUSALS: readonly (readonly [args: readonly string[], message: RegExp])[] = [
  [[], /^usage: floors latency MECHANISM/],
  [['latency'], /^usage: /],
  [['loudness', 'futex'], /^usage: /],
  [['latency', 'telepathy'], /unknown mechanism "telepathy", expected one of futex socket .* posix-queue$/m],
  [['throughput', 'futex'], /futex takes one message at a time and has no throughput/],
  [['throughput', 'socket-epoll'], /socket-epoll .* has no throughput/],
  [['latency', 'futex', '--bytes', '15'], /expected --bytes to be an integer from 16 to 67108864, got "15"/],
  [['latency', 'futex', '--bytes', ' 16'], /got " 16"/],
  [['latency', 'futex', '--bytes', '16B'], /got "16B"/],
  [['latency', 'futex', '--count', '99999999999999999999'], /expected --count to be an integer from 1 to/],
  [['latency', 'futex', '--hops', '3'], /expected --hops to be 2 or 4/],
  [['latency', 'futex', '--processors', 'one'], /expected --processors to be apart or any, got "one"/],
  [['latency', 'futex', '--speed', '1'], /unknown option "--speed"/],
  [['copy', '--bytes'], /expected a value after "--bytes"/],
]

test('what the program is not made for gets a clear error', async (t) => {
  const path = await floorsPath()
  for (const [args, message] of REFUSALS) {
    const { status, stdout, stderr } = runFloors(path, ...args)
    t.is(status, 2, args.join(' '))
    t.is(stdout, '')
    t.regex(stderr, message)
  }
})
