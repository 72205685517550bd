import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import {
  isProcessorTimeKnown,
  ProcessorWatch,
  processorNs,
  processorTicks,
} from '../../bench/processor-time.js'

const BUSY_NS = 200e6
const TICK_NS = 10e6

type Check = (t: ExecutionContext) => void | Promise<void>

function linux(title: string, check: Check): void {
  if (isProcessorTimeKnown) test(title, check)
  else test.skip(`${title} (skipped: the system keeps no account of processor time)`, check)
}

/** Keeps this process busy until the kernel says that it has run for so long. */
function runFor(ns: number): void {
  const end = processorNs(process.pid) + ns
  while (processorNs(process.pid) < end);
}

linux('what a process runs is counted, in nanoseconds and in clock ticks alike', (t) => {
  const watch = new ProcessorWatch({ own: [process.pid] })
  const ticks = processorTicks(process.pid)
  runFor(BUSY_NS)
  const { own } = watch.spentNs()
  t.true(own >= BUSY_NS)
  const ticksSpent = processorTicks(process.pid) - ticks
  // Both sides are read at slightly different times, and ticks are whole.
  t.true(Math.abs(ticksSpent - own / TICK_NS) <= 5, `${ticksSpent} ticks, ${own} ns`)
})

linux('threads count, and every process of a group', async (t) => {
  const script = `
    const { Worker } = require('node:worker_threads')
    new Worker('for (;;);', { eval: true }).once('online', () => console.log('running'))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const watch = new ProcessorWatch({ both: [process.pid, child.pid!], own: [process.pid] })
  const before = processorNs(child.pid!)
  while (processorNs(child.pid!) < before + BUSY_NS) await new Promise((resolve) => setTimeout(resolve, 5))
  const { both, own } = watch.spentNs()
  t.true(both - own >= BUSY_NS / 2, `${both} ns, of which ${own} of this process`)
})

linux('a process that is not there is an error', (t) => {
  t.throws(() => processorNs(2 ** 22 + 1))
})
