import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { delimiter } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { brokerIn, clientOf, socketIn } from '../client/fixtures.js'
import { allReleased } from '../client/ring-fixtures.js'

const CHILD = fileURLToPath(new URL('ring-child.js', import.meta.url))

const OTHERS = (process.env['RINGBUS_TEST_NODES'] ?? '').split(delimiter).filter((node) => node !== '')

/** A Node, and what it needs to have `ArrayBuffer.prototype.transfer`. */
interface Runtime {
  readonly path: string
  readonly flags: readonly string[]
}

/** However busy the machine is, readers have the time to map a ring. */
const PATIENT = { attachTimeoutMs: 60_000 }

/** Runs a scenario under a Node; throws what it wrote unless it ends with this code and no complaint. */
async function run(
  t: ExecutionContext,
  node: Runtime,
  scenario: string,
  path: string,
  code = 0,
): Promise<Record<string, unknown>> {
  const child = spawn(node.path, [...node.flags, CHILD, scenario, path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [stdout, stderr, [exitCode, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  t.deepEqual({ exitCode, signal, stderr }, { exitCode: code, signal: null, stderr: '' })
  return JSON.parse(stdout)
}

/** The same with a broker of this process, which must find that everything was given back. */
async function runOnBroker(
  t: ExecutionContext,
  node: Runtime,
  scenario: string,
  code = 0,
): Promise<Record<string, unknown>> {
  const path = await brokerIn(t, PATIENT)
  const report = await run(t, node, scenario, path, code)
  await allReleased(await clientOf(t, path))
  return report
}

function testUnder(path: string): void {
  const print = `process.version + ' ' + ('transfer' in ArrayBuffer.prototype)`
  const [version, hasTransfer] = execFileSync(path, ['-p', print], { encoding: 'utf8' }).trim().split(' ')
  const under = { path, flags: hasTransfer === 'true' ? [] : ['--harmony-rab-gsab-transfer'] }

  test(`Node ${version}: a view reads nothing after its release`, async (t) => {
    t.deepEqual(await runOnBroker(t, under, 'released'), {
      node: version,
      wasRight: true,
      length: 0,
      byte: null,
      elements: 0,
      code: 'INVALID_ARGUMENT',
      read: 'TypeError',
    })
  })

  test(`Node ${version}: a view that was moved holds its lease until its heir is collected`, async (t) => {
    const report = await runOnBroker(t, under, 'escaped')
    t.deepEqual(report, { node: version, isReadable: true, length: 0, leases: 1 })
  })

  test(`Node ${version}: clones and other threads get a copy of a view or nothing, and it is released`, async (t) => {
    const { byClone, byThread, ...report } = await runOnBroker(t, under, 'passed on')
    t.deepEqual(report, { node: version, lengths: [0, 0] })
    t.false([byClone, byThread].includes('wrong'), `${byClone}, ${byThread}`)
  })

  test(`Node ${version}: threads end in any way, with views and loans open`, async (t) => {
    t.deepEqual(await runOnBroker(t, under, 'threads'), {
      node: version,
      seen: [true, true, true],
      fromThreads: [true, true, true],
      areHeld: true,
    })
  })

  test(`Node ${version}: a process exits with views and loans open`, async (t) => {
    const report = await runOnBroker(t, under, 'exit', 7)
    t.deepEqual(report, { node: version, isReadable: true, loaned: 20_000 })
  })

  test(`Node ${version}: rings keep no process alive`, async (t) => {
    const report = await runOnBroker(t, under, 'end')
    t.deepEqual(report, { node: version, isReadable: true, length: 0, loaned: 0 })
  })

  test(`Node ${version}: views outlive their broker, and rings come back with the next one`, async (t) => {
    t.deepEqual(await run(t, under, 'reconnect', socketIn(t)), {
      node: version,
      wasRight: true,
      isRight: true,
      staysRight: true,
      length: 0,
      hasDelivered: true,
    })
  })
}

for (const node of [process.execPath, ...OTHERS]) testUnder(node)

if (OTHERS.length === 0) {
  test.skip('another Node (skipped: RINGBUS_TEST_NODES names none; see CONTRIBUTING.md)', () => {})
}
