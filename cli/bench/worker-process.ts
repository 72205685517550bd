import { type ChildProcess, fork } from 'node:child_process'
import { StreamFault } from './stream-fault.js'
import type { WorkerCommands } from './worker.js'
import { type Answer, errorFrom } from './worker-messages.js'

const SCRIPT = new URL('./worker.js', import.meta.url)

/** How much longer than it was told to a worker may take: what is missing then will not come. */
const PATIENCE_MS = 15_000

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
}

/**
 * A process that takes part in measurements: it does what it is told, until it is ended. It has a process group of its
 * own, so that a signal of the terminal reaches this process alone, which then ends the others.
 */
export class WorkerProcess {
  readonly #process: ChildProcess
  readonly #exited: Promise<void>
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0

  constructor() {
    this.#process = fork(SCRIPT, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      detached: true,
    })
    this.#process.on('message', (answer: Answer) => this.#settle(answer))
    this.#exited = new Promise((resolve) => {
      this.#process.on('exit', (code, signal) => {
        this.#fail(`a process of the measurement ended with ${signal ?? `exit code ${code}`}`)
        resolve()
      })
      this.#process.on('error', (error) => {
        this.#fail(error.message)
        if (this.#process.pid === undefined) resolve()
      })
    })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /**
   * Runs a command that lasts about so long. Rejects with what it fails with, with a StreamFault when it does not end,
   * and when the process ends.
   */
  call<Name extends keyof WorkerCommands>(
    command: Name,
    argument: Parameters<WorkerCommands[Name]>[0],
    durationMs = 0,
  ): Promise<Awaited<ReturnType<WorkerCommands[Name]>>> {
    this.#lastId += 1
    const id = this.#lastId
    return new Promise((resolve, reject) => {
      const watchdog = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new StreamFault(`what was sent did not arrive: \`${command}\` did not end`))
      }, durationMs + PATIENCE_MS)
      this.#waiting.set(id, {
        resolve: (result) => {
          clearTimeout(watchdog)
          resolve(result as Awaited<ReturnType<WorkerCommands[Name]>>)
        },
        reject: (error) => {
          clearTimeout(watchdog)
          reject(error)
        },
      })
      this.#process.send({ id, command, argument }, (error) => {
        if (error !== null) this.#fail(error.message)
      })
    })
  }

  /** Ends the process without waiting for anything that it does. */
  kill(): void {
    this.#process.kill('SIGKILL')
  }

  /** Resolves when the process has ended. */
  get exited(): Promise<void> {
    return this.#exited
  }

  #settle({ id, result, error }: Answer): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    if (error === undefined) waiting.resolve(result)
    else waiting.reject(errorFrom(error))
  }

  #fail(message: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(message))
    this.#waiting.clear()
  }
}
