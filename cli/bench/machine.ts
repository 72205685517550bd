import { existsSync, readFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, freemem, loadavg, release, totalmem, type } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { cgroupLimits } from './cgroup-limits.js'
import { processorTimes, useBetween } from './processor-times.js'

/** Where the figures come from, as far as it matters for them. Read before anything is started. */
export interface Machine {
  readonly system: string
  readonly node: string
  readonly processorModel: string
  /** Processors that this process may use. */
  readonly processors: number
  /** Processors' worth of time that control groups leave it; null: no limit. */
  readonly processorQuota: number | null
  readonly memoryBytes: number
  readonly memoryFreeBytes: number
  /** What control groups leave it; null: no limit. */
  readonly memoryLimitBytes: number | null
  /** Processes that ran or wanted to, over the last minute; and the share of processor time in use right now. */
  readonly loadAverage: number
  readonly busyShare: number | null
  readonly container: boolean
  readonly virtualMachine: boolean
}

/** Ticks of /proc/stat are 10 ms: enough of them to tell a machine at rest from a busy one. */
const LOOK_MS = 300

export async function describeMachine(): Promise<Machine> {
  const before = processorTimes()
  await sleep(LOOK_MS)
  const busyShare = useBetween(before, processorTimes())?.busy ?? null
  const limits = cgroupLimits()
  return {
    system: `${type()} ${release()}, ${arch()}`,
    node: process.version,
    processorModel: cpus()[0]?.model.trim() ?? 'unknown',
    processors: availableParallelism(),
    processorQuota: limits.processors ?? null,
    memoryBytes: totalmem(),
    memoryFreeBytes: freemem(),
    memoryLimitBytes: limits.memoryBytes ?? null,
    loadAverage: loadavg()[0]!,
    busyShare,
    container: isContainer(),
    virtualMachine: /^flags\s*:.*\bhypervisor\b/m.test(textOf('/proc/cpuinfo')),
  }
}

/** By the marks that Docker, Podman, systemd's containers and Kubernetes leave. */
function isContainer(): boolean {
  if (process.env['container'] !== undefined || process.env['KUBERNETES_SERVICE_HOST'] !== undefined)
    return true
  return existsSync('/.dockerenv') || existsSync('/run/.containerenv')
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
