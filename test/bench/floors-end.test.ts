import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import test, { type ExecutionContext } from 'ava'
import { until } from '../client/fixtures.js'
import { untilGone } from '../demo/fixtures.js'
import { temporaryDirectory } from '../shmring/fixtures.js'
import { COMPILING_MS, floorsPath, RunningFloors, runFloors } from './floor-fixtures.js'

/** So many messages that none of these ends by itself. */
const COUNT = '10000000'

const LATENCY_ROLES = ['client', 'relay']
const STREAM_ROLES = ['publisher', 'relay', 'subscriber']

function startLatency(t: ExecutionContext, mechanism: string, env?: NodeJS.ProcessEnv) {
  return RunningFloors.start(t, ['latency', mechanism, '--count', COUNT], LATENCY_ROLES, env)
}

/** System V queues that one of the processes has sent to or received from. */
function sysvQueuesOf(pids: readonly number[]): number {
  const [, ...rows] = readFileSync('/proc/sysvipc/msg', 'utf8').trim().split('\n')
  return rows.filter((row) => {
    const [lastSender, lastReceiver] = row.trim().split(/ +/).map(Number).slice(5, 7)
    return pids.includes(lastSender!) || pids.includes(lastReceiver!)
  }).length
}

test.before(async (t) => {
  t.timeout(COMPILING_MS)
  await floorsPath()
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} ends all processes, and removes System V queues`, async (t) => {
    const running = await startLatency(t, 'sysv-queue')
    const pids = [...running.roles.values()]
    await until(() => sysvQueuesOf(pids) === 2)
    process.kill(running.pid, signal)
    const { signal: endedBy, stdout } = await running.ended
    t.is(endedBy, signal)
    t.is(stdout, '')
    await untilGone(pids)
    t.is(sysvQueuesOf(pids), 0)
  })
}

for (const role of LATENCY_ROLES) {
  test(`the death of the ${role} ends the other, and removes System V queues`, async (t) => {
    const running = await startLatency(t, 'sysv-queue')
    const pids = [...running.roles.values()]
    await until(() => sysvQueuesOf(pids) === 2)
    process.kill(running.roles.get(role)!, 'SIGKILL')
    const { code, stdout, stderr } = await running.ended
    t.is(code, 1)
    t.is(stdout, '')
    t.is(stderr, `floors: the ${role} was ended by signal 9\n`)
    await untilGone(pids)
    t.is(sysvQueuesOf(pids), 0)
  })
}

for (const role of STREAM_ROLES) {
  test(`the death of the ${role} of a stream ends all others`, async (t) => {
    const running = await RunningFloors.start(t, ['throughput', 'socket', '--ms', '600000'], STREAM_ROLES)
    process.kill(running.roles.get(role)!, 'SIGKILL')
    const { code, stderr } = await running.ended
    t.is(code, 1)
    t.regex(stderr, /^floors: the \w+ (was ended|ended)/m)
    await untilGone([...running.roles.values()])
  })
}

/** What a process may run on, as the kernel lists it. */
function processorsOf(pid: number): string {
  return /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!
}

test('client and relay have a processor each where there are two, or any', async (t) => {
  const own = processorsOf(process.pid)
  const apart = await startLatency(t, 'futex')
  const processors = [...apart.roles.values()].map(processorsOf)
  t.true(processors.every((list) => /^\d+$/.test(list)))
  t.is(new Set(processors).size, Math.min(2, availableParallelism()))
  const args = ['latency', 'futex', '--count', COUNT, '--processors', 'any']
  const anywhere = await RunningFloors.start(t, args, LATENCY_ROLES)
  t.deepEqual([...anywhere.roles.values()].map(processorsOf), [own, own])
})

test('a measurement that takes too long is ended', async (t) => {
  const path = await floorsPath()
  const { status, stdout, stderr } = runFloors(path, 'latency', 'futex', '--count', COUNT, '--timeout', '1')
  t.is(status, 1)
  t.is(stdout, '')
  t.is(stderr, 'floors: not done within 1 s\n')
})

test('processes go with the one that has started them, even by SIGKILL', async (t) => {
  const running = await startLatency(t, 'socket')
  process.kill(running.pid, 'SIGKILL')
  t.is((await running.ended).signal, 'SIGKILL')
  await untilGone([...running.roles.values()])
  t.pass()
})

test('FIFOs have no name any more while they are used', async (t) => {
  const folder = temporaryDirectory(t)
  const running = await startLatency(t, 'fifo', { TMPDIR: folder })
  t.deepEqual(readdirSync(folder), [])
  t.deepEqual([...running.roles.keys()].sort(), LATENCY_ROLES)
  process.kill(running.pid, 'SIGTERM')
  await running.ended
  t.deepEqual(readdirSync(folder), [])
})

test('POSIX queues have no name any more while they are used', async (t) => {
  const running = await startLatency(t, 'posix-queue')
  if (running.roles.size === 0) {
    const { code, stderr } = await running.ended
    t.is(code, 3)
    t.regex(stderr, /this kernel has no POSIX queues/)
    return
  }
  const folder = `/proc/${running.pid}/fd`
  const queues = readdirSync(folder)
    .map((name) => readlinkSync(`${folder}/${name}`))
    .filter((target) => target.startsWith('/floors-'))
  t.deepEqual(queues, new Array(2).fill(`/floors-${running.pid} (deleted)`))
})
