import { realpathSync } from 'node:fs'
import { sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

export const HELP = `Usage: npm start -- [options] [directory or file ...]

Hashes every file below the directories by microservices that talk over ringbus, then compares each digest
with one computed directly. Default: this project and the running Node binary.

Options:
  --hashers <n>  processes that hash, 1 to 32 (default 3)
  --readers <n>  processes that read files, 1 to 32 (default 2)
  --quiet        no progress, no process ids: only the summary
  --json         the summary as one line of JSON on standard output
  --help         this text

Exit codes: 0 all digests agree; 1 some differ, or the run failed; 2 wrong arguments; 130 interrupted.
`

/** The project: compiled, this file is dist/demo/options.js. */
const PROJECT_ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Each is a process of its own; more would measure the scheduler rather than the bus. */
const PROCESSES_MAX = 32

export interface DemoOptions {
  /** Absolute paths without symbolic links, none below another. */
  readonly roots: readonly string[]
  readonly hashers: number
  readonly readers: number
  readonly quiet: boolean
  readonly json: boolean
  readonly help: boolean
}

/** The command line is wrong; the message says how. */
export class UsageError extends Error {}

/** Throws a UsageError. */
export function parseOptions(args: readonly string[]): DemoOptions {
  const { values, positionals } = parse(args)
  const paths = positionals.length > 0 ? positionals : [PROJECT_ROOT, process.execPath]
  return {
    roots: outermost(paths.map(resolve)),
    hashers: parseCount('--hashers', values.hashers),
    readers: parseCount('--readers', values.readers),
    quiet: values.quiet,
    json: values.json,
    help: values.help,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        hashers: { type: 'string', default: '3' },
        readers: { type: 'string', default: '2' },
        quiet: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function parseCount(name: string, text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= PROCESSES_MAX) return count
  throw new UsageError(`Expected \`${name}\` to be an integer from 1 to ${PROCESSES_MAX}, got \`${text}\``)
}

/** Links below a root are not followed; a root that is a link itself stands for what it points to. */
function resolve(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    throw new UsageError(`Cannot use \`${path}\`: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Without the paths that lie below another one, so that no file is found twice. */
function outermost(paths: readonly string[]): string[] {
  const distinct = [...new Set(paths)]
  const isBelow = (path: string, other: string): boolean =>
    path !== other && path.startsWith(other.endsWith(sep) ? other : other + sep)
  return distinct.filter((path) => !distinct.some((other) => isBelow(path, other)))
}
