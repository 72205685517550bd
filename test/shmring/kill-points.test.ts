import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test from 'ava'
import { killPoint } from '../../shmring/index.js'
import { COMPILING_MS, nativeHost, projectRoot, testWhen } from './fixtures.js'
import { runScenario } from './segment-fixtures.js'

const onLinux = testWhen(process.platform === 'linux', 'only Linux has segments')
const addon = join(projectRoot, 'shmring/build-kill/Release/ringbus.node')

/** Where the C core may be killed, in the order in which one process with all three sides gets there. */
const POINTS = [
  'broker:segment-created',
  'client:before-attach',
  'client:attached',
  'broker:before-seal',
  'broker:sealed',
  'publisher:before-claim',
  'publisher:while-writing',
  'broker:before-post',
  'broker:after-post',
  'broker:pair-created',
  'client:pair-mapped',
  'pair:while-writing',
  'pair:written',
  'pair:while-reading',
]

test.before('the addon with kill points is built', async (t) => {
  t.timeout(COMPILING_MS)
  const script = join(projectRoot, 'scripts/build-addon.mjs')
  const build = spawn(process.execPath, [script, '--kill-points'], { stdio: ['ignore', 'ignore', 'pipe'] })
  const [errors, [status]] = await Promise.all([text(build.stderr), once(build, 'close')])
  t.is(status, 0, errors)
})

test('the addon that is shipped has no kill points', (t) => {
  t.is(nativeHost().killPoint, undefined)
  t.is(killPoint, undefined)
})

onLinux('each kill point of the C core kills its process, as kill -9 does', async (t) => {
  for (const point of POINTS) {
    const env = { RINGBUS_ADDON: addon, RINGBUS_KILL_POINT: point }
    t.like(await runScenario(t, 'life', { env }), { code: null, signal: 'SIGKILL', stdout: 'alive\n' }, point)
  }
})

onLinux('a kill point may wait for a later hit, and other names do nothing', async (t) => {
  for (const point of ['client:attached:4', 'client:attach', 'client:attached:x', 'client', '']) {
    const env = { RINGBUS_ADDON: addon, RINGBUS_KILL_POINT: point }
    t.like(await runScenario(t, 'life', { env }), { code: 0, stdout: 'alive\nat the end\n' }, point)
  }
  const env = { RINGBUS_ADDON: addon, RINGBUS_KILL_POINT: 'client:attached:2' }
  t.like(await runScenario(t, 'life', { env }), { code: null, signal: 'SIGKILL' })
})

test('TypeScript has kill points of its own in such a build', (t) => {
  const program = `import { killPoint } from './dist/shmring/index.js'
    killPoint?.('other:point'); console.log(typeof killPoint); killPoint?.('some:point'); console.log('after')`
  const { signal, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: projectRoot,
    env: { ...process.env, RINGBUS_ADDON: addon, RINGBUS_KILL_POINT: 'some:point' },
    encoding: 'utf8',
  })
  t.is(signal, 'SIGKILL')
  t.is(stdout, 'function\n')
})
