// Every symbol of the native addon, and the only place that loads it. What the functions promise in C stands
// in include/. All but `attach` are synchronous, none waits, and any thread may call them.
import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
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
  /** Only from `lockAcquire` and `attach`. */
  readonly path?: string
}

/** Who is at the other end of a socket, as the kernel recorded it when the connection was made. */
export interface PeerCredentials {
  /** 0 where the platform does not tell (macOS), and for a peer in another pid namespace. */
  readonly pid: number
  readonly uid: number
  readonly gid: number
}

declare const handleOf: unique symbol

/** The broker's side of a segment. Freed with the object, if not closed before. */
export interface SegmentHandle {
  readonly [handleOf]: 'segment'
}

/** The owner's side of a segment: its map, the ring's head, and the memory reserved so far. */
export interface RingHandle {
  readonly [handleOf]: 'ring'
}

/** A reader's map of a segment's data area. */
export interface ReaderHandle {
  readonly [handleOf]: 'reader'
}

/** One end of a pair of byte rings. */
export interface PairHandle {
  readonly [handleOf]: 'pair'
}

/** What `ringClaim` returns. */
export const RingClaim = {
  OK: 0,
  /** Not enough is free; `claim[3]` granules would do. */
  WAIT: 1,
  /** The ring never holds that many bytes. */
  TOO_LARGE: 2,
} as const

