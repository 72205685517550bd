import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import ava from 'ava'
import { Host, type Running } from './fixtures.js'

// Each test starts several processes that take what time they can get.
const test = ava.serial

interface Row {
  readonly name: string
  readonly status: string
  readonly verified?: boolean
  readonly p50Us?: number
  readonly p99Us?: number
  readonly p999Us?: number
  readonly samples?: number
  readonly messages?: number
  readonly perSecond?: number
  readonly bytesPerSecond?: number
  readonly byRing?: number | null
  readonly bySocket?: number | null
  readonly reason?: string
}

interface Finding {
  readonly name: string
  readonly status: string
  readonly detail: string
  readonly remedy: string | null
}

interface Report {
  readonly path: string | null
  readonly machine: { readonly node: string; readonly processors: number }
  readonly measurements: readonly Row[]
  readonly verdict: readonly Finding[]
}

/** For tests that do not wait for its end. */
const LONG = ['--seconds', '60', '--log-level', 'info', '--only', 'latency']

/** A host on which whatever the bench leaves in its temporary directory is seen. */
class BenchHost extends Host {
  startBench(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
    return this.start(['bench', ...args], { TMPDIR: this.directory, ...env })
  }

  leftovers(): string[] {
    return readdirSync(this.directory).filter((name) => name.startsWith('ringbus-bench-'))
  }
}

function rowOf({ measurements }: Report, name: string): Row {
  return measurements.find((row) => row.name === name)!
}

function findingOf({ verdict }: Report, name: string): Finding {
  return verdict.find((finding) => finding.name === name)!
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.trim().split(' ').filter(Boolean).map(Number)
}

/** Whether it runs; one that nobody has waited for does not. */
function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** The processes of a bench that is measuring, once there are so many. */
async function workersOf(bench: Running, count: number): Promise<number[]> {
  await bench.says('publish to handler')
  for (;;) {
    const workers = childrenOf(bench.child.pid!)
    if (workers.length === count) return workers
    await delay(5)
  }
}

test('bench --json has every figure, each of messages that all arrived', async (t) => {
  const host = new BenchHost(t)
  const { exitCode, stdout, stderr } = await host.startBench(['--seconds', '2', '--json']).outcome
  t.is(exitCode, 0, stderr)
  t.is(stderr, '')
  const report = JSON.parse(stdout) as Report
  t.is(report.path, null)
  t.is(report.machine.node, process.version)
  t.deepEqual(
    report.measurements.map(({ name }) => name),
    [
      'floor-echo',
      'floor-stream',
      'latency',
      'latency-low',
      'request',
      'requests-64',
      'throughput',
      'fan-out-4',
      'large',
      'large-in-place',
    ],
  )
  for (const row of report.measurements) {
    // Nobody polls where there is no processor for it.
    if (row.name === 'latency-low' && report.machine.processors === 1) continue
    t.true(row.verified, row.name)
    const { p50Us, p99Us, p999Us, samples, messages, perSecond, bytesPerSecond } = row
    const figures = 'p50Us' in row ? [p50Us, p99Us, p999Us, samples] : [messages, perSecond, bytesPerSecond]
    for (const figure of figures) t.true(figure! > 0, `${row.name}: ${JSON.stringify(row)}`)
  }
  const large = rowOf(report, 'large')
  t.true(large.byRing! > 0)
  t.is(large.byRing! + large.bySocket!, large.messages!)
  t.like(findingOf(report, 'streams'), { status: 'ok' })
  t.like(findingOf(report, 'addon'), { status: 'ok', detail: 'loaded' })
  t.deepEqual(host.leftovers(), [])
})

test('bench for people has tables and a verdict, and takes no broker that runs already', async (t) => {
  const host = new BenchHost(t)
  await host.startBroker()
  const before = JSON.parse((await host.run(['status', '--json'])).stdout)
  const bench = host.startBench(['--seconds', '1', '--only', 'floor-echo', 'latency', 'throughput'])
  const { exitCode, stdout, stderr } = await bench.outcome
  t.is(exitCode, 0, stderr)
  t.regex(stdout, /^ringbus \S+ with a broker of its own\n/)
  t.regex(stdout, /^Latency in µs +p50 +p99 +p99\.9 +× bare\nbare Unix socket.* 1\.0\npublish to handler/m)
  t.regex(stdout, /^Throughput +per second +MiB\/s.*\nmessages, 128 B, one to one +[\d,]+ /m)
  t.notRegex(stdout, /request to reply/)
  t.regex(stdout, /^ok {4}streams: all [\d,]+ messages /m)
  t.regex(stdout, /^(ok {2}|warn) {2}load: /m)
  const after = JSON.parse((await host.run(['status', '--json'])).stdout)
  t.is(after.stats.messagesRouted, before.stats.messagesRouted)
})

test('without the addon bench says so, and has no figure of rings', async (t) => {
  const host = new BenchHost(t)
  const args = ['--seconds', '1', '--only', 'large', 'large-in-place', '--json']
  const { exitCode, stdout, stderr } = await host.startBench(args, { RINGBUS_NO_ADDON: '1' }).outcome
  t.is(exitCode, 0, stderr)
  const report = JSON.parse(stdout) as Report
  const large = rowOf(report, 'large')
  t.true(large.verified)
  t.is(large.byRing, 0)
  t.is(large.bySocket, large.messages!)
  t.like(rowOf(report, 'large-in-place'), { status: 'skipped' })
  t.regex(rowOf(report, 'large-in-place').reason!, /the native addon/)
  t.like(findingOf(report, 'addon'), { status: 'warn' })
  t.regex(findingOf(report, 'addon').remedy!, /^Unset RINGBUS_NO_ADDON/)
  t.like(findingOf(report, 'rings'), { status: 'warn' })
  t.deepEqual(host.leftovers(), [])
})

