import { createHash } from 'node:crypto'
import { lstat } from 'node:fs/promises'
import { openRegularFile, versionOf } from './files.js'
import { mapConcurrently } from './map-concurrently.js'
import type { FileOutcome } from './topics.js'

/**
 * - agrees: the digest that came over the bus is that of the file.
 * - differs: it is not, and the file is what it was. This must never happen.
 * - changed: somebody wrote to the file, or removed it, while the demo ran; there is nothing to compare with.
 * - unreadable: neither the bus nor this process could read it.
 */
export type Verdict = 'agrees' | 'differs' | 'changed' | 'unreadable'

export interface Finding {
  readonly path: Buffer
  readonly verdict: Verdict
  readonly reason: string
}

/** What a file says when it is read without the bus. */
interface Direct {
  readonly version: string
  readonly digest?: string
  readonly fault?: string
}

const READ_BYTES = 256 * 1024

/** As many as Node has threads for reading files, by default. */
const FILES_AT_A_TIME = 4

/** Compares each digest with one computed here, straight from the disk. */
export function verifyAll(
  outcomes: Iterable<FileOutcome>,
  signal: AbortSignal,
): AsyncGenerator<Finding, void, undefined> {
  return mapConcurrently(outcomes, FILES_AT_A_TIME, async (outcome) => {
    signal.throwIfAborted()
    return verify(outcome)
  })
}

async function verify(outcome: FileOutcome): Promise<Finding> {
  const { path, kind, version, digest, fault = '' } = outcome
  if (kind === 'directory') return { path, verdict: 'unreadable', reason: fault }
  const direct = await readDirectly(path)
  if (digest === undefined && direct.digest === undefined)
    return { path, verdict: 'unreadable', reason: fault }
  if (digest === direct.digest) return { path, verdict: 'agrees', reason: '' }
  if (version !== direct.version) {
    const reason = direct.fault ?? 'written to or replaced while the demo ran'
    return { path, verdict: 'changed', reason }
  }
  const overBus = digest ?? fault
  return {
    path,
    verdict: 'differs',
    reason: `${overBus} over the bus, ${direct.digest ?? direct.fault} directly`,
  }
}

async function readDirectly(path: Buffer): Promise<Direct> {
  try {
    const file = await openRegularFile(path)
    try {
      const hash = createHash('sha256')
      const buffer = Buffer.allocUnsafe(READ_BYTES)
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, READ_BYTES)
        if (bytesRead === 0) break
        hash.update(buffer.subarray(0, bytesRead))
      }
      // After reading, so that whatever was written before or meanwhile shows.
      return { version: versionOf(await file.stat({ bigint: true })), digest: hash.digest('hex') }
    } finally {
      await file.close()
    }
  } catch (error) {
    return { version: await versionIfThere(path), fault: String(error) }
  }
}

async function versionIfThere(path: Buffer): Promise<string> {
  try {
    return versionOf(await lstat(path, { bigint: true }))
  } catch {
    return ''
  }
}
