import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** Where the kernel keeps account of what every thread has run. */
export const isProcessorTimeKnown = existsSync('/proc/self/schedstat')

/** Behind the name of the program, which may have blanks and parentheses in it: fields of `stat` from the third on. */
const USER_TICKS_FIELD = 14 - 3
const SYSTEM_TICKS_FIELD = 15 - 3

/** Nanoseconds that the threads of a process, those that live, have run so far. */
export function processorNs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => sum + threadNs(pid, thread), 0)
}

/** Clock ticks that a process has been charged with so far, in the program and in the kernel. */
export function processorTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[USER_TICKS_FIELD]) + Number(fields[SYSTEM_TICKS_FIELD])
}

/** What groups of processes run from here on, read from outside, without their help. */
export class ProcessorWatch<Group extends string> {
  readonly #pids: Readonly<Record<Group, readonly number[]>>
  readonly #before: Readonly<Record<Group, number>>

  constructor(pids: Readonly<Record<Group, readonly number[]>>) {
    this.#pids = pids
    this.#before = this.#read()
  }

  /** Nanoseconds of each group since then. */
  spentNs(): Record<Group, number> {
    const after = this.#read()
    for (const group of Object.keys(after) as Group[]) after[group] -= this.#before[group]
    return after
  }

  #read(): Record<Group, number> {
    const groups = Object.entries(this.#pids) as [Group, readonly number[]][]
    const sums = groups.map(([group, pids]) => [group, pids.reduce((sum, pid) => sum + processorNs(pid), 0)])
    return Object.fromEntries(sums) as Record<Group, number>
  }
}

function threadNs(pid: number, thread: string): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ', 1)[0])
  } catch (error) {
    // It has ended since the folder was read.
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return 0
    throw error
  }
}
