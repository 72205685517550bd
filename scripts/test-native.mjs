// Compiles the C core with its tests under the sanitizers, and runs them: the address and undefined-behaviour
// sanitizers for all, the thread sanitizer for what threads share. Arguments name sanitizers, `address` or
// `thread`, and tests, without their `_test.c`; without any, all are run. Ends with the first failing status:
// the compiler's or a test's.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const core = join(root, 'shmring/core')
const include = `-I${join(root, 'shmring/include')}`
const flags = ['-std=c11', '-g', '-O1', '-pthread', '-Wall', '-Wextra', '-Werror', '-fno-omit-frame-pointer']

/** Elsewhere there are no segments, and no semaphores for the threads to wait by. */
const isLinux = process.platform === 'linux'

const builds = [
  {
    name: 'address',
    sanitizers: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
    tests: [
      'host',
      'ring',
      'blocks',
      'headroom',
      ...(isLinux ? ['ring_threads', 'segment', 'pair', 'pair_threads', 'hardening', 'attach'] : []),
    ],
  },
  {
    name: 'thread',
    sanitizers: ['-fsanitize=thread'],
    tests: isLinux ? ['ring_threads', 'segment', 'pair_threads', 'blocks'] : [],
  },
]

/** A forked child has none of its parent's threads, which the thread sanitizer takes for a leak. */
const env = { ...process.env, TSAN_OPTIONS: 'report_thread_leaks=0' }

function run(command, args, cwd) {
  const { status, signal, error } = spawnSync(command, args, { stdio: 'inherit', cwd, env })
  if (error) throw error
  if (signal) console.error(`${command} was ended by ${signal}`)
  return status ?? 1
}

/** The core's objects, in a folder of their own. */
function compileCore({ sanitizers }, folder) {
  const sources = readdirSync(core)
    .filter((name) => name.endsWith('.c'))
    .map((name) => join(core, name))
  return run('cc', [...flags, ...sanitizers, include, '-c', ...sources], folder)
}

function compileAndRun({ name, sanitizers }, test, folder) {
  const program = join(folder, `${test}_test`)
  const objects = readdirSync(folder).filter((file) => file.endsWith('.o'))
  const source = join(root, `test/native/${test}_test.c`)
  const compiled = run('cc', [...flags, ...sanitizers, include, source, ...objects, '-o', program], folder)
  if (compiled !== 0) return compiled
  const files = join(folder, `${test}_files`)
  mkdirSync(files)
  const status = run(program, [files], folder)
  if (status !== 0) console.error(`${test}_test failed under the ${name} sanitizer`)
  return status
}

function runBuild(build, tests, temporary) {
  if (tests.length === 0) return 0
  const folder = join(temporary, build.name)
  mkdirSync(folder)
  let status = compileCore(build, folder)
  for (const test of tests) status ||= compileAndRun(build, test, folder)
  return status
}

/** Those of the names that were asked for, or all if none of them was. */
function chosenOf(names) {
  const chosen = names.filter((name) => process.argv.slice(2).includes(name))
  return chosen.length > 0 ? chosen : names
}

const temporary = mkdtempSync(join(tmpdir(), 'ringbus-native-'))
try {
  let status = 0
  const names = chosenOf(builds.map(({ name }) => name))
  const tests = chosenOf(builds[0].tests)
  for (const build of builds.filter(({ name }) => names.includes(name))) {
    status ||= runBuild(
      build,
      build.tests.filter((test) => tests.includes(test)),
      temporary,
    )
  }
  process.exitCode = status
} finally {
  rmSync(temporary, { recursive: true })
}
