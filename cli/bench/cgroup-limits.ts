import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What the control groups of this process leave it: those of containers, services and users. */
export interface CgroupLimits {
  /** Processors' worth of time; undefined: no limit. */
  readonly processors: number | undefined
  readonly memoryBytes: number | undefined
}

/** How a limit is written that is none: version 1 knows only numbers, near the largest of 64 bits. */
const UNLIMITED_BYTES = 2 ** 60

/** Reads both versions of control groups; where there are none, nothing is limited. `root` is / but in tests. */
export function cgroupLimits(root = '/'): CgroupLimits {
  const groups = (textOf(join(root, 'proc/self/cgroup')) ?? '')
    .split('\n')
    .map((line) => /^\d+:(?<controllers>[^:]*):(?<path>\/.*)$/.exec(line)?.groups)
    .filter((group) => group !== undefined)
  const processors: number[] = []
  const memoryBytes: number[] = []
  for (const { controllers, path } of groups as { controllers: string; path: string }[]) {
    const names = controllers.split(',')
    for (const controller of controllers === '' ? ['', 'unified'] : [controllers, ...names]) {
      for (const folder of lineage(join(root, 'sys/fs/cgroup', controller), path)) {
        processors.push(...unifiedProcessors(folder), ...legacyProcessors(folder))
        memoryBytes.push(...limitIn(folder, 'memory.max'), ...limitIn(folder, 'memory.limit_in_bytes'))
      }
    }
  }
  return { processors: least(processors), memoryBytes: least(memoryBytes) }
}

/** A group and those around it, for the limits of all of them hold. Within a container the path may not be there. */
function lineage(mount: string, path: string): string[] {
  const folders: string[] = []
  for (let inner = path; inner !== '/'; inner = dirname(inner)) folders.push(join(mount, inner))
  return [...folders, mount]
}

function unifiedProcessors(folder: string): number[] {
  const [quota, period] = (textOf(join(folder, 'cpu.max')) ?? '').trim().split(' ').map(Number)
  return isPositive(quota) && isPositive(period) ? [quota / period] : []
}

function legacyProcessors(folder: string): number[] {
  const quota = Number(textOf(join(folder, 'cpu.cfs_quota_us')))
  const period = Number(textOf(join(folder, 'cpu.cfs_period_us')))
  return isPositive(quota) && isPositive(period) ? [quota / period] : []
}

function limitIn(folder: string, name: string): number[] {
  const bytes = Number(textOf(join(folder, name)))
  return isPositive(bytes) && bytes < UNLIMITED_BYTES ? [bytes] : []
}

function isPositive(value: number | undefined): value is number {
  return value !== undefined && value > 0
}

function least(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : Math.min(...values)
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
