import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { loadNative, nativeLoadError } from '../../shmring/index.js'
import { COMPILING_MS, projectRoot, temporaryDirectory } from './fixtures.js'

const builtAddon = join(projectRoot, 'shmring/build/Release/ringbus.node')

const musl =
  process.platform === 'linux' &&
  !(process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header.glibcVersionRuntime
const prebuilt = `prebuilds/${process.platform}-${process.arch}${musl ? '-musl' : ''}/ringbus.node`
const local = 'shmring/build/Release/ringbus.node'

/** A package with the compiled TypeScript of shmring/ and no addon yet. */
function emptyPackage(t: ExecutionContext): string {
  const root = temporaryDirectory(t)
  cpSync(join(projectRoot, 'dist/shmring'), join(root, 'dist/shmring'), { recursive: true })
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  return root
}

function place(root: string, path: string, content?: string): void {
  const target = join(root, path)
  mkdirSync(dirname(target), { recursive: true })
  if (content === undefined) copyFileSync(builtAddon, target)
  else writeFileSync(target, content)
}

interface LoadReport {
  /** The addon's file within the package. */
  readonly from?: string
  readonly reason?: string
  readonly message?: string
  readonly cause?: string
}

/** Loads the addon of the package at `root` in a process of its own. */
function loadIn(root: string, env: NodeJS.ProcessEnv = {}): LoadReport {
  const script = `
    const { loadNative, nativeLoadError } = await import('./dist/shmring/index.js')
    const native = loadNative()
    const error = nativeLoadError()
    const objects = process.report.getReport().sharedObjects
    const from = objects.find((path) => path.endsWith('ringbus.node'))
    console.log(JSON.stringify({
      from: native && from?.slice(from.indexOf(process.argv[1]) + process.argv[1].length + 1),
      reason: error?.reason, message: error?.message, cause: error?.cause?.code,
    }))`
  const args = ['--input-type=module', '-e', script, root]
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  })
  if (stderr !== '') throw new Error(stderr)
  return JSON.parse(stdout) as LoadReport
}

test('the addon is loaded once', (t) => {
  t.truthy(loadNative())
  t.is(loadNative(), loadNative())
  t.is(nativeLoadError(), undefined)
})

test('an addon that was built here is found', (t) => {
  const root = emptyPackage(t)
  place(root, local)
  t.deepEqual(loadIn(root), { from: local })
})

test('a prebuilt addon is found', (t) => {
  const root = emptyPackage(t)
  place(root, prebuilt)
  t.deepEqual(loadIn(root), { from: prebuilt })
})

test('an addon that was built here goes before a prebuilt one', (t) => {
  const root = emptyPackage(t)
  place(root, local)
  place(root, prebuilt)
  t.deepEqual(loadIn(root), { from: local })
})

test('an addon that was built here and does not load gives way to a prebuilt one', (t) => {
  const root = emptyPackage(t)
  place(root, local, 'no addon')
  place(root, prebuilt)
  t.deepEqual(loadIn(root), { from: prebuilt })
})

test('RINGBUS_NO_ADDON=1 keeps the addon from being loaded', (t) => {
  const root = emptyPackage(t)
  place(root, local)
  t.like(loadIn(root, { RINGBUS_NO_ADDON: '1' }), { from: undefined, reason: 'disabled' })
})

test('RINGBUS_ADDON names the only one that is tried', (t) => {
  const root = emptyPackage(t)
  place(root, local)
  place(root, 'elsewhere/ringbus.node')
  t.deepEqual(loadIn(root, { RINGBUS_ADDON: 'elsewhere/ringbus.node' }), { from: 'elsewhere/ringbus.node' })
  t.like(loadIn(root, { RINGBUS_ADDON: join(root, 'nowhere.node') }), { from: undefined, reason: 'missing' })
})

test('a missing addon is told with the path where it should be', (t) => {
  const root = emptyPackage(t)
  const { reason, message } = loadIn(root)
  t.is(reason, 'missing')
  t.true(message?.includes(join(root, local)))
})

test('a broken addon is told with the loader’s own error', (t) => {
  const root = emptyPackage(t)
  place(root, local, 'no addon')
  const { reason, message, cause } = loadIn(root)
  t.is(reason, 'broken')
  t.true(message?.includes(join(root, local)))
  t.is(cause, 'ERR_DLOPEN_FAILED')
})

for (const sanitizer of ['address', 'thread']) {
  test(`the C core passes its tests under the ${sanitizer} sanitizer`, async (t) => {
    t.timeout(COMPILING_MS)
    const script = join(projectRoot, 'scripts/test-native.mjs')
    const run = spawn(process.execPath, [script, sanitizer], { stdio: ['ignore', 'ignore', 'pipe'] })
    const [errors, [status]] = await Promise.all([text(run.stderr), once(run, 'close')])
    t.is(status, 0, errors)
  })
}
