import { execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Of the checkout: the compiler of TypeScript leaves C where it is. */
const SOURCES = fileURLToPath(new URL('../../../bench/floors/', import.meta.url))

/** Below dist/, and so never in the repository. */
const BUILT = fileURLToPath(new URL('./built/', import.meta.url))

const FLAGS = ['-std=c11', '-O2', '-Wall', '-Wextra', '-Werror']

/** POSIX message queues are in a library of their own before glibc 2.34. */
const LIBRARIES = ['-lrt']

const COMPILERS = ['cc', 'gcc', 'clang']

export interface CompileOptions {
  /** Tried in turn. Default: `$CC`, cc, gcc, clang. */
  readonly compilers?: readonly string[]
  /** Besides those that it always has, such as those of a sanitizer. */
  readonly flags?: readonly string[]
}

/** The program, or why there is none. */
export type Compiled = { readonly path: string; readonly version: string } | { readonly missing: string }

/** Compiles the program unless the one that is there was made from the same. Throws when the sources do not compile. */
export async function compileFloors({ compilers, flags = [] }: CompileOptions = {}): Promise<Compiled> {
  if (process.platform !== 'linux') return { missing: 'its mechanisms are those of Linux' }
  const candidates = compilers ?? [process.env['CC'], ...COMPILERS].filter((name) => name !== undefined)
  const found = await firstCompiler(candidates)
  if (found === undefined) return { missing: `there is no C compiler here (tried ${candidates.join(', ')})` }
  const allFlags = [...FLAGS, ...flags]
  const path = join(BUILT, `floors-${fingerprint([found.version, ...allFlags])}`)
  if (!existsSync(path)) await compile(found.compiler, allFlags, path)
  return { path, version: found.version }
}

async function firstCompiler(candidates: readonly string[]) {
  for (const compiler of candidates) {
    const version = await versionOf(compiler)
    if (version !== undefined) return { compiler, version }
  }
  return undefined
}

/** Of one that runs: the first line of what it says. */
async function versionOf(compiler: string): Promise<string | undefined> {
  try {
    return (await execute(compiler, ['--version'])).stdout.split('\n')[0]
  } catch {
    return undefined
  }
}

/** Under another name first, for it may be compiled several times at once. */
async function compile(compiler: string, flags: readonly string[], path: string): Promise<void> {
  mkdirSync(BUILT, { recursive: true })
  const unfinished = `${path}.${randomUUID()}`
  const sources = sourcesEndingIn('.c').map((name) => join(SOURCES, name))
  await execute(compiler, [...flags, ...sources, '-o', unfinished, ...LIBRARIES])
  renameSync(unfinished, path)
}

function sourcesEndingIn(...endings: string[]): string[] {
  return readdirSync(SOURCES)
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .sort()
}

function fingerprint(conditions: readonly string[]): string {
  const hash = createHash('sha256').update(conditions.join('\n'))
  for (const name of sourcesEndingIn('.c', '.h')) {
    hash.update(`\n${name}\n`).update(readFileSync(join(SOURCES, name)))
  }
  return hash.digest('hex').slice(0, 16)
}
