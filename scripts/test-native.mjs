// Compiles the C core with its test under the address and undefined-behaviour sanitizers, and runs it.
// Ends with the first failing status: the compiler's or the test's.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const core = join(root, 'shmring/core')
const flags = ['-std=c11', '-g', '-O1', '-pthread', '-Wall', '-Wextra', '-Werror']
const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer']

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' })
  if (error) throw error
  return status ?? 1
}

function compile(program) {
  const sources = readdirSync(core)
    .filter((name) => name.endsWith('.c'))
    .map((name) => join(core, name))
  const test = join(root, 'test/native/host_test.c')
  const include = `-I${join(root, 'shmring/include')}`
  return run('cc', [...flags, ...sanitizers, include, ...sources, test, '-o', program])
}

const temporary = mkdtempSync(join(tmpdir(), 'ringbus-native-'))
try {
  const program = join(temporary, 'host_test')
  const files = join(temporary, 'files')
  mkdirSync(files)
  process.exitCode = compile(program) || run(program, [files])
} finally {
  rmSync(temporary, { recursive: true })
}
