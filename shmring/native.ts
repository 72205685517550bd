// Every symbol of the native addon, and the only place that loads it. What the functions promise in C stands
// in include/ringbus_host.h. All of them are synchronous, none waits, and any thread may call them.
import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Linkers put the loader's name right behind the program headers, a few hundred bytes into the file; were it
 * further on, a musl host would take the glibc prebuild for its own. */
const EXECUTABLE_START_BYTES = 4096

/** What the addon throws when the kernel refuses; `code` is the kernel's name for it, such as `EACCES`. */
export interface NativeError extends Error {
  readonly code: string
  /** The kernel's number for it, negative. */
  readonly errno: number
  /** The system call that failed, or whose answer was refused. */
  readonly syscall: string
  /** Only from `lockAcquire`. */
  readonly path?: string
}

/** Who is at the other end of a socket, as the kernel recorded it when the connection was made. */
export interface PeerCredentials {
  /** 0 where the platform does not tell (macOS), and for a peer in another pid namespace. */
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

/** The addon's exports. An argument of the wrong type throws a TypeError, code `ERR_INVALID_ARG_VALUE`. */
export interface NativeHost {
  /**
   * Takes the lock at `path`, creating the file when it is missing. `fd` is the lock, or -1 when somebody
   * else holds it: then `holderPid` is the pid that the holder wrote, or 0. Callers want `acquireLock`.
   */
  lockAcquire(path: string): { readonly fd: number; readonly holderPid: number }
  /** Closes `fd`, and with it gives up the lock. The file stays. */
  lockRelease(fd: number): void
  /** Throws `ENOTCONN` for a socket without a peer on this host, TCP included. */
  peerCredentials(fd: number): PeerCredentials
  /** A second descriptor for the same open file or socket, close-on-exec; the caller closes it. */
  duplicate(fd: number): number
  /**
   * Hands bytes to a stream socket without waiting. Returns how many it took, fewer than given when it is
   * full, or -1 when nobody reads it any longer; what the peer had sent can be read on.
   */
  send(fd: number, bytes: Uint8Array): number
  /** Asks for room for bytes on their way to the peer; the kernel gives what an unprivileged process may have. */
  setSendBuffer(fd: number, bytes: number): void
  /** Whether this user's other processes may inspect this one. False: the platform has no such notion. */
  setDumpable(dumpable: boolean): boolean
}

/**
 * Why there is no addon: `disabled` by the environment, `missing` because it was never built for this
 * platform, or `broken` because the file that is there does not load (`cause` is the loader's own error).
 */
export class NativeLoadError extends Error {
  override readonly name = 'NativeLoadError'

  constructor(
    readonly reason: 'disabled' | 'missing' | 'broken',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

type LoadResult = { readonly host: NativeHost } | { readonly error: NativeLoadError }

let loaded: LoadResult | undefined

/** The addon, or undefined when it cannot be had; then `nativeLoadError` says why. Tried once a process. */
export function loadNative(): NativeHost | undefined {
  loaded ??= load()
  return 'host' in loaded ? loaded.host : undefined
}

/** Why `loadNative` gives undefined; undefined when the addon is loaded. */
export function nativeLoadError(): NativeLoadError | undefined {
  loaded ??= load()
  return 'error' in loaded ? loaded.error : undefined
}

function load(): LoadResult {
  if (process.env.RINGBUS_NO_ADDON === '1') {
    return { error: new NativeLoadError('disabled', 'The native addon is disabled by RINGBUS_NO_ADDON=1') }
  }
  const candidates = addonPaths()
  const present = candidates.filter((path) => existsSync(path))
  if (present.length === 0) {
    const message = `The native addon is not built: looked for ${candidates.join(' and ')}`
    return { error: new NativeLoadError('missing', message) }
  }
  return loadFirst(present)
}

/** A prebuilt file may be unfit for this host (an older libc, say) where one that was built here is not. */
function loadFirst(paths: readonly string[]): LoadResult {
  const require = createRequire(import.meta.url)
  const causes: unknown[] = []
  for (const path of paths) {
    try {
      return { host: require(path) as NativeHost }
    } catch (cause) {
      causes.push(cause)
    }
  }
  const message = `The native addon does not load: ${paths.join(' and ')}`
  const cause = causes.length === 1 ? causes[0] : new AggregateError(causes)
  return { error: new NativeLoadError('broken', message, { cause }) }
}

function addonPaths(): string[] {
  const root = packageRoot()
  const prebuilds = join(root, 'prebuilds')
  const local = join(root, 'shmring/build/Release/ringbus.node')
  return existsSync(prebuilds) ? [join(prebuilds, platformName(), 'ringbus.node'), local] : [local]
}

/** This module runs as <root>/dist/shmring/native.js, or from its source as <root>/shmring/native.ts. */
function packageRoot(): string {
  const parent = dirname(dirname(fileURLToPath(import.meta.url)))
  return basename(parent) === 'dist' ? dirname(parent) : parent
}

function platformName(): string {
  return `${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`
}

/**
 * By the loader that the running Node names at the start of its file. musl's accepts an addon made for glibc,
 * which then crashes at leisure: so it is asked before loading. (`process.report` would tell as well, but
 * may look up the host names of open connections first, and waits for the answers.)
 */
function isMusl(): boolean {
  if (process.platform !== 'linux') return false
  const start = Buffer.alloc(EXECUTABLE_START_BYTES)
  const fd = openSync(process.execPath, 'r')
  try {
    readSync(fd, start, 0, start.length, 0)
  } finally {
    closeSync(fd)
  }
  return start.includes('/ld-musl-')
}