const INTERRUPTED: [what: string, args: string[], workers: number][] = [
  ['a broker of its own', [], 3],
  ['the broker that runs', ['--running'], 2],
]

for (const [what, args, count] of INTERRUPTED) {
  test(`SIGINT ends a bench of ${what} with 130; it leaves neither processes nor a directory`, async (t) => {
    const host = new BenchHost(t)
    await host.startBroker()
    const bench = host.startBench([...LONG, 'throughput', ...args])
    const workers = await workersOf(bench, count)
    t.is(host.leftovers().length, 1)
    // As a terminal does it.
    process.kill(-bench.child.pid!, 'SIGINT')
    const { exitCode, stdout } = await bench.outcome
    t.is(exitCode, 130)
    t.is(stdout, '')
    t.deepEqual(workers.filter(isRunning), [])
    t.deepEqual(host.leftovers(), [])
  })
}

test('SIGTERM ends a bench that has hardly begun', async (t) => {
  const host = new BenchHost(t)
  const bench = host.startBench(LONG)
  await bench.says('looking at the machine')
  t.is(host.leftovers().length, 1)
  process.kill(-bench.child.pid!, 'SIGTERM')
  t.is((await bench.outcome).exitCode, 143)
  t.deepEqual(host.leftovers(), [])
})

test('a bench that is killed leaves neither processes nor a directory', async (t) => {
  const host = new BenchHost(t)
  const bench = host.startBench([...LONG, 'throughput'])
  const workers = await workersOf(bench, 3)
  bench.child.kill('SIGKILL')
  await bench.outcome
  while (workers.some(isRunning)) await delay(5)
  t.deepEqual(host.leftovers(), [])
})

test('bench --running measures that broker, and leaves nothing there', async (t) => {
  const host = new BenchHost(t)
  await host.startBroker()
  const args = [
    '--running',
    '--seconds',
    '1',
    '--only',
    'latency',
    'request',
    'throughput',
    'large',
    '--json',
  ]
  const { exitCode, stdout, stderr } = await host.startBench(args).outcome
  t.is(exitCode, 0, stderr)
  const report = JSON.parse(stdout) as Report
  t.is(report.path, host.path)
  t.true(report.measurements.every(({ verified }) => verified))
  const status = JSON.parse((await host.run(['status', '--json'])).stdout)
  t.true(status.stats.messagesRouted > 0)
  t.true(status.stats.requestsRouted > 0)
  t.is(status.stats.subscriptions, 0)
  t.is(status.stats.services, 0)
  t.deepEqual(
    status.clients.map(({ name }: { name: string }) => name),
    ['ringbus status'],
  )
  t.is(status.stats.retained.messages, 0)
  t.is(status.stats.deliveries.queued, 0)
  t.deepEqual(host.leftovers(), [])
})

test('--path means the broker there, and it must be there', async (t) => {
  const host = new BenchHost(t)
  const { exitCode, stdout, stderr } = await host.startBench(['--path', host.path]).outcome
  t.is(exitCode, 3)
  t.is(stdout, '')
  t.regex(stderr, /^NO_BROKER: /)
  t.deepEqual(host.leftovers(), [])
})

test('a broker that does not permit it says so', async (t) => {
  const host = new BenchHost(t)
  const config = join(host.directory, 'config.json')
  const rule = { user: process.getuid!(), subscribe: ['>'], request: ['$SYS.*'] }
  writeFileSync(config, JSON.stringify({ permissions: [rule] }))
  await host.startBroker('--config', config)
  for (const only of ['latency', 'request', 'throughput']) {
    const { exitCode, stdout, stderr } = await host.startBench(['--running', '--only', only]).outcome
    t.is(exitCode, 1, only)
    t.is(stdout, '')
    t.regex(stderr, /^PERMISSION_DENIED: .*permissions\[0\]/, only)
  }
  t.deepEqual(host.leftovers(), [])
})

test('a broker that says nothing about itself is measured all the same', async (t) => {
  const host = new BenchHost(t)
  const config = join(host.directory, 'config.json')
  const rule = { user: process.getuid!(), publish: ['>'], subscribe: ['>'] }
  writeFileSync(config, JSON.stringify({ permissions: [rule] }))
  await host.startBroker('--config', config)
  const args = ['--running', '--seconds', '1', '--only', 'latency', 'latency-low', 'large', '--json']
  const { exitCode, stdout, stderr } = await host.startBench(args).outcome
  t.is(exitCode, 0, stderr)
  const report = JSON.parse(stdout) as Report
  t.true(report.measurements.every(({ verified }) => verified))
  t.like(rowOf(report, 'large'), { byRing: null, bySocket: null })
  t.truthy(findingOf(report, 'polling'))
  t.like(findingOf(report, 'rings'), { status: 'ok' })
})

test('a broker that ends meanwhile is exit code 3', async (t) => {
  const host = new BenchHost(t)
  await host.startBroker()
  const bench = host.startBench([...LONG, '--running'])
  const status = async () => JSON.parse((await host.run(['status', '--json'])).stdout)
  const isConnected = ({ name }: { name: string }) => name === 'ringbus bench'
  // Two that measure, and one that looks on.
  while ((await status()).clients.filter(isConnected).length < 3);
  process.kill((await status()).stats.pid, 'SIGKILL')
  const { exitCode, stderr } = await bench.outcome
  t.is(exitCode, 3)
  t.regex(stderr, /^DISCONNECTED: /m)
  t.deepEqual(host.leftovers(), [])
})
