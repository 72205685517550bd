import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { PROJECT_ROOT, readProjectFile } from '../project-files.js'
import type { ExchangeReport } from './consumer-exchange.js'
import {
  copyCheckout,
  newDirectory,
  PATIENCE_MS,
  PREBUILT,
  pack,
  pathWithoutCompiler,
  run,
  succeed,
  temporaryDirectory,
} from './fixtures.js'

const { version } = JSON.parse(readProjectFile('package.json')) as { version: string }
const packing = newDirectory()
test.after.always(() => rmSync(packing, { recursive: true }))

let packed: ReturnType<typeof pack> | undefined

/** The package, made once for all tests of this file. */
function packOnce(t: ExecutionContext): ReturnType<typeof pack> {
  t.timeout(PATIENCE_MS)
  packed ??= (async () => {
    const checkout = join(packing, 'a checkout')
    copyCheckout(checkout)
    return pack(checkout, packing)
  })()
  return packed
}

const INSTALL = ['npm', 'install', '--prefer-offline', '--no-audit', '--no-fund'] as const

/** An empty project with the package in it. */
async function install(
  t: ExecutionContext,
  options: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const { tarball } = await packOnce(t)
  const project = join(temporaryDirectory(t), 'project')
  cpSync(dirname(fileURLToPath(import.meta.url)), project, {
    recursive: true,
    filter: (path) => !/\.(?:map|test\.js|d\.ts)$/.test(path),
  })
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }')
  await succeed(project, [...INSTALL, ...options, tarball], env)
  return project
}

/** Large payloads from client to client by ring, each process with the addon from the package. */
async function exchange(t: ExecutionContext, project: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
  const socketPath = join(temporaryDirectory(t), 'broker.sock')
  const { exitCode, stdout, stderr } = await run(project, ['node', 'consumer-exchange.js', socketPath], env)
  t.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' })
  const { addons, sent, received, rings } = JSON.parse(stdout) as ExchangeReport
  const prebuilt = join(project, 'node_modules/ringbus', PREBUILT)
  t.deepEqual(addons, { broker: prebuilt, clients: prebuilt })
  t.true(sent.length >= 4)
  t.deepEqual(received, sent)
  t.deepEqual(rings, { payloads: 4, delivered: 4, inlined: 0 })
}

