import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, relative, sep } from 'node:path'
import type { ExecutionContext } from 'ava'
import { platformName } from '../../shmring/native.js'
import { PROJECT_ROOT } from '../project-files.js'

/** For ava's watchdog: packing compiles everything twice, and an installation may wait for the registry. */
export const PATIENCE_MS = 15 * 60_000

/** The addon of this platform as it lies in a package. */
export const PREBUILT = `prebuilds/${platformName()}/ringbus.node`

/** How a command ended, and what it wrote to standard output and standard error. */
export interface Outcome {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A new directory, removed by the caller. */
export function newDirectory(): string {
  return realpathSync(mkdtempSync(join(tmpdir(), 'ringbus-package-')))
}

/** A new directory, removed after the test. */
export function temporaryDirectory(t: ExecutionContext): string {
  const directory = newDirectory()
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

/** What npm tells the scripts that it runs, these tests among them, about the package that it runs them for. */
function isOfThisRun(name: string): boolean {
  return /^npm_(?!config_)|^npm_config_local_prefix$|^NODE_OPTIONS$|^RINGBUS_/i.test(name)
}

/** Runs a command to its end, without what an outer npm or a user of ringbus has put into the environment. */
export async function run(
  directory: string,
  command: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  const inherited = Object.entries(process.env).filter(([name]) => !isOfThisRun(name))
  const [file, ...args] = command
  const child = spawn(file, args, { cwd: directory, env: { ...Object.fromEntries(inherited), ...env } })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [exitCode] = (await once(child, 'close')) as [number | null]
  return { exitCode, stdout, stderr }
}

/** The same; throws with all that it wrote unless it ends with 0. Gives its standard output. */
export async function succeed(...args: Parameters<typeof run>): Promise<string> {
  const outcome = await run(...args)
  if (outcome.exitCode === 0) return outcome.stdout
  throw new Error(`${args[1].join(' ')}: ${outcome.exitCode}\n${outcome.stdout}\n${outcome.stderr}`)
}

/** Never copied: made anew, linked to, or coming and going with other tests. */
const NOT_SOURCES = /^(?:\.git|dist|node_modules|prebuilds|coverage|bench\/results|shmring\/build-kill)$/

/** Copies a file or folder of the checkout; '.' is all of it, with the addon that was built here. */
export function copyProject(path: string, copy: string): void {
  const isWanted = (from: string) => !NOT_SOURCES.test(relative(PROJECT_ROOT, from).replaceAll(sep, '/'))
  cpSync(join(PROJECT_ROOT, path), copy, { recursive: true, preserveTimestamps: true, filter: isWanted })
}

/** A copy of the checkout that can be packed, in a folder that must not exist yet: other tests run from dist. */
export function copyCheckout(copy: string): void {
  copyProject('.', copy)
  symlinkSync(join(PROJECT_ROOT, 'node_modules'), join(copy, 'node_modules'))
}

/** Makes the package of a checkout, as a release does; gives the tarball's path and what npm printed. */
export async function pack(checkout: string, into: string): Promise<{ tarball: string; printed: string }> {
  const { exitCode, stdout, stderr } = await run(checkout, ['npm', 'pack', '--pack-destination', into])
  const printed = `${stdout}\n${stderr}`
  const tarballs = readdirSync(into).filter((name) => name.endsWith('.tgz'))
  if (exitCode !== 0 || tarballs.length !== 1) throw new Error(printed)
  return { tarball: join(into, tarballs[0]!), printed }
}

/** A folder for PATH with nothing but Node, npm, and the shell that npm starts commands with. */
export function pathWithoutCompiler(directory: string): string {
  const folder = join(directory, 'path')
  mkdirSync(folder)
  for (const tool of ['npm', 'sh', 'env', 'dirname', 'uname', 'sed'])
    symlinkSync(find(tool), join(folder, tool))
  symlinkSync(process.execPath, join(folder, 'node'))
  return folder
}

function find(tool: string): string {
  const { stdout } = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' })
  const path = stdout.trim()
  if (!path.startsWith('/'))
    throw new Error(`No ${tool} in ${process.env['PATH']?.split(delimiter).join(' ')}`)
  return realpathSync(path)
}
