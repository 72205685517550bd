import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** What a process has of segments and pairs: their memory is the system's again once no process has any. */
export interface RingMemory {
  /** Of segments. */
  readonly descriptors: number
  readonly maps: number
  /** Maps and descriptors of pairs. */
  readonly pairs: number
}

/** The names that the kernel shows. */
const SEGMENT_FILE = /memfd:ringbus-segment/
const PAIR_FILE = /memfd:ringbus-pair/

/** What this process has. A broker tells nobody else. */
export function ownRingMemory(): RingMemory {
  const files = readdirSync('/proc/self/fd').map(targetOf)
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n')
  const count = (lines: readonly string[], file: RegExp) => lines.filter((line) => file.test(line)).length
  return {
    descriptors: count(files, SEGMENT_FILE),
    maps: count(maps, SEGMENT_FILE),
    pairs: count([...files, ...maps], PAIR_FILE),
  }
}

/** Empty for the one by which the directory itself was read. */
function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}