/** The highest version of a library's symbols that a file asks for, by binutils, which compilers on Linux need. */
function highestVersion(path: string, library: string): string {
  const { stdout, stderr, status } = spawnSync('objdump', ['-T', path], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  const versions = [...stdout.matchAll(/\b([A-Z]+)_(\d[\d.]*)/g)].filter(([, name]) => name === library)
  return versions.map(([, , version]) => version!).reduce((a, b) => (isAtMost(a, b) ? b : a))
}

function isAtMost(version: string, limit: string): boolean {
  return version.localeCompare(limit, 'en', { numeric: true }) <= 0
}

test('the tarball holds what runs, and nothing that npm would build', async (t) => {
  const { tarball } = await packOnce(t)
  const paths = (await succeed(packing, ['tar', '-tzf', tarball])).trimEnd().split('\n')
  const files = paths.map((path) => path.replace(/^package\//, ''))
  t.true(files.includes(PREBUILT))
  const others = files.filter(
    (path) =>
      path !== PREBUILT &&
      !/^dist\/(?:protocol|shmring|polling|broker|client|cli)\/.*\.(?:js|d\.ts)$/.test(path) &&
      !path.startsWith('docs/'),
  )
  t.deepEqual(others.sort(), ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json', 'protocol/SPEC.md'])
})

test('with scripts and without a compiler the package works, with its prebuilt addon', async (t) => {
  t.timeout(PATIENCE_MS)
  const PATH = pathWithoutCompiler(temporaryDirectory(t))
  for (const tool of ['cc', 'gcc', 'g++', 'make', 'python3']) {
    t.not((await run('/', ['sh', '-c', `command -v ${tool}`], { PATH })).exitCode, 0, tool)
  }
  const project = await install(t, ['--ignore-scripts=false', '--dangerously-allow-all-scripts'], { PATH })
  const lock = readFileSync(join(project, 'package-lock.json'), 'utf8')
  const { packages } = JSON.parse(lock) as { packages: Record<string, { hasInstallScript?: boolean }> }
  t.truthy(packages['node_modules/ringbus'])
  t.is(packages['node_modules/ringbus']?.hasInstallScript, undefined)
  await exchange(t, project, { PATH })
})

test('with --ignore-scripts the package works, with its prebuilt addon', async (t) => {
  const project = await install(t, ['--ignore-scripts'])
  await exchange(t, project)
  await t.notThrowsAsync(commandRuns(t, project))
  await t.notThrowsAsync(modulesLoad(t, project))
  await t.notThrowsAsync(typesResolve(t, project))
})

async function commandRuns(t: ExecutionContext, project: string): Promise<void> {
  t.is(await succeed(project, ['npx', '--no-install', 'ringbus', '--version']), `${version}\n`)
  const doctor = await run(project, ['node_modules/.bin/ringbus', 'doctor', '--path', `${project}/none.sock`])
  t.regex(doctor.stdout, /^ok {4}addon: loaded/m)
}

async function modulesLoad(t: ExecutionContext, project: string): Promise<void> {
  const show = 'console.log(typeof bus.connect, typeof broker.startBroker)'
  const imports = `import * as bus from 'ringbus'; import * as broker from 'ringbus/broker'; ${show}`
  const requires = `const bus = require('ringbus'); const broker = require('ringbus/broker'); ${show}`
  const evaluate = (type: string, program: string) =>
    run(project, ['node', `--input-type=${type}`, '-e', program])
  t.is((await evaluate('module', imports)).stdout, 'function function\n')
  const required = await evaluate('commonjs', requires)
  // Node before 20.19 cannot require ES modules.
  if (process.features.require_module) t.is(required.stdout, 'function function\n')
  else t.regex(required.stderr, /ERR_REQUIRE_ESM/)
}

/** Lines that must not compile prove that the types are there: without them everything would be `any`. */
const TYPED_PROGRAM = `
import { connect, type RingbusClient } from 'ringbus'
import { startBroker } from 'ringbus/broker'
export async function main(): Promise<RingbusClient> {
  const broker = await startBroker({ path: '/tmp/a.sock' })
  const bus = await connect({ path: broker.path })
  bus.subscribe('a.*', (msg) => console.log(msg.topic.length, msg.bytes.byteLength))
  // @ts-expect-error: a topic is a string
  bus.publish(1, 'data')
  // @ts-expect-error: there is no such option
  await startBroker({ pathh: '/tmp/a.sock' })
  return bus
}
`

const COMPILER_OPTIONS = [
  '--noEmit',
  '--strict',
  '--module',
  'nodenext',
  '--target',
  'es2022',
  '--types',
  'node',
]

async function typesResolve(t: ExecutionContext, project: string): Promise<void> {
  symlinkSync(join(PROJECT_ROOT, 'node_modules/@types'), join(project, 'node_modules/@types'))
  for (const name of ['program.mts', 'program.cts']) writeFileSync(join(project, name), TYPED_PROGRAM)
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json')
  const compiler = join(dirname(manifest), 'bin/tsc')
  const output = await run(project, ['node', compiler, ...COMPILER_OPTIONS, 'program.mts', 'program.cts'])
  t.deepEqual(output, { exitCode: 0, stdout: '', stderr: '' })
}

/** The addon of the package, and what packing said about it. */
async function unpackedAddon(t: ExecutionContext): Promise<{ addon: string; printed: string }> {
  const { tarball, printed } = await packOnce(t)
  const directory = temporaryDirectory(t)
  await succeed(directory, ['tar', '-xzf', tarball])
  return { addon: join(directory, 'package', PREBUILT), printed }
}

const IS_FOR_GLIBC = PREBUILT.includes('/linux-') && !PREBUILT.includes('-musl/')

test('the addon needs no newer glibc than Node 20 does, and packing says which', async (t) => {
  const { addon, printed } = await unpackedAddon(t)
  if (!IS_FOR_GLIBC) {
    t.regex(printed, /ringbus\.node: \d+ kB, needs (?!.*\bGLIBC_)/)
    return
  }
  const highest = highestVersion(addon, 'GLIBC')
  t.true(isAtMost(highest, '2.28'), highest)
  t.regex(printed, new RegExp(`ringbus\\.node: \\d+ kB, needs GLIBC_${highest}\\b`))
})

test('made by a compiler for releases, the addon needs no newer libstdc++ than came with glibc 2.28', async (t) => {
  const { addon, printed } = await unpackedAddon(t)
  const compiler = /GCC: \([^)]*\) (\d+)\./.exec(readFileSync(addon, 'latin1'))
  // Strings of newer compilers call newer functions.
  if (!IS_FOR_GLIBC || compiler === null || Number(compiler[1]) > 12) {
    t.pass()
    return
  }
  t.true(isAtMost(highestVersion(addon, 'GLIBCXX'), '3.4.25'))
  t.true(isAtMost(highestVersion(addon, 'CXXABI'), '1.3.11'))
  t.notRegex(printed, /Warning: that is newer/)
})
