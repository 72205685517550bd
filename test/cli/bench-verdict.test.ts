import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type BenchFindings, benchJson, benchReport } from '../../cli/bench/bench-report.js'
import { cgroupLimits } from '../../cli/bench/cgroup-limits.js'
import type { Figure, MeasurementName, Outcome, Result } from '../../cli/bench/figures.js'
import { describeMachine, type Machine } from '../../cli/bench/machine.js'
import { processorTimes, useBetween } from '../../cli/bench/processor-times.js'
import { ProgressLine } from '../../cli/bench/progress-line.js'
import { type Evidence, verdict } from '../../cli/bench/verdict.js'
import type { PollingStats } from '../../cli/broker-status.js'
import type { Finding } from '../../cli/findings.js'

const GIB = 1024 ** 3

const AT_REST: Machine = {
  system: 'Linux 6.1, x64',
  node: 'v20.1.0',
  processorModel: 'a processor',
  processors: 4,
  processorQuota: null,
  memoryBytes: 8 * GIB,
  memoryFreeBytes: 4 * GIB,
  memoryLimitBytes: null,
  loadAverage: 0.1,
  busyShare: 0.02,
  container: false,
  virtualMachine: false,
}

const POLLING: PollingStats = {
  busyPollUs: 'auto',
  polls: false,
  turns: 0,
  processors: 4,
  places: 3,
  placesTaken: 0,
  placesWanted: 0,
}

const CHECKS = [
  { name: 'rings', ok: true, detail: 'payloads of 16384 bytes or more go by shared memory' },
  { name: 'addon', ok: true, detail: 'loaded' },
  { name: 'open files', ok: true, detail: 'up to 20000' },
]

function latency(name: MeasurementName, p50Us: number): Result {
  const figure: Figure = { kind: 'latency', samples: 1000, p50Us, p99Us: 90.04, p999Us: 1234.5 }
  return { name, title: `the ${name}`, outcome: { status: 'measured', figure } }
}

function large(byRing: number, bySocket: number): Result {
  const figure: Figure = {
    kind: 'rate',
    messages: byRing + bySocket,
    payloadBytes: 1024 ** 2,
    perSecond: 1234.5,
    bytesPerSecond: 1234.5 * 1024 ** 2,
    byRing,
    bySocket,
  }
  return { name: 'large', title: 'the large', outcome: { status: 'measured', figure } }
}

function without(name: MeasurementName, outcome: Outcome): Result {
  return { name, title: `the ${name}`, outcome }
}

const RESULTS = [latency('floor-echo', 20), latency('latency', 30), latency('latency-low', 15), large(100, 0)]

function findings(evidence: Partial<Evidence> & { on?: Partial<Machine> } = {}): Map<string, Finding> {
  const { on = {}, ...rest } = evidence
  const all = verdict({
    machine: { ...AT_REST, ...on },
    checks: CHECKS,
    results: RESULTS,
    polling: POLLING,
    use: { busy: 0.5, stolen: 0 },
    ...rest,
  })
  return new Map(all.map((finding) => [finding.name, finding]))
}

test('on a machine at rest all is well', (t) => {
  const all = [...findings().values()]
  t.deepEqual(
    all.map(({ name }) => name),
    ['streams', 'addon', 'rings', 'latency', 'polling', 'processors', 'load', 'memory', 'open files', 'node'],
  )
  t.true(all.every(({ status, remedy }) => status === 'ok' && remedy === undefined))
  t.regex(findings().get('streams')!.detail, /^all 3,100 messages/)
  t.regex(findings().get('latency')!.detail, /^a message takes 1\.5 times as long as a bare socket/)
})

