import { type ExecFileException, execFile } from 'node:child_process'
import type { Mechanism } from './names.js'

export interface LatencyOrder {
  readonly payloadBytes: number
  readonly count: number
  readonly warmupCount: number
  /** Two: a message that is published, by way of a relay. Four: a request and its reply. */
  readonly hops: 2 | 4
  /** The client and the relay on a processor each, or where the kernel puts them. */
  readonly processors: 'apart' | 'any'
}

export interface ThroughputOrder {
  readonly payloadBytes: number
  readonly durationMs: number
  readonly warmupMs: number
  /** What is written at once, in whole messages, where bytes flow in a stream. */
  readonly batchBytes: number
}

/** Sorted values in nanoseconds, each with how often it was seen. */
export type ValueCounts = readonly (readonly [ns: number, count: number])[]

export interface Transfer {
  readonly messages: number
  readonly ns: number
}

/** What this machine does not allow, by a limit or for want of a mechanism: no fault of what was measured. */
export class ImpossibleHere extends Error {}

/** What the program ends with then; its header status.h has the others. */
const STATUS_IMPOSSIBLE = 3

/** The program gives up by itself, and cleans up, before that is asked of it. */
const TIMEOUT_S = 60
const TIMEOUT_MS = 70_000

/** Ten million values, all different, would need more. */
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

/** The compiled program, which measures one mechanism per call. */
export class FloorProgram {
  readonly #path: string
  /** Of the compiler. */
  readonly version: string

  constructor({ path, version }: { readonly path: string; readonly version: string }) {
    this.#path = path
    this.version = version
  }

  /** One message at a time to a relay and back, each a value. */
  async latency(mechanism: Mechanism, order: LatencyOrder): Promise<ValueCounts> {
    const output = await this.#run([
      ...['latency', mechanism],
      ...['--bytes', order.payloadBytes, '--hops', order.hops, '--processors', order.processors],
      ...['--count', order.count, '--warmup', order.warmupCount],
    ])
    return (JSON.parse(output) as { ns: ValueCounts }).ns
  }

  /** As many messages as get by way of a relay from one process to another. */
  async throughput(mechanism: Mechanism, order: ThroughputOrder): Promise<Transfer> {
    const output = await this.#run([
      ...['throughput', mechanism],
      ...['--bytes', order.payloadBytes, '--batch', order.batchBytes],
      ...['--ms', order.durationMs, '--warmup-ms', order.warmupMs],
    ])
    return JSON.parse(output) as Transfer
  }

  /** memcpy of one message after another. */
  async copy(payloadBytes: number, durationMs: number): Promise<Transfer> {
    return JSON.parse(await this.#run(['copy', '--bytes', payloadBytes, '--ms', durationMs])) as Transfer
  }

  #run(args: readonly (string | number)[]): Promise<string> {
    const texts = [...args, '--timeout', TIMEOUT_S].map(String)
    return new Promise((resolve, reject) => {
      execFile(
        this.#path,
        texts,
        { timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX },
        (error, stdout, stderr) => {
          if (error === null) resolve(stdout)
          else reject(explained(error, stderr))
        },
      )
    })
  }
}

/** By what the program itself has said, if it has. */
function explained(error: ExecFileException, stderr: string): Error {
  const reason = stderr.trim().replace(/^floors: /gm, '') || error.message
  return error.code === STATUS_IMPOSSIBLE ? new ImpossibleHere(reason) : new Error(reason)
}
