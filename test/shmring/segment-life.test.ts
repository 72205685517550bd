import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import test from 'ava'
import { testWhen } from './fixtures.js'
import { type Outcome, runScenario } from './segment-fixtures.js'

const onLinux = testWhen(process.platform === 'linux', 'only Linux has segments')

/** Node 20 has it behind a flag. */
const TRANSFER_FLAGS = 'transfer' in ArrayBuffer.prototype ? [] : ['--harmony-rab-gsab-transfer']

function expectOutcome(t: ExecutionContext, outcome: Outcome, stdout: string, code = 0): void {
  t.deepEqual(outcome, { code, signal: null, stdout: `${stdout}\n`, stderr: '' })
}

onLinux('a process may exit with views, loans and an attach in the air', async (t) => {
  expectOutcome(t, await runScenario(t, 'exit'), '3', 7)
})

onLinux('views and loans outlive the handles that they came from', async (t) => {
  expectOutcome(t, await runScenario(t, 'exit closed'), '2 65', 7)
})

onLinux('closed handles are unmapped once their last buffer is collected', async (t) => {
  expectOutcome(t, await runScenario(t, 'unmap late', { nodeFlags: ['--expose-gc'] }), '2 0')
})

onLinux('handles that nobody closes go with their objects', async (t) => {
  expectOutcome(t, await runScenario(t, 'forgotten handles', { nodeFlags: ['--expose-gc'] }), '3 0')
})

onLinux('who writes to a view is ended by a fault', async (t) => {
  t.like(await runScenario(t, 'write to a view'), { signal: 'SIGSEGV', stdout: 'before\n' })
})

onLinux('a view that nobody releases is told once it is collected, and once only', async (t) => {
  expectOutcome(t, await runScenario(t, 'forgotten view', { nodeFlags: ['--expose-gc'] }), '0,2 0')
})

onLinux(
  'a view that has been transferred is not released, and told when its heir is collected',
  async (t) => {
    const nodeFlags = ['--expose-gc', ...TRANSFER_FLAGS]
    expectOutcome(t, await runScenario(t, 'escaped view', { nodeFlags }), 'false seen 0 0')
  },
)

onLinux('a loan that has been transferred is not whole', async (t) => {
  expectOutcome(t, await runScenario(t, 'escaped loan', { nodeFlags: TRANSFER_FLAGS }), 'false 1000')
})

onLinux('threads may end with everything open, and leave no map behind', async (t) => {
  expectOutcome(t, await runScenario(t, 'workers'), '0')
})

onLinux('an attach tells when there is no descriptor left, and works again when there is', async (t) => {
  expectOutcome(t, await runScenario(t, 'no descriptor left'), 'EMFILE,OK')
})

const MEMORY_LIMIT_BYTES = 192 << 20

/** A control group of its own with a memory limit, where this user may make one; removed after the test. */
function limitedGroup(t: ExecutionContext): string | undefined {
  const name = `ringbus-test-${process.pid}`
  for (const [mount, limit] of [
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
    ['/sys/fs/cgroup', 'memory.max'],
  ]) {
    if (!existsSync(`${mount}/${limit}`) && !existsSync(`${mount}/cgroup.controllers`)) continue
    const folder = `${mount}/${name}`
    try {
      mkdirSync(folder)
      t.teardown(() => rmdirSync(folder))
      writeFileSync(`${folder}/${limit}`, String(MEMORY_LIMIT_BYTES))
      return `${folder}/cgroup.procs`
    } catch {}
  }
  return undefined
}

// Where no group can be made, there is nothing to see: the C core's tests read limits from files.
test('near a memory limit a claim is refused, where the kernel would kill', async (t) => {
  const procs = limitedGroup(t)
  if (procs === undefined) return void t.pass()
  const { code, stdout, stderr } = await runScenario(t, 'memory limit', { args: [procs] })
  t.is(code, 0, stderr)
  const [large, small, reservedBytes] = stdout.split(' ')
  t.is(large, 'ENOMEM')
  t.is(small, '0')
  t.is(Number(reservedBytes), 1 << 20)
})
