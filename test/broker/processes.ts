import { type ChildProcess, type ForkOptions, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Another process; killed after the test. */
export class Child {
  readonly process: ChildProcess
  readonly #messages: unknown[] = []
  readonly #waiting: (() => void)[] = []
  readonly #closed: Promise<unknown>
  stderr = ''

  constructor(t: ExecutionContext, child: ChildProcess) {
    this.process = child
    t.teardown(() => child.kill('SIGKILL'))
    child.on('message', (message) => {
      this.#messages.push(message)
      this.#wake()
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.#wake()
    })
    child.stdout?.resume()
    child.on('exit', () => this.#wake())
    this.#closed = once(child, 'close')
  }

  get pid(): number {
    return this.process.pid!
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null
  }

  /** The next message that the process sends. */
  async message<Message = string>(): Promise<Message> {
    await this.until(() => this.#messages.length > 0)
    return this.#messages.shift() as Message
  }

  /** What the process has sent, and nobody has asked for. */
  takeMessages<Message>(): Message[] {
    return this.#messages.splice(0) as Message[]
  }

  /** Waits until something about the process is so; it must not end before. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (!this.isRunning) throw new Error(`The process ended: ${this.stderr}`)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** Sends a signal; resolves once the process has ended, with its exit code. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.process.kill(signal)
    return this.ended()
  }

  /** Resolves once the process has ended and all that it wrote is here, with its exit code. */
  async ended(): Promise<number | null> {
    await this.#closed
    return this.process.exitCode
  }

  /** Stops the process; resolves once the kernel has. */
  async stop(): Promise<void> {
    this.process.kill('SIGSTOP')
    while (!/^State:\s+T/m.test(readFileSync(`/proc/${this.pid}/status`, 'utf8'))) {
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  continue(): void {
    this.process.kill('SIGCONT')
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/** A client of `client-child.ts`, in its role. */
export function startClient(t: ExecutionContext, path: string, role: string): Child {
  return new Child(t, fork(fileOf('./client-child.js'), [path, role], { silent: true }))
}

/** A broker of `broker-child.ts`, ready to take clients. */
export async function startBrokerProcess(
  t: ExecutionContext,
  path: string,
  options: { configPath?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Child> {
  const { configPath, env } = options
  const forkOptions: ForkOptions = { silent: true, env: { ...process.env, ...env } }
  const parameters = configPath === undefined ? [path] : [path, configPath]
  const broker = new Child(t, fork(fileOf('./broker-child.js'), parameters, forkOptions))
  await broker.message()
  return broker
}

/** The broker as its own program runs it, which may fail to start. */
export function spawnBroker(t: ExecutionContext, path: string, shellPrefix = ''): Child {
  const main = fileOf('../../broker/main.js')
  const command = `${shellPrefix} exec "$0" "$1" --path "$2"`
  const child = spawn('/bin/sh', ['-c', command, process.execPath, main, path], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return new Child(t, child)
}
