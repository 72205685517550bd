import { readFileSync } from 'node:fs'
import { MIB } from './sizes.js'

/** The shared memory that the kernel accounts for in all of the system, memfds included, in bytes. */
export function systemSharedBytes(): number {
  return kibibytes('/proc/meminfo', 'Shmem')
}

/** The shared memory that a process has mapped and touched, in bytes. Processes that share a page each count it. */
export function processSharedBytes(pid: number): number {
  return kibibytes(`/proc/${pid}/status`, 'RssShmem')
}

/** How often memory is looked at. */
const WATCH_INTERVAL_MS = 100

/** What a process had resident, in MiB. */
export interface Residence {
  readonly peak: number
  readonly firstHalf: number
  readonly secondHalf: number
}

/** Looks at the resident memory of processes from outside, without their help, until `end`. */
export class ResidenceWatch {
  readonly #samples: { readonly pid: number; readonly mebibytes: number[] }[]
  readonly #timer: NodeJS.Timeout

  constructor(pids: readonly number[]) {
    this.#samples = pids.map((pid) => ({ pid, mebibytes: [] }))
    this.#look()
    this.#timer = setInterval(() => this.#look(), WATCH_INTERVAL_MS)
  }

  /** Looks for the last time. */
  end(): void {
    clearInterval(this.#timer)
    this.#look()
  }

  /** Of each process in turn: what it had at most, over all of the time and in each half of it. */
  get residences(): Residence[] {
    return this.#samples.map(({ mebibytes }) => {
      const middle = mebibytes.length >>> 1
      return {
        peak: Math.max(...mebibytes),
        firstHalf: Math.max(...mebibytes.slice(0, middle)),
        secondHalf: Math.max(...mebibytes.slice(middle)),
      }
    })
  }

  #look(): void {
    for (const { pid, mebibytes } of this.#samples) {
      mebibytes.push(kibibytes(`/proc/${pid}/status`, 'VmRSS') / MIB)
    }
  }
}

function kibibytes(path: string, field: string): number {
  const value = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(path, 'utf8'))?.[1]
  if (value === undefined) throw new Error(`${path} has no field ${field}`)
  return Number(value) * 1024
}
