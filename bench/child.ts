import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** The commands that a child process answers: one argument each, which like the result can be sent as JSON. */
export type Commands = Record<string, (argument: never) => unknown>

interface Answer {
  readonly id: number
  readonly result?: unknown
  readonly error?: string
}

interface Call {
  resolve(result: unknown): void
  reject(error: Error): void
}

export interface ChildOptions {
  readonly args?: readonly string[]
  readonly nodeOptions?: readonly string[]
  /** Where the child leaves a processor profile when it ends. */
  readonly profileFolder?: string | undefined
}

/** Finer than the default of 1 ms, for a measurement is short, and not so fine that it slows what it shows. */
const PROFILE_INTERVAL_US = 500

/** A child process of the bench, which answers commands. */
export class Child<Offered extends { [Name in keyof Offered]: (argument: never) => unknown }> {
  readonly #process: ChildProcess
  readonly #calls = new Map<number, Call>()
  readonly #exited: Promise<unknown>
  #lastId = 0

  constructor(script: URL, { args = [], nodeOptions = [], profileFolder }: ChildOptions = {}) {
    const profiling =
      profileFolder === undefined
        ? []
        : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`, `--cpu-prof-interval=${PROFILE_INTERVAL_US}`]
    this.#process = fork(script, [...args], {
      execArgv: [...nodeOptions, ...profiling],
      serialization: 'json',
    })
    this.#process.on('message', (answer: Answer) => this.#settle(answer))
    this.#exited = once(this.#process, 'exit')
    this.#process.on('exit', (code, signal) => this.#fail(`A worker ended by ${signal ?? `code ${code}`}`))
  }

  get pid(): number {
    return this.#process.pid!
  }

  /** Has the child run a command; rejects when the command fails, when the child ends, or past the time. */
  call<Name extends keyof Offered & string>(
    command: Name,
    argument: Parameters<Offered[Name]>[0],
    timeoutMs = 60_000,
  ): Promise<Awaited<ReturnType<Offered[Name]>>> {
    this.#lastId += 1
    const id = this.#lastId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#calls.delete(id)
        reject(new Error(`\`${command}\` did not end within ${timeoutMs} ms`))
      }, timeoutMs)
      this.#calls.set(id, {
        resolve: (result) => {
          clearTimeout(timer)
          resolve(result as Awaited<ReturnType<Offered[Name]>>)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
      this.#process.send({ id, command, argument })
    })
  }

  /** Lets the child end, and waits for it. */
  async stop(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect()
    await this.#exited
  }

  /** Ends a child that would not end by itself. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#exited
  }

  #settle({ id, result, error }: Answer): void {
    const call = this.#calls.get(id)
    if (call === undefined) return
    this.#calls.delete(id)
    if (error === undefined) call.resolve(result)
    else call.reject(new Error(error))
  }

  #fail(message: string): void {
    for (const call of this.#calls.values()) call.reject(new Error(message))
    this.#calls.clear()
  }
}

/** The child's side: answers commands until the parent lets go, then ends. */
export function answerCommands(commands: Commands): void {
  process.on(
    'message',
    async ({ id, command, argument }: { id: number; command: string; argument: never }) => {
      let answer: Answer
      try {
        answer = { id, result: await commands[command]!(argument) }
      } catch (error) {
        answer = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
      }
      if (process.connected) process.send!(answer)
    },
  )
  process.on('disconnect', () => process.exit())
}
