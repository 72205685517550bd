import type { BigIntStats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { versionOf } from './files.js'
import type { FileOutcome, SkippedOutcome, SkipReason } from './topics.js'

/** A regular file, not yet read. */
export interface FoundFile {
  readonly kind: 'found'
  readonly path: Buffer
  readonly bytes: number
  readonly version: string
}

const SLASH = Buffer.from('/')

/** A directory or file to look at, and the file system that its root lies on. */
interface Place {
  readonly path: Buffer
  readonly device: bigint | undefined
}

/**
 * Everything below the roots, the roots included: files to read, things that are passed over, and what cannot
 * be looked at. Stays on each root's own file system, as the ones mounted in it may be endless (/proc).
 */
export async function* findFiles(
  roots: readonly Buffer[],
): AsyncGenerator<FoundFile | SkippedOutcome | FileOutcome> {
  const places: Place[] = roots.map((path) => ({ path, device: undefined })).reverse()
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const { path } = place
    let version = ''
    let kind: 'file' | 'directory' = 'file'
    try {
      const stats = await lstat(path, { bigint: true })
      version = versionOf(stats)
      if (stats.isDirectory() && isSameFileSystem(stats, place)) {
        kind = 'directory'
        const names = await readdir(path, { encoding: 'buffer' })
        places.push(...names.map((name) => ({ path: join(path, name), device: stats.dev })).reverse())
        continue
      }
      const reason = reasonToSkip(stats)
      if (reason !== undefined) yield { kind: 'skipped', path, reason }
      else yield { kind: 'found', path, bytes: Number(stats.size), version }
    } catch (error) {
      yield { kind, path, version, fault: String(error), bytes: 0, retries: 0 }
    }
  }
}

function reasonToSkip(stats: BigIntStats): SkipReason | undefined {
  if (stats.isFile()) return undefined
  if (stats.isSymbolicLink()) return 'symbolic link'
  return stats.isDirectory() ? 'other file system' : 'special file'
}

/** Only directories are asked: the files of an overlay report the layer that they come from. */
function isSameFileSystem(stats: BigIntStats, place: Place): boolean {
  return place.device === undefined || stats.dev === place.device
}

function join(directory: Buffer, name: Buffer): Buffer {
  const endsWithSlash = directory.at(-1) === SLASH[0]
  return Buffer.concat(endsWithSlash ? [directory, name] : [directory, SLASH, name])
}