const WARNINGS: [what: string, name: string, evidence: Parameters<typeof findings>[0], detail: RegExp][] = [
  ['one processor', 'processors', { on: { processors: 1 } }, /^only one: /],
  ['a quota', 'processors', { on: { processors: 4, processorQuota: 0.5 } }, /leave 0\.5 of 4/],
  ['a busy moment', 'load', { on: { busyShare: 0.5 } }, /busy \(load average 0\.1, 50 % .*mean little/],
  ['a high load average', 'load', { on: { loadAverage: 3 } }, /busy \(load average 3\.0/],
  ['a host that is shared', 'host', { use: { busy: 0.5, stolen: 0.1 } }, /took 10 % of the processor time/],
  [
    'polling in vain',
    'polling',
    { results: [latency('latency', 30), latency('latency-low', 29)] },
    /takes 0\.97/,
  ],
  ['little free memory', 'memory', { on: { memoryFreeBytes: GIB / 4 } }, /^256\.0 MiB free; a ring/],
  ['a limit of memory', 'memory', { on: { memoryLimitBytes: GIB / 8 } }, /^control groups leave 128\.0 MiB/],
  ['an old Node', 'node', { on: { node: 'v18.20.0' } }, /^v18\.20\.0 is older/],
  ['payloads by socket', 'rings', { results: [large(90, 10)] }, /^10 of 100 payloads/],
  [
    'a slow broker',
    'latency',
    { results: [latency('floor-echo', 20), latency('latency', 200)] },
    /10\.0 times/,
  ],
]

for (const [what, name, evidence, detail] of WARNINGS) {
  test(`the verdict warns of ${what}, and says what to do`, (t) => {
    const finding = findings(evidence).get(name)!
    t.is(finding.status, 'warn')
    t.regex(finding.detail, detail)
    t.truthy(finding.remedy)
  })
}

test('what `diagnose` finds is a warning with its remedy, whatever was measured', (t) => {
  const checks = CHECKS.map(({ name }) => ({ name, ok: false, detail: `no ${name}`, remedy: `mend ${name}` }))
  const found = findings({ checks })
  for (const { name } of checks) {
    t.deepEqual(found.get(name), { name, status: 'warn', detail: `no ${name}`, remedy: `mend ${name}` })
  }
})

test('the verdict says who may poll, and whether that helps', (t) => {
  const [, normal, low] = RESULTS
  const detailOf = (evidence: Parameters<typeof findings>[0]) => findings(evidence).get('polling')?.detail
  t.is(
    detailOf({}),
    "with `latency: 'low'` a message takes 0.50 of the time; 3 places for event loops of clients",
  )
  t.is(
    detailOf({ results: [normal!] }),
    'the broker polls where it pays; 3 places for event loops of clients',
  )
  t.regex(
    detailOf({ results: [normal!], polling: { ...POLLING, busyPollUs: 0 } })!,
    /^the broker never polls; /,
  )
  t.is(detailOf({ polling: { ...POLLING, places: 0 } }), 'nobody polls: there is no processor for it')
  t.is(detailOf({ polling: undefined }), "with `latency: 'low'` a message takes 0.50 of the time")
  t.is(detailOf({ polling: undefined, results: [low!] }), undefined)
  const inVain = [normal!, latency('latency-low', 29)]
  t.regex(
    findings({ results: inVain, polling: { ...POLLING, busyPollUs: 0 } }).get('polling')!.remedy!,
    /without `--busy-poll 0`/,
  )
})

test('the verdict names container and virtual machine, and a quota that leaves all is none', (t) => {
  const found = findings({ on: { container: true, virtualMachine: true, processorQuota: 4 } })
  t.regex(found.get('surroundings')!.detail, /^a virtual machine, .*; a container: /)
  t.is(found.get('processors')!.status, 'ok')
})

test('a void measurement is a failure that is named, in tables and in JSON', (t) => {
  const results = [
    ...RESULTS,
    without('throughput', { status: 'void', fault: 'payload 3 came where 2 was expected' }),
    without('large-in-place', { status: 'skipped', reason: 'no rings' }),
  ]
  const found = [...findings({ results }).values()]
  t.like(found[0], { name: 'streams', status: 'fail' })
  const all: BenchFindings = { path: '/run/b.sock', machine: AT_REST, results, verdict: found }
  const text = benchReport(all)
  t.regex(
    text,
    /^ringbus \S+ with the broker that runs at \/run\/b\.sock\n4 × a processor, 8\.0 GiB, Node v20/,
  )
  t.regex(text, /^the floor-echo +20\.0 +90\.0 +1,230 +1\.0\nthe latency +30\.0 +90\.0 +1,230 +1\.5$/m)
  t.regex(text, /^the large +1,230 +1,230 +by ring$/m)
  t.regex(
    text,
    /^void: the throughput: payload 3 came where 2 was expected\nskipped: the large-in-place: no rings$/m,
  )
  t.regex(text, /^fail {2}streams: 1 measurement void.*the throughput: payload 3/m)
  const json = JSON.parse(benchJson(all, 10))
  t.like(json.measurements[0], { name: 'floor-echo', status: 'measured', verified: true, p50Us: 20 })
  t.like(json.measurements[4], {
    status: 'void',
    verified: false,
    fault: 'payload 3 came where 2 was expected',
  })
  t.deepEqual(json.measurements[5], {
    name: 'large-in-place',
    title: 'the large-in-place',
    status: 'skipped',
    reason: 'no rings',
  })
})

/** A root directory with these files. */
function rootWith(t: ExecutionContext, files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'ringbus-cgroups-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  return root
}

test('limits of control groups: the least of a group and those around it', (t) => {
  const root = rootWith(t, {
    'proc/self/cgroup': '0::/a.slice/b.service\n',
    'sys/fs/cgroup/cpu.max': 'max 100000\n',
    'sys/fs/cgroup/a.slice/cpu.max': '150000 100000\n',
    'sys/fs/cgroup/a.slice/memory.max': '1048576\n',
    'sys/fs/cgroup/a.slice/b.service/cpu.max': 'max 100000\n',
    'sys/fs/cgroup/a.slice/b.service/memory.max': '4194304\n',
  })
  t.deepEqual(cgroupLimits(root), { processors: 1.5, memoryBytes: 1_048_576 })
})

test('limits of control groups within a container, where the path is not there', (t) => {
  const root = rootWith(t, {
    'proc/self/cgroup': '0::/docker/0123\n',
    'sys/fs/cgroup/cpu.max': '50000 100000\n',
    'sys/fs/cgroup/memory.max': 'max\n',
  })
  t.deepEqual(cgroupLimits(root), { processors: 0.5, memoryBytes: undefined })
})

test('limits of control groups of version 1', (t) => {
  const root = rootWith(t, {
    'proc/self/cgroup': '4:memory:/x\n2:cpu,cpuacct:/x\n1:name=systemd:/x\n0::/\n',
    'sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us': '200000\n',
    'sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us': '100000\n',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    'sys/fs/cgroup/memory/x/memory.limit_in_bytes': '536870912\n',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
  })
  t.deepEqual(cgroupLimits(root), { processors: 2, memoryBytes: 536_870_912 })
})

test('without control groups nothing is limited', (t) => {
  t.deepEqual(cgroupLimits(rootWith(t, {})), { processors: undefined, memoryBytes: undefined })
})

test('processor time between two looks is busy, stolen or neither', (t) => {
  const root = rootWith(t, {
    before: 'cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n',
    after: 'cpu  130 0 110 840 10 0 0 10 7 0\n',
    other: 'no such line\n',
  })
  const before = processorTimes(join(root, 'before'))
  const after = processorTimes(join(root, 'after'))
  t.deepEqual(useBetween(before, after), { busy: 0.4, stolen: 0.1 })
  t.is(useBetween(before, before), undefined)
  t.is(processorTimes(join(root, 'other')), undefined)
  t.is(processorTimes(join(root, 'none')), undefined)
  t.is(useBetween(undefined, after), undefined)
})

test('this machine is described', async (t) => {
  const machine = await describeMachine()
  t.is(machine.node, process.version)
  t.true(machine.processors > 0)
  t.true(machine.memoryFreeBytes > 0)
  if (process.platform === 'linux') t.true(machine.busyShare! >= 0 && machine.busyShare! <= 1)
})

test('progress is shown where somebody watches, on one line', (t) => {
  for (const isTTY of [true, false, undefined]) {
    let written = ''
    const line = new ProgressLine({ isTTY, write: (text) => (written += text) })
    line.show('one')
    line.show('two')
    line.clear()
    t.is(written, isTTY ? '\r\x1b[Kone\r\x1b[Ktwo\r\x1b[K' : '')
  }
})
