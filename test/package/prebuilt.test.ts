import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  copyCheckout,
  copyProject,
  type Outcome,
  PATIENCE_MS,
  PREBUILT,
  run,
  temporaryDirectory,
} from './fixtures.js'

const BUILT = 'shmring/build/Release/ringbus.node'
const HASH = join(dirname(PREBUILT), 'sources.sha256')
const OWN = basename(dirname(PREBUILT))

/** Of another platform than the one that runs this, whichever that is. */
const FOREIGN = OWN === 'linux-arm64-musl' ? 'linux-x64' : 'linux-arm64-musl'

/** What scripts/prebuilt.mjs needs of a checkout, with the addon that was built here. */
function checkout(t: ExecutionContext): string {
  const root = join(temporaryDirectory(t), 'a checkout')
  for (const folder of ['scripts', 'shmring', 'dist/shmring', 'package.json']) {
    copyProject(folder, join(root, folder))
  }
  return root
}

function prebuilt(root: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return run(root, [process.execPath, 'scripts/prebuilt.mjs', ...args], env)
}

/** As a job on another machine leaves it here. */
function bring(root: string, name: string, addon: string, hash: string): void {
  const folder = join(root, 'prebuilds', name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'ringbus.node'), addon)
  writeFileSync(join(folder, 'sources.sha256'), hash)
}

async function hashOfSources(root: string): Promise<string> {
  await prebuilt(root)
  return readFileSync(join(root, HASH), 'utf8')
}

test('the addon that was built here is placed, without symbols for debuggers', async (t) => {
  const root = checkout(t)
  const { exitCode, stdout, stderr } = await prebuilt(root)
  t.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' })
  t.true(stdout.startsWith(`${PREBUILT}: `))
  t.deepEqual(readdirSync(join(root, 'prebuilds', OWN)).sort(), ['ringbus.node', 'sources.sha256'])
  if (process.platform !== 'linux') return
  const symbols = (path: string) => readFileSync(join(root, path), 'latin1').includes('\0.symtab\0')
  t.deepEqual([symbols(BUILT), symbols(PREBUILT)], [true, false])
})

test('addons from other machines stay beside the one that was built here', async (t) => {
  const root = checkout(t)
  bring(root, FOREIGN, 'the addon of the other', await hashOfSources(root))
  const { exitCode, stdout } = await prebuilt(root)
  t.is(exitCode, 0)
  t.true(stdout.includes(`prebuilds/${FOREIGN}/ringbus.node: `) && stdout.includes(`${PREBUILT}: `))
  const path = join(root, 'prebuilds', FOREIGN, 'ringbus.node')
  t.is(readFileSync(path, 'utf8'), 'the addon of the other')
})

test('an addon for this platform from another machine is kept, and may need a libc of its own', async (t) => {
  const root = checkout(t)
  bring(root, OWN, 'made \0GLIBC_2.9\0GLIBC_2.17\0 elsewhere', await hashOfSources(root))
  const { exitCode, stdout, stderr } = await prebuilt(root)
  t.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' })
  t.is(stdout, `${PREBUILT}: 1 kB, needs GLIBC_2.17\n`)
  t.is(readFileSync(join(root, PREBUILT), 'utf8'), 'made \0GLIBC_2.9\0GLIBC_2.17\0 elsewhere')
})

test('an addon that needs a newer libc than Node 20 does is packed with a warning', async (t) => {
  const root = checkout(t)
  bring(root, OWN, '\0GLIBC_2.4\0GLIBC_2.100\0GLIBCXX_3.4.9\0', await hashOfSources(root))
  const { exitCode, stdout, stderr } = await prebuilt(root)
  t.is(exitCode, 0)
  t.true(stdout.includes('needs GLIBC_2.100, GLIBCXX_3.4.9'))
  t.regex(stderr, /^Warning: that is newer than GLIBC_2\.28/m)
  t.notRegex(stderr, /GLIBCXX_3\.4\.9/)
})

test('an addon for this platform that was made from other sources is made anew', async (t) => {
  const root = checkout(t)
  bring(root, OWN, 'of last year', '0123456789abcdef\n')
  t.is((await prebuilt(root)).exitCode, 0)
  t.true(statSync(join(root, PREBUILT)).size > 10_000)
})

test('addons from other machines that were made from other sources are refused', async (t) => {
  const root = checkout(t)
  bring(root, FOREIGN, 'of last year', '0123456789abcdef\n')
  mkdirSync(join(root, 'prebuilds/empty'))
  const { exitCode, stderr } = await prebuilt(root)
  t.is(exitCode, 1)
  t.true(stderr.includes(`not made from the sources that are here: ${['empty', FOREIGN].sort().join(', ')}.`))
  t.is((await prebuilt(root, ['--if-built'])).exitCode, 0)
})

test('what was built from other sources than those that are here is not packed', async (t) => {
  const root = checkout(t)
  appendFileSync(join(root, 'shmring/core/errors.c'), '\n')
  const { exitCode, stderr } = await prebuilt(root)
  t.is(exitCode, 1)
  t.true(stderr.includes(`no native addon for this platform, ${OWN}: it was not built here`))
  t.false(existsSync(join(root, PREBUILT)))
})

test('an addon that does not load is not packed', async (t) => {
  const root = checkout(t)
  writeFileSync(join(root, BUILT), 'no addon')
  t.not((await prebuilt(root)).exitCode, 0)
  t.false(existsSync(join(root, PREBUILT)))
})

test('without an addon packing is an error, unless it is allowed', async (t) => {
  const root = checkout(t)
  rmSync(join(root, 'shmring/build'), { recursive: true })
  const refused = await prebuilt(root)
  t.is(refused.exitCode, 1)
  t.regex(refused.stderr, /RINGBUS_PACK_WITHOUT_ADDON=1 makes a package without it on purpose/)
  const allowed = await prebuilt(root, [], { RINGBUS_PACK_WITHOUT_ADDON: '1' })
  t.is(allowed.exitCode, 0)
  t.regex(allowed.stderr, /^Warning: the package has no native addon for this platform/m)
  t.deepEqual(await prebuilt(root, ['--if-built']), { exitCode: 0, stdout: '', stderr: '' })
})

test('npm pack makes no package when the addon cannot be built', async (t) => {
  t.timeout(PATIENCE_MS)
  const root = join(temporaryDirectory(t), 'a checkout')
  copyCheckout(root)
  rmSync(join(root, 'shmring/build'), { recursive: true })
  const { exitCode, stdout, stderr } = await run(root, ['npm', 'pack'], { CXX: 'no-such-compiler' })
  t.not(exitCode, 0)
  t.true(`${stdout}${stderr}`.includes('Error: the package has no native addon for this platform'))
  t.deepEqual(
    readdirSync(root).filter((name) => name.endsWith('.tgz')),
    [],
  )
})
