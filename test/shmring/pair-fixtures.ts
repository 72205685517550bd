import { closeSync, writeSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import type { NativeHost, PairHandle } from '../../shmring/index.js'
import { temporaryDirectory } from './fixtures.js'
import { fetchPair } from './segment-sides.js'

/** Both ends of a pair in this process. */
export interface PairEnds {
  readonly broker: PairHandle
  readonly client: PairHandle
  /** The memory, as a file that can be written. */
  readonly file: number
}

/** A pair that has been sent and mapped; closed after the test. */
export async function pairFor(
  t: ExecutionContext,
  native: NativeHost,
  ringBytes = 65_536,
): Promise<PairEnds> {
  const broker = native.pairCreate(ringBytes)
  const fd = await fetchPair(native, temporaryDirectory(t), broker)
  const file = native.duplicate(fd)
  const client = native.pairMap(fd, ringBytes)
  t.teardown(() => {
    native.pairClose(broker)
    native.pairClose(client)
    closeSync(file)
  })
  return { broker, client, file }
}

/** Where SPEC.md has the words of a ring. [PAIR-4] */
export const PairWord = { HEAD: 0, TAIL: 64, ASLEEP: 128, FULL: 192 } as const

/** Stores a word of ring 0 or 1, as a process may that has the memory. */
export function storeWord(file: number, ring: 0 | 1, word: number, value: number): void {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  writeSync(file, bytes, 0, 4, 1024 * (1 + ring) + word)
}