/**
 * The addon's exports. An argument of the wrong type, a handle of another kind or one that is closed throws a
 * TypeError, code `ERR_INVALID_ARG_VALUE`; a number out of bounds a RangeError, code `ERR_OUT_OF_RANGE`. A
 * handle belongs to the thread that made it. Closing one again does nothing.
 */
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

  /**
   * Broker: an empty ring in memory of its own, of which only the control area is allocated yet. `dataBytes` is a
   * multiple of 64 KiB, at most 1 GiB. Throws `ENOTSUP` outside Linux.
   */
  segmentCreate(dataBytes: number): SegmentHandle
  /**
   * Refuses all later writing but by the owner's map, reads back that it does, and only then makes a read-only
   * descriptor. When it throws, nobody may be given the segment.
   */
  segmentSeal(segment: SegmentHandle): void
  /**
   * Hands bytes, at least one, to a stream socket without waiting, and on the first of them a descriptor of the
   * segment: a writable one, to be had before the seal, or a read-only one, after it (otherwise `EPERM`). Returns
   * how many bytes it took; 0 when it is full, and the descriptor was not sent either; -1 when nobody reads.
   */
  segmentSend(socketFd: number, bytes: Uint8Array, segment: SegmentHandle, writable: boolean): number
  /** Gives granules back to the owner. True: it waits, it has enough now, and is to be sent SPACE. */
  segmentPost(segment: SegmentHandle, granules: number): boolean
  /** Whether the owner waits for granules. A hint, which it may have made up. */
  segmentWanted(segment: SegmentHandle): boolean
  /** Fills `target` from byte `offset` of the data area. What the owner has never reserved reads as zeros. */
  segmentRead(segment: SegmentHandle, offset: number, target: Uint8Array): void
  /** Bytes of memory that the data area occupies. */
  segmentReservedBytes(segment: SegmentHandle): number
  segmentClose(segment: SegmentHandle): void

  /**
   * Connects to the socket at `path`, sends the request, and receives one frame, or what there is until the
   * stream ends, on a thread of libuv's pool; the process cannot end before that. `fd` is the descriptor that
   * came, which the caller closes or maps, or -1. Rejects with a NativeError: `ETIMEDOUT`, `EMFILE` when this
   * process had no number left for the descriptor, `EPROTO` for more than one, or whatever `connect` says.
   */
  attach(
    path: string,
    request: Uint8Array,
    timeoutMs: number,
  ): Promise<{ readonly fd: number; readonly reply: Buffer }>
  closeDescriptor(fd: number): void

  /**
   * Owner: maps a segment whose size the broker has told. Takes `fd` over, also when it throws: `EPERM` for one
   * whose size is not sealed, `EBADMSG` for another size or layout.
   */
  ringMap(fd: number, dataBytes: number): RingHandle
  /**
   * Claims memory for one record, and makes sure that it is allocated. Returns one of `RingClaim`. With OK,
   * `claim` has the position in granules, the granules of padding before it, and 1 if the ring restarted or 0;
   * with WAIT, `claim[3]` is what to give `ringWait`. Throws `ENOMEM` when the memory is not to be had within the
   * limits of this process's control group; the ring is then as it was.
   */
  ringClaim(ring: RingHandle, byteLength: number, claim: Float64Array): number
  /** Tells the broker what this owner waits for. True: so much is free by now; claim again, do not wait. */
  ringWait(ring: RingHandle, need: number): boolean
  /** Copies bytes to a claimed position. Throws a RangeError unless they lie in one piece of what was claimed. */
  ringWrite(ring: RingHandle, position: number, bytes: Uint8Array): void
  /** The memory of a claim itself, writable; undefined where the runtime forbids such buffers. */
  ringLoan(ring: RingHandle, position: number, byteLength: number): ArrayBuffer | undefined
  /** Takes a loan back by detaching it. False: it was transferred elsewhere, where it can still be written to. */
  ringEndLoan(ring: RingHandle, buffer: ArrayBuffer): boolean
  /** Nothing can be claimed any more. The memory is unmapped once the last loan's buffer is finalised. */
  ringClose(ring: RingHandle): void

  /** Reader: maps the data area. Takes `fd` over, and throws, as `ringMap` does. */
  readerMap(fd: number, dataBytes: number): ReaderHandle
  /** Fills `target` from byte `offset` of the data area. */
  readerCopy(reader: ReaderHandle, offset: number, target: Uint8Array): void
  /**
   * A copy of `byteLength` bytes from byte `offset`, in memory that is used for another one once this buffer is
   * collected; undefined where the runtime forbids such buffers, or there is no memory.
   */
  readerTake(reader: ReaderHandle, offset: number, byteLength: number): ArrayBuffer | undefined
  /** Gives memory back to the system that is kept for such copies, of all threads. */
  blocksTrim(): void
  /**
   * A view of the data area; undefined where the runtime forbids such buffers. To write to it is a fault that
   * ends the process. `cookie`, an integer from 0, names it; no two views in use have the same.
   */
  readerView(
    reader: ReaderHandle,
    offset: number,
    byteLength: number,
    cookie: number,
  ): ArrayBuffer | undefined
  /**
   * Ends a view by detaching its buffer. True: it was whole, and nobody can read through it any more. False: it
   * was transferred elsewhere, or refuses; once it is finalised `readerReturned` tells its cookie.
   */
  readerRelease(reader: ReaderHandle, cookie: number, buffer: ArrayBuffer): boolean
  /** Cookies of views that were finalised without having been released, each once. */
  readerReturned(reader: ReaderHandle): number[]
  /** The memory is unmapped once the last view's buffer is finalised. */
  readerClose(reader: ReaderHandle): void

  /**
   * Broker: a pair of byte rings with all of its memory. `ringBytes`, of each ring, is a power of two from 64 KiB to
   * 4 MiB. Throws `ENOMEM` near a memory limit, `ENOTSUP` outside Linux.
   */
  pairCreate(ringBytes: number): PairHandle
  /** Hands bytes to a stream socket with the descriptor of the pair, once; otherwise as `segmentSend`. */
  pairSend(socketFd: number, bytes: Uint8Array, pair: PairHandle): number
  /** Client: maps a pair. Takes `fd` over, and throws, as `ringMap` does. */
  pairMap(fd: number, ringBytes: number): PairHandle
  /**
   * Writes as much as there is room for, and returns how many bytes that is, or the complement of it (`~n`) when the
   * other end rests and must be rung, by a byte on the socket. If it is not all, the other end will ring once there
   * is more room. Throws `EBADMSG` when the pair is spoilt.
   */
  pairWrite(pair: PairHandle, bytes: Uint8Array): number
  /** Reads what there is into `target`; answers as `pairWrite`. */
  pairRead(pair: PairHandle, target: Uint8Array): number
  /** From now on the other end rings when it has written. False: it has already, read on. */
  pairRest(pair: PairHandle): boolean
  pairClose(pair: PairHandle): void

  /** Only in builds for tests: kills the process at the hit that `RINGBUS_KILL_POINT=name[:n]` names. */
  killPoint?(name: string): void
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

/**
 * Kills this process if a test asks for it at this place, `killPoint?.('publisher:after-commit')`. Undefined in
 * every other process.
 */
export const killPoint = process.env.RINGBUS_KILL_POINT === undefined ? undefined : loadNative()?.killPoint

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

/** One of them may be unfit for this host (made for a newer libc, say) where the other is not. */
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

/** An installed package has none that was built here. A clone may have both, and has built that one last. */
function addonPaths(): string[] {
  const chosen = process.env.RINGBUS_ADDON
  if (chosen !== undefined && chosen !== '') return [resolve(chosen)]
  const root = packageRoot()
  const prebuilds = join(root, 'prebuilds')
  const local = join(root, 'shmring/build/Release/ringbus.node')
  return existsSync(prebuilds) ? [local, join(prebuilds, platformName(), 'ringbus.node')] : [local]
}

/** This module runs as <root>/dist/shmring/native.js, or from its source as <root>/shmring/native.ts. */
function packageRoot(): string {
  const parent = dirname(dirname(fileURLToPath(import.meta.url)))
  return basename(parent) === 'dist' ? dirname(parent) : parent
}

/** The folder within prebuilds/ that holds the addon for this host, such as `linux-x64` or `linux-arm64-musl`. */
export function platformName(): string {
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
