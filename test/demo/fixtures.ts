import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { connect } from '../../client/index.js'
import type { Role } from '../../demo/processes.js'
import type { Summary } from '../../demo/summary.js'
import { PROGRESS, type Progress } from '../../demo/topics.js'

const MAIN = fileURLToPath(new URL('../../demo/main.js', import.meta.url))

/** A new directory, removed after the test. */
export function temporaryDirectory(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'ringbus-test-demo-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

/** Files of zeros that take a while to hash and no room on the disk. */
export function writeLargeFiles(directory: string, count: number): void {
  for (let index = 0; index < count; index++) {
    const path = join(directory, `large-${index}`)
    writeFileSync(path, '')
    truncateSync(path, 16 * 1024 * 1024)
  }
}

export interface DemoEnd {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The demo as a child process, killed after the test. */
export class Demo {
  readonly ended: Promise<DemoEnd>
  readonly #child: ChildProcess
  readonly #stderr: string[] = []
  readonly #introduction: Promise<void>

  constructor(t: ExecutionContext, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(process.execPath, [MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    t.teardown(() => this.#child.kill('SIGKILL'))
    const lines = createInterface({ input: this.#child.stderr! })
    lines.on('line', (line) => this.#stderr.push(line))
    this.ended = this.#end()
    this.#introduction = new Promise((resolve, reject) => {
      lines.on('line', (line) => {
        if (line.startsWith('Socket: ')) resolve()
      })
      this.ended.then(({ stderr }) => reject(new Error(`The demo ended before it began: ${stderr}`)), reject)
    })
    // Most tests do not ask for it.
    this.#introduction.catch(() => {})
  }

  /** Ids of the processes of the roles, as the demo prints them. */
  async pidsOf(...roles: readonly Role[]): Promise<number[]> {
    const described = (await this.#lineOf('Processes: ')).split(' · ')
    return described.flatMap((members) => {
      const [role, ...pids] = members.split(' ')
      return roles.includes(role as Role) ? pids.map(Number) : []
    })
  }

  async socketPath(): Promise<string> {
    return this.#lineOf('Socket: ')
  }

  /** Resolves in the middle of the run: a hasher has got parts and waits for more. */
  async untilBusy(): Promise<Progress> {
    const bus = await connect({ path: await this.socketPath(), name: 'test' })
    try {
      for await (const { data } of bus.subscribe<Progress>(PROGRESS)) return data
      throw new Error('The demo ended before it began')
    } finally {
      await bus.close()
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** The summary of a run with `--json`. */
  async summary(): Promise<{ code: number | null; summary: Summary }> {
    const { code, stdout, stderr } = await this.ended
    if (stdout === '') throw new Error(`The demo printed no summary: ${stderr}`)
    return { code, summary: JSON.parse(stdout) as Summary }
  }

  async #lineOf(prefix: string): Promise<string> {
    await this.#introduction
    return this.#stderr.find((line) => line.startsWith(prefix))!.slice(prefix.length)
  }

  async #end(): Promise<DemoEnd> {
    const [stdout, [code]] = await Promise.all([text(this.#child.stdout!), once(this.#child, 'close')])
    return { code, stdout, stderr: this.#stderr.join('\n') }
  }
}

/** Resolves once no process has one of the ids. One that nobody has waited for yet is gone all the same. */
export async function untilGone(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await delay(20)
}

function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat[stat.lastIndexOf(')') + 2] !== 'Z'
  } catch {
    return false
  }
}
