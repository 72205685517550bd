import type { Check } from '../../client/index.js'
import type { PollingStats } from '../broker-status.js'
import type { Finding } from '../findings.js'
import { bytes, counted } from '../quantities.js'
import { latencyOf, type Result, rateOf } from './figures.js'
import type { Machine } from './machine.js'
import type { ProcessorUse } from './processor-times.js'

/** All that a verdict rests on. */
export interface Evidence {
  readonly machine: Machine
  /** What `diagnose` says of the broker that was measured. */
  readonly checks: readonly Check[]
  readonly results: readonly Result[]
  /** Undefined when the broker does not permit to ask. */
  readonly polling: PollingStats | undefined
  /** While it was measured; undefined where the system does not say. */
  readonly use: ProcessorUse | undefined
}

/** Publisher, broker and subscriber. */
const PROCESSES_OF_A_MESSAGE = 3

/** More in use before anything was measured, and figures show the others as well. */
const BUSY_SHARE_MAX = 0.2
const LOAD_PER_PROCESSOR_MAX = 0.5

/** Taken by other guests of the host: one part in so many shows in the slowest of a hundred messages at once. */
const STOLEN_SHARE_MAX = 0.02

/** A broker, and a few clients with a ring of 64 MiB each. */
const MEMORY_BYTES_WANTED = 512 * 1024 * 1024

/** A client and a broker have more to do than an echo. Beyond this, processes wait for something else as well. */
const FLOORS_MAX = 4

/** Of the time that messages take by default: polling that saves less than this is not worth its processor time. */
const POLLED_SHARE_MAX = 0.8

const NODE_MAJOR_MIN = 20

/** What the figures are worth on this machine, and what stands in their way. */
export function verdict(evidence: Evidence): Finding[] {
  return [
    streams(evidence),
    addon(evidence),
    rings(evidence),
    latency(evidence),
    polling(evidence),
    processors(evidence),
    load(evidence),
    stolen(evidence),
    memory(evidence),
    openFiles(evidence),
    node(evidence),
    surroundings(evidence),
  ].filter((finding) => finding !== undefined)
}

function streams({ results }: Evidence): Finding {
  const name = 'streams'
  const faults = results.flatMap(({ title, outcome }) =>
    outcome.status === 'void' ? [`${title}: ${outcome.fault}`] : [],
  )
  if (faults.length > 0) {
    const detail = `${counted(faults.length, 'measurement')} void, for not everything arrived as it was sent: ${faults.join('; ')}`
    return { name, status: 'fail', detail, remedy: 'Run it again; if it happens again, please report it' }
  }
  const samples = results.map(({ outcome }) => {
    if (outcome.status !== 'measured') return 0
    return outcome.figure.kind === 'rate' ? outcome.figure.messages : outcome.figure.samples
  })
  const all = samples.reduce((sum, count) => sum + count, 0)
  const detail = `all ${all.toLocaleString('en-GB')} messages of the figures arrived, in order and whole`
  return { name, status: 'ok', detail }
}

function addon({ checks }: Evidence): Finding | undefined {
  return fromCheck(checks, 'addon')
}

/** What counts is the way that payloads took; without a figure of that, what the broker offers. */
function rings({ checks, results }: Evidence): Finding | undefined {
  const name = 'rings'
  const counts = (['large', 'large-in-place'] as const)
    .map((measurement) => rateOf(results, measurement))
    .filter((figure) => figure !== undefined && figure.byRing !== null)
  const check = fromCheck(checks, name)
  if (counts.length === 0 || check?.status !== 'ok') return check
  const byRing = counts.reduce((sum, figure) => sum + figure!.byRing!, 0)
  const bySocket = counts.reduce((sum, figure) => sum + figure!.bySocket!, 0)
  if (bySocket === 0) {
    return { name, status: 'ok', detail: `all ${byRing} payloads of 1 MiB went by shared memory` }
  }
  return {
    name,
    status: 'warn',
    detail: `${bySocket} of ${byRing + bySocket} payloads of 1 MiB went by socket`,
    remedy: 'See the limits that begin with `ring` in docs/LIMITS.md, and `ringbus status`',
  }
}

function latency({ results }: Evidence): Finding | undefined {
  const floor = latencyOf(results, 'floor-echo')
  const own = latencyOf(results, 'latency')
  if (floor === undefined || own === undefined) return undefined
  const floors = own.p50Us / floor.p50Us
  const detail = `a message takes ${floors.toFixed(1)} times as long as a bare socket there and back, which wakes as many processes`
  if (floors <= FLOORS_MAX) return { name: 'latency', status: 'ok', detail }
  const remedy = 'Mend what is found below, and run it again when nothing else runs'
  return { name: 'latency', status: 'warn', detail, remedy }
}

