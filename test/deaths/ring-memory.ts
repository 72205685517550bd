import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** What a process has of segments: their memory is the system's again once no process has any. */
export interface RingMemory {
  readonly descriptors: number
  readonly maps: number
}

export const NO_RING_MEMORY: RingMemory = { descriptors: 0, maps: 0 }

/** The name that the kernel shows for segments. */
const SEGMENT_FILE = /memfd:ringbus/

/** What this process has. A broker tells nobody else. */
export function ownRingMemory(): RingMemory {
  const descriptors = readdirSync('/proc/self/fd').filter((fd) => SEGMENT_FILE.test(targetOf(fd)))
  const maps = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => SEGMENT_FILE.test(line))
  return { descriptors: descriptors.length, maps: maps.length }
}

/** Empty for the one by which the directory itself was read. */
function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}
