import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { type BrokerOptions, startBroker } from '../../broker/index.js'
import { filesBelow, PROJECT_ROOT, readProjectFile } from '../project-files.js'

const EXAMPLES = filesBelow('examples')
  .filter((path) => path.endsWith('/main.ts'))
  .map((path) => path.slice('examples/'.length, -'/main.ts'.length))

/** Runs an example as its README says; throws unless it ends with 0 and prints nothing to standard error. */
async function run(name: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { RINGBUS_SOCKET: _, ...inherited } = process.env
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [`dist/examples/${name}/main.js`], {
    cwd: PROJECT_ROOT,
    env: { ...inherited, ...env },
  })
  if (stderr !== '') throw new Error(stderr)
  return stdout
}

/** What the README says that the example prints: its last block of code. */
function expectedOutput(name: string): string {
  const blocks = [...readProjectFile(`examples/${name}/README.md`).matchAll(/```text\n(.*?)```/gs)]
  return blocks.at(-1)![1]!
}

/** The workers of this one are free to end in any order. */
function sortedLines(text: string): string[] {
  return text.split('\n').sort()
}

test('every folder is an example', (t) => {
  t.deepEqual(EXAMPLES.toSorted(), [
    'embedded-broker',
    'last-values',
    'picture-frames',
    'priorities',
    'pub-sub',
    'request-reply',
    'slow-readers',
    'streaming-replies',
    'work-sharing',
  ])
})

/** Their output depends on how busy the machine is. */
const TESTED_ALONE: readonly string[] = ['picture-frames', 'slow-readers', 'work-sharing']

for (const name of EXAMPLES) {
  if (!TESTED_ALONE.includes(name)) {
    test(`${name} prints what its README says`, async (t) => {
      t.is(await run(name), expectedOutput(name))
    })
  }

  test(`the README of ${name} says how to run it`, (t) => {
    t.true(readProjectFile(`examples/${name}/README.md`).includes(`node dist/examples/${name}/main.js`))
  })
}

test('work-sharing does each job once, and every worker has some', async (t) => {
  const output = await run('work-sharing')
  const jobs = [...output.matchAll(/^worker [123] has done job (\d)$/gm)].map(([, job]) => Number(job))
  t.deepEqual(
    jobs.sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
  t.regex(output, /^9 jobs done, none twice; 0 workers had nothing to do$/m)
  t.is(sortedLines(output).length, sortedLines(expectedOutput('work-sharing')).length)
})

test('slow-readers prints what its README says', async (t) => {
  // However busy the machine is, the recorder takes what was on its way when the sensor was paused.
  const broker = await externalBroker(t, { pauseTimeoutMs: 60_000 })
  const output = await run('slow-readers', { RINGBUS_SOCKET: broker.path })
  t.is(output, expectedOutput('slow-readers'))
})

test('picture-frames passes every frame through shared memory', async (t) => {
  // However busy the machine is, the viewer has the time to map the ring.
  const broker = await externalBroker(t, { attachTimeoutMs: 60_000 })
  const output = await run('picture-frames', { RINGBUS_SOCKET: broker.path })
  t.is(output, expectedOutput('picture-frames'))
})

test('picture-frames shows the same pictures without the addon', async (t) => {
  const output = await run('picture-frames', { RINGBUS_NO_ADDON: '1' })
  t.is(output, expectedOutput('picture-frames').replace(/^5 of/m, '0 of'))
})

test('an example uses the broker that $RINGBUS_SOCKET names', async (t) => {
  const broker = await externalBroker(t)
  t.is(await run('pub-sub', { RINGBUS_SOCKET: broker.path }), expectedOutput('pub-sub'))
  await t.throwsAsync(run('pub-sub', { RINGBUS_SOCKET: `${broker.path}.gone` }), { message: /NO_BROKER/ })
})

async function externalBroker(t: ExecutionContext, options: BrokerOptions = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'ringbus-test-examples-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const broker = await startBroker({ path: join(directory, 'broker.sock'), ...options })
  t.teardown(() => broker.close())
  return broker
}
