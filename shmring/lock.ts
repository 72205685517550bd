import type { NativeHost } from './native.js'

/** A lock that this process has taken. It ends with `release` or with the process, whatever kills it. */
export interface HeldLock {
  readonly held: true
  /** Gives the lock up; more calls do nothing. The file stays where it is. */
  release(): void
}

/** Somebody else holds the lock: another process, or an earlier acquisition in this one. */
export interface LockHeldElsewhere {
  readonly held: false
  /** For messages to people only: it may be outdated, and counts in the holder's own pid namespace. */
  readonly holderPid: number | undefined
}

/**
 * Takes the lock at `path` or says who has it; never waits. Throws a `NativeError` when the file cannot be
 * opened or is not a regular file of a single name. The caller vouches for the directory.
 */
export function acquireLock(native: NativeHost, path: string): HeldLock | LockHeldElsewhere {
  const { fd, holderPid } = native.lockAcquire(path)
  if (fd < 0) return { held: false, holderPid: holderPid === 0 ? undefined : holderPid }
  let released = false
  return {
    held: true,
    release() {
      // By a second call the number may belong to another file.
      if (released) return
      released = true
      native.lockRelease(fd)
    },
  }
}
