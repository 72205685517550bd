import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { brokerIn, clientOf, settled, until } from './fixtures.js'
import {
  allReleased,
  eventually,
  LARGE_BYTES,
  leases,
  mapRing,
  openRing,
  ringStats,
} from './ring-fixtures.js'

const CHILD = fileURLToPath(new URL('./ring-child.js', import.meta.url))

interface Child {
  /** The next line that it prints. */
  readonly line: () => Promise<string>
  /** The exit code and the signal. */
  readonly exit: Promise<unknown[]>
}

function childOf(t: ExecutionContext, what: string, path: string, env: NodeJS.ProcessEnv = {}): Child {
  const child = spawn(process.execPath, [CHILD, what, path], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return { line: async () => String((await lines.next()).value), exit: once(child, 'exit') }
}

test('a process without the addon takes part: views are copies, loans travel inline', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const got: Buffer[] = []
  await bus.subscribe<Buffer>('from-child', ({ data }) => got.push(data)).ready
  const child = childOf(t, 'plain', path, { RINGBUS_NO_ADDON: '1' })
  t.is(await child.line(), 'ready')
  await openRing(bus)
  const { committed } = await ringStats(bus)
  for (let number = 0; number < 3; number++) bus.publish('to-child', Buffer.alloc(LARGE_BYTES, number))
  await until(() => got.length === 3)
  t.deepEqual(
    got,
    [0, 1, 2].map((number) => Buffer.alloc(LARGE_BYTES, number)),
  )
  t.is((await ringStats(bus)).committed, committed + 3, 'what the child sent went inline')
})

test('a process may exit while it holds views and loans, and holds nothing afterwards', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const child = childOf(t, 'hold', path)
  t.is(await child.line(), `ready ${LARGE_BYTES}`)
  await openRing(bus)
  bus.publish('to-child', Buffer.alloc(LARGE_BYTES))
  t.is(await child.line(), `held ${LARGE_BYTES}`)
  bus.publish('exit', null)
  t.deepEqual(await child.exit, [0, null])
  await allReleased(bus)
})

test('threads have clients of their own, with rings of their own', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  const sums: number[] = []
  await bus.subscribe<Uint32Array>('from-child', { view: true }, ({ data }) => {
    sums.push(data.reduce((sum, value) => sum + value, 0))
  }).ready
  const workers = [0, 1].map(() => new Worker(CHILD, { workerData: ['echo', path] }))
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  await openRing(bus)
  for (let number = 0; number < 20; number++) {
    bus.publish('to-child', new Uint32Array(LARGE_BYTES).fill(number))
    await until(() => sums.length === 2 * (number + 1))
  }
  t.deepEqual(
    sums,
    Array.from({ length: 40 }, (_, index) => ((index >>> 1) + 1) * LARGE_BYTES),
  )
  t.true((await ringStats(bus)).committed > 20, 'the workers published by ring as well')
  await allReleased(bus)
  for (const worker of workers) await worker.terminate()
})

test('a thread may be ended while it holds views and loans', async (t) => {
  const path = await brokerIn(t)
  const bus = await clientOf(t, path)
  await openRing(bus)
  for (let round = 0; round < 3; round++) {
    const worker = new Worker(CHILD, { workerData: ['hold', path] })
    t.deepEqual(await once(worker, 'message'), [`ready ${LARGE_BYTES}`])
    const held = once(worker, 'message')
    await eventually(async () => {
      bus.publish('to-child', Buffer.alloc(LARGE_BYTES))
      return (await leases(bus)) > 0
    })
    t.deepEqual(await held, [`held ${LARGE_BYTES}`])
    await worker.terminate()
    await allReleased(bus)
  }
  await mapRing(bus, bus)
  await settled(bus)
  t.pass()
})
