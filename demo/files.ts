import { type BigIntStats, constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/** Says the same for two looks at a file as long as nobody wrote to it or put another one in its place. */
export function versionOf(stats: BigIntStats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(':')
}

/**
 * Opens a regular file for reading. Whatever took its place since it was found is refused: a link is not
 * followed, and a pipe, whose opening would wait for a writer, is opened without waiting and let go.
 */
export async function openRegularFile(path: Buffer): Promise<FileHandle> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) throw new Error(`${printable(path)} is no regular file any more`)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** A path, or what a system says about one, on one line, whatever its name holds. */
export function printable(path: Buffer | string): string {
  const text = path.toString('utf8')
  return /[\p{Cc}\p{Cf}\ufffd]/u.test(text) ? JSON.stringify(text) : text
}
