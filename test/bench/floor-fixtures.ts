import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import type { ExecutionContext } from 'ava'
import { compileFloors, FloorProgram, ImpossibleHere } from '../../bench/floors/index.js'
import { until } from '../client/fixtures.js'

/** For ava's watchdog: on a busy machine a compiler takes its time, and nothing else is reported meanwhile. */
export const COMPILING_MS = 10 * 60_000

/** The program's path; these tests fail rather than skip without a compiler. */
export async function floorsPath(flags: readonly string[] = []): Promise<string> {
  const compiled = await compileFloors({ flags })
  if ('missing' in compiled) throw new Error(compiled.missing)
  return compiled.path
}

export async function floorProgram(flags: readonly string[] = []): Promise<FloorProgram> {
  return new FloorProgram({ path: await floorsPath(flags), version: '' })
}

/** What was measured; undefined where the kernel was built without the mechanism, which the program has to say. */
export async function unlessAbsent<Result>(
  t: ExecutionContext,
  measuring: Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await measuring
  } catch (error) {
    if (!(error instanceof ImpossibleHere)) throw error
    t.regex(error.message, /this kernel has no/)
    return undefined
  }
}

/** Runs the program to its end. */
export function runFloors(path: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(path, args, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

export interface FloorsEnd {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

/** The program in the midst of a measurement that would take minutes. */
export class RunningFloors {
  readonly pid: number
  /** Of its processes, by their names. */
  readonly roles: ReadonlyMap<string, number>
  readonly ended: Promise<FloorsEnd>

  private constructor(pid: number, roles: ReadonlyMap<string, number>, ended: Promise<FloorsEnd>) {
    this.pid = pid
    this.roles = roles
    this.ended = ended
  }

  /** Resolves once its processes have begun. */
  static async start(
    t: ExecutionContext,
    args: readonly string[],
    roleNames: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<RunningFloors> {
    const child = spawn(await floorsPath(), args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    t.teardown(() => child.kill('SIGKILL'))
    await once(child, 'spawn')
    const pid = child.pid!
    const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
      ([stdout, stderr, [code, signal]]): FloorsEnd => ({ code, signal, stdout, stderr }),
    )
    let roles = rolesOf(pid)
    await until(() => {
      roles = rolesOf(pid)
      return child.exitCode !== null || roleNames.every((name) => roles.has(name))
    })
    return new RunningFloors(pid, roles, ended)
  }
}

/** A process has its role's name once it has begun with it. */
function rolesOf(pid: number): Map<string, number> {
  const pids = readProc(`${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number)
  return new Map(pids.map((child) => [readProc(`${child}/comm`).trim(), child]))
}

/** Empty once the process is gone. */
function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8')
  } catch {
    return ''
  }
}
