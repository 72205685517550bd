import { readFileSync } from 'node:fs'

/** What the processors of this machine have done since it started, in ticks; undefined where it does not say. */
export interface ProcessorTimes {
  readonly busy: number
  /** Taken by other guests of a virtual machine's host. */
  readonly stolen: number
  readonly all: number
}

/** Shares of the time between two looks. */
export interface ProcessorUse {
  readonly busy: number
  readonly stolen: number
}

/** Columns of the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal. */
const COLUMNS = 8
const IDLE = 3
const WAITING = 4
const STOLEN = 7

export function processorTimes(statPath = '/proc/stat'): ProcessorTimes | undefined {
  let text: string
  try {
    text = readFileSync(statPath, 'utf8')
  } catch {
    return undefined
  }
  const columns = /^cpu +(.*)$/m.exec(text)?.[1]?.split(' ').slice(0, COLUMNS).map(Number)
  if (columns === undefined || columns.length < COLUMNS) return undefined
  const all = columns.reduce((sum, ticks) => sum + ticks, 0)
  const stolen = columns[STOLEN]!
  return { all, stolen, busy: all - columns[IDLE]! - columns[WAITING]! - stolen }
}

/** Undefined when no time has passed, or nothing is known. */
export function useBetween(
  before: ProcessorTimes | undefined,
  after: ProcessorTimes | undefined,
): ProcessorUse | undefined {
  if (before === undefined || after === undefined || after.all <= before.all) return undefined
  const ticks = after.all - before.all
  return { busy: (after.busy - before.busy) / ticks, stolen: (after.stolen - before.stolen) / ticks }
}
