/*
 * What the processes of the demo say to each other: every topic, and what travels on it. The README beside this
 * file draws who talks to whom. Paths are bytes, as the system has them: a name need not be valid UTF-8.
 */

/** Request with a stream of replies, main to walker: `Walk`, answered by one `Outcome` for each thing found. */
export const WALK = 'demo.walk'
/** Request, walker to hashers: `HashRequest`, answered by a `HashReply`. */
export const HASH = 'demo.hash'
/** Request with a stream of replies, hasher to readers: `ReadRequest`, answered by stamped parts of the file. */
export const READ = 'demo.read'
/** Published by the walker for each file that it finds: `WalkProgress`, this file included. */
export const FOUND = 'demo.found'
/** Published by the walker for each file that is done: `WalkProgress`, this file included. */
export const DONE = 'demo.done'
/** Published by each hasher several times a second: `Progress`. */
export const PROGRESS = 'demo.progress'
/** Published at the highest priority, to all hashers: nothing but a stamp. */
export const ALARM = 'demo.alarm'
/** Published by each hasher several times a second: latencies in milliseconds, a Float64Array. */
export const LATENCY_URGENT = 'demo.latency.urgent'
export const LATENCY_BULK = 'demo.latency.bulk'

export interface Walk {
  /** Absolute paths of directories and files. */
  readonly roots: readonly Buffer[]
}

export interface HashRequest {
  readonly path: Buffer
}

export interface ReadRequest {
  readonly path: Buffer
}

export interface HashReply {
  /** Hexadecimal SHA-256, or why there is none. */
  readonly digest?: string
  readonly fault?: string
  readonly bytes: number
  /** How often the file was asked for again, because the reader was lost or none was there. */
  readonly retries: number
}

export interface Tally {
  readonly files: number
  readonly bytes: number
}

/** How far the walk has come, whole in every message: who misses some is right again with the next. */
export interface WalkProgress {
  readonly found: Tally
  readonly done: Tally
}

/** What one hasher has got since it last told. */
export interface Progress {
  readonly pid: number
  readonly parts: number
  readonly bytes: number
}

export type SkipReason = 'symbolic link' | 'special file' | 'other file system'

/** What became of one thing that the walker found. */
export type Outcome = FileOutcome | SkippedOutcome

export interface FileOutcome {
  readonly kind: 'file' | 'directory'
  readonly path: Buffer
  /** Changes with the file, as far as the system tells; empty when not even that could be read. */
  readonly version: string
  /** Hexadecimal SHA-256 as it came over the bus, or why there is none. */
  readonly digest?: string
  readonly fault?: string
  readonly bytes: number
  /** Requests that were made again for this file. */
  readonly retries: number
}

export interface SkippedOutcome {
  readonly kind: 'skipped'
  readonly path: Buffer
  readonly reason: SkipReason
}
