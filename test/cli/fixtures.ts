import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

/** The compiled command: the tests run from dist/test/cli. */
export const RINGBUS = fileURLToPath(new URL('../../cli/main.js', import.meta.url))

/** How a command ended and what it wrote. */
export interface Outcome {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A running `ringbus`, or a shell that runs some; killed after the test. */
export class Running {
  readonly child: ChildProcessWithoutNullStreams
  readonly outcome: Promise<Outcome>
  #stdout = ''
  #stderr = ''

  constructor(t: ExecutionContext, file: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(file, args, { env: { ...process.env, ...env }, detached: true })
    t.teardown(() => this.#killGroup())
    this.child.stdout.on('data', (chunk: Buffer) => {
      this.#stdout += chunk.toString('latin1')
    })
    this.child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString('utf8')
    })
    this.outcome = once(this.child, 'close').then(([exitCode]) => ({
      exitCode,
      stdout: Buffer.from(this.#stdout, 'latin1').toString('utf8'),
      stderr: this.#stderr,
    }))
  }

  /** Resolves once standard error holds the text; rejects when the process ends without it. */
  async says(text: string): Promise<void> {
    await this.#shows(this.child.stderr, () => this.#stderr.includes(text), text)
  }

  /** The same for standard output. */
  async writes(text: string): Promise<void> {
    await this.#shows(this.child.stdout, () => this.#stdout.includes(text), text)
  }

  async #shows(stream: NodeJS.ReadableStream, isThere: () => boolean, text: string): Promise<void> {
    const ended = this.outcome.then((outcome) => {
      if (isThere()) return
      throw new Error(`It ended without "${text}": ${JSON.stringify(outcome)}`)
    })
    while (!isThere()) await Promise.race([once(stream, 'data'), ended])
  }

  #killGroup(): void {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    process.kill(-this.child.pid!, 'SIGKILL')
  }
}

/** A socket path of the test's own, and the commands that use it. */
export class Host {
  readonly directory: string
  readonly path: string
  readonly #t: ExecutionContext

  constructor(t: ExecutionContext) {
    this.#t = t
    this.directory = mkdtempSync(join(tmpdir(), 'ringbus-cli-'))
    this.path = join(this.directory, 'broker.sock')
    t.teardown(() => rmSync(this.directory, { recursive: true }))
  }

  /** Starts `ringbus` with these arguments; its standard input is open. */
  start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
    return new Running(this.#t, process.execPath, [RINGBUS, ...args], { RINGBUS_SOCKET: this.path, ...env })
  }

  /** Runs `ringbus` to its end with this on its standard input. */
  run(args: readonly string[], input: string | Buffer = '', env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    const running = this.start(args, env)
    // A command may end without reading its input.
    running.child.stdin.on('error', () => {})
    running.child.stdin.end(input)
    return running.outcome
  }

  /** Starts a line of shell, in which `ringbus` is the command under test. */
  shell(line: string): Running {
    const script = `ringbus() { '${process.execPath}' '${RINGBUS}' "$@"; }\n${line}`
    return new Running(this.#t, 'bash', ['-o', 'pipefail', '-c', script], { RINGBUS_SOCKET: this.path })
  }

  async startBroker(...args: string[]): Promise<Running> {
    const broker = this.start(['broker', '--log-level', 'warn', ...args])
    await broker.writes('ready')
    return broker
  }

  /** Starts a `sub` that is known to the broker when this resolves. */
  async startSub(...args: string[]): Promise<Running> {
    const sub = this.start(['sub', '--log-level', 'info', ...args])
    await sub.says('subscribed to')
    return sub
  }

  async startServe(options: readonly string[], topic: string, ...command: string[]): Promise<Running> {
    const service = this.start(['serve', '--log-level', 'info', ...options, topic, '--', ...command])
    await service.says(`serving ${topic}`)
    return service
  }
}

/** A host with a running broker. */
export async function hostWithBroker(t: ExecutionContext, ...args: string[]): Promise<Host> {
  const host = new Host(t)
  await host.startBroker(...args)
  return host
}
