import { spawnSync } from 'node:child_process'
import { appendFileSync, cpSync, existsSync, statSync, symlinkSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { COMPILING_MS, projectRoot, temporaryDirectory } from './fixtures.js'

const addon = 'shmring/build/Release/ringbus.node'

/** A checkout of its own, with the addon that was built here. A blank in its path, as users have it. */
function checkout(t: ExecutionContext): string {
  t.timeout(COMPILING_MS)
  const root = join(temporaryDirectory(t), 'a checkout')
  // Other tests may be building there.
  const filter = (path: string) => !path.endsWith('/build-kill')
  const options = { recursive: true, preserveTimestamps: true, filter }
  cpSync(join(projectRoot, 'shmring'), join(root, 'shmring'), options)
  cpSync(join(projectRoot, 'scripts'), join(root, 'scripts'), { recursive: true })
  symlinkSync(join(projectRoot, 'node_modules'), join(root, 'node_modules'))
  return root
}

function buildAddon(root: string, env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, [join(root, 'scripts/build-addon.mjs')], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  })
}

test('an addon of the same sources is not built again, whatever their times', (t) => {
  const root = checkout(t)
  const before = statSync(join(root, addon))
  utimesSync(join(root, 'shmring/binding.gyp'), new Date(), new Date())
  t.is(buildAddon(root, { CXX: 'no-such-compiler' }).status, 0)
  t.like(statSync(join(root, addon)), { ino: before.ino, mtimeMs: before.mtimeMs })
})

test('changed sources are built, against the headers of the Node that runs', (t) => {
  const root = checkout(t)
  const before = statSync(join(root, addon))
  appendFileSync(join(root, 'shmring/core/errors.c'), '\n')
  const { status, stderr } = buildAddon(root, { npm_config_nodedir: '/nonexistent' })
  t.is(status, 0, stderr)
  t.not(statSync(join(root, addon)).mtimeMs, before.mtimeMs)
})

test('without a compiler there is a warning and no outdated addon', (t) => {
  const root = checkout(t)
  appendFileSync(join(root, 'shmring/core/errors.c'), '\n')
  const { status, stderr } = buildAddon(root, { CXX: 'no-such-compiler' })
  t.is(status, 0)
  t.regex(stderr, /not built: this machine has no working no-such-compiler/)
  t.false(existsSync(join(root, addon)))
})

test('sources that do not compile are an error, every time', (t) => {
  const root = checkout(t)
  appendFileSync(join(root, 'shmring/core/errors.c'), '\n#error broken\n')
  t.is(buildAddon(root).status, 1)
  t.is(buildAddon(root).status, 1)
})