/** Whether polling makes messages faster here, and for how many programs it can. */
function polling({ results, polling: stats }: Evidence): Finding | undefined {
  const name = 'polling'
  if (stats !== undefined && stats.places === 0) {
    return { name, status: 'ok', detail: 'nobody polls: there is no processor for it' }
  }
  const free = stats === undefined ? '' : `; ${counted(stats.places, 'place')} for event loops of clients`
  const normal = latencyOf(results, 'latency')
  const low = latencyOf(results, 'latency-low')
  if (normal === undefined || low === undefined) {
    return stats === undefined ? undefined : { name, status: 'ok', detail: `${brokerPolls(stats)}${free}` }
  }
  const share = low.p50Us / normal.p50Us
  const detail = `with \`latency: 'low'\` a message takes ${share.toFixed(2)} of the time${free}`
  if (share <= POLLED_SHARE_MAX) return { name, status: 'ok', detail }
  const remedy =
    stats?.busyPollUs === 0
      ? 'Let the broker poll as well: start it without `--busy-poll 0`'
      : 'Leave it out here: it pays where processors have nothing else to do'
  return { name, status: 'warn', detail, remedy }
}

function brokerPolls({ busyPollUs }: PollingStats): string {
  return busyPollUs === 0 ? 'the broker never polls' : 'the broker polls where it pays'
}

function processors({ machine }: Evidence): Finding {
  const name = 'processors'
  const { processors: count, processorQuota: quota } = machine
  if (quota !== null && quota < count) {
    return {
      name,
      status: 'warn',
      detail: `control groups leave ${Number(quota.toFixed(2))} of ${count}; who has used that up stands still for the rest of each period, up to 100 ms`,
      remedy: 'Raise the limit of the container (`--cpus`, `limits.cpu`), or CPUQuota= of the unit',
    }
  }
  if (count === 1) {
    return {
      name,
      status: 'warn',
      detail:
        'only one: publisher, broker and subscriber take turns on it, and none can wait for the next message without a sleep',
      remedy: 'Give it two or more',
    }
  }
  const isFew = count < PROCESSES_OF_A_MESSAGE
  const detail = isFew ? `${count}, which publisher, broker and subscriber share` : `${count}`
  return { name, status: 'ok', detail }
}

function load({ machine }: Evidence): Finding {
  const name = 'load'
  const { loadAverage, busyShare, processors: count } = machine
  const inUse = busyShare === null ? '' : `, ${percent(busyShare)} of the processor time in use`
  const state = `load average ${loadAverage.toFixed(1)}${inUse} before the run`
  const isBusy = (busyShare ?? 0) > BUSY_SHARE_MAX || loadAverage / count > LOAD_PER_PROCESSOR_MAX
  if (!isBusy) return { name, status: 'ok', detail: state }
  return {
    name,
    status: 'warn',
    detail: `the machine is busy (${state}): the figures mean little`,
    remedy: 'Run it again when nothing else runs',
  }
}

/** Worth a line only where it happens. */
function stolen({ use }: Evidence): Finding | undefined {
  if (use === undefined || use.stolen <= STOLEN_SHARE_MAX) return undefined
  return {
    name: 'host',
    status: 'warn',
    detail: `other guests of the host took ${percent(use.stolen)} of the processor time during the run`,
    remedy: 'Run it again at another time; only processors that are not shared give the same figures twice',
  }
}

function memory({ machine }: Evidence): Finding {
  const name = 'memory'
  const { memoryFreeBytes: free, memoryLimitBytes: limit } = machine
  const isLimited = limit !== null && limit < free
  const detail = isLimited ? `control groups leave ${bytes(limit)}` : `${bytes(free)} free`
  if (Math.min(free, limit ?? free) >= MEMORY_BYTES_WANTED) return { name, status: 'ok', detail }
  return {
    name,
    status: 'warn',
    detail: `${detail}; a ring may take 64 MiB, and each client that publishes large payloads has one`,
    remedy: 'Give it more, or make rings smaller: `ringbus broker --limit ringBytes=…`',
  }
}

function openFiles({ checks }: Evidence): Finding | undefined {
  return fromCheck(checks, 'open files')
}

function node({ machine }: Evidence): Finding {
  const isOld = Number(/^v(\d+)/.exec(machine.node)?.[1]) < NODE_MAJOR_MIN
  if (!isOld) return { name: 'node', status: 'ok', detail: machine.node }
  const detail = `${machine.node} is older than ringbus is made for`
  return { name: 'node', status: 'warn', detail, remedy: `Install Node ${NODE_MAJOR_MIN} or newer` }
}

function surroundings({ machine }: Evidence): Finding | undefined {
  const parts = [
    ...(machine.virtualMachine ? ['a virtual machine, where to wake a process takes longer'] : []),
    ...(machine.container
      ? ['a container: clients in others need the directory of the socket, and nothing else']
      : []),
  ]
  return parts.length === 0 ? undefined : { name: 'surroundings', status: 'ok', detail: parts.join('; ') }
}

/** All of these are dispensable: what fails there makes ringbus slower, or smaller. */
function fromCheck(checks: readonly Check[], name: string): Finding | undefined {
  const check = checks.find((candidate) => candidate.name === name)
  if (check === undefined) return undefined
  const { detail, remedy } = check
  return { name, status: check.ok ? 'ok' : 'warn', detail, remedy }
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
