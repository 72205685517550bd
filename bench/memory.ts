import { readFileSync } from 'node:fs'

/** The shared memory that the kernel accounts for in all of the system, memfds included, in bytes. */
export function systemSharedBytes(): number {
  return kibibytes('/proc/meminfo', 'Shmem')
}

/** The shared memory that a process has mapped and touched, in bytes. Processes that share a page each count it. */
export function processSharedBytes(pid: number): number {
  return kibibytes(`/proc/${pid}/status`, 'RssShmem')
}

function kibibytes(path: string, field: string): number {
  const value = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(path, 'utf8'))?.[1]
  if (value === undefined) throw new Error(`${path} has no field ${field}`)
  return Number(value) * 1024
}
