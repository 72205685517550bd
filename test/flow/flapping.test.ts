import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import type { Child } from '../broker/processes.js'
import { eventually } from '../client/ring-fixtures.js'
import { createRandom } from '../deaths/random.js'
import { Audit, droppedOf, rowsOf } from './books.js'
import { Company } from './company.js'

const SEED = Number(process.env.RINGBUS_FLOW_SEED ?? Math.floor(Math.random() * 2 ** 31))

const SUBSCRIBERS = 20
const COUNT = 12_000

/** Shorter than the broker waits before it holds publishers up no longer, so each of them takes something in that time. */
const SLEEP_MS_MAX = 900
const WAKE_MS_MAX = 300

/** Stops and continues a process at random times until it is told to end; leaves it running. */
async function flap(child: Child, random: () => number, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await delay(random() * WAKE_MS_MAX)
    await child.stop()
    await delay(random() * SLEEP_MS_MAX)
    child.continue()
  }
}

test('[FLOW-2] twenty subscribers that stop and go on at random do not park their publisher', async (t) => {
  t.log(`seed ${SEED}; RINGBUS_FLOW_SEED=${SEED} repeats the times`)
  const random = createRandom(SEED)
  const company = await Company.open(t, { backlogBytesMax: 2 * 1024 * 1024 })
  const names = Array.from({ length: SUBSCRIBERS }, (_, index) => `flapping ${index}`)
  const part = { subscriptions: [{ pattern: 'data' }] }
  await company.subscribe(Object.fromEntries(names.map((name) => [name, part])))
  const audit = new Audit(company.observer)
  audit.begin()
  let isOver = false
  const flapping = names.map((name) => flap(company.subscriber(name), random, () => isOver))
  await company.publish(1, { topics: ['data'], byteLengths: [1000], count: COUNT })
  await company.finish()
  isOver = true
  await Promise.all(flapping)
  for (const name of names) {
    await eventually(async () => {
      const [row] = await rowsOf(company.observer, name)
      return row!.queued + row!.inFlight === 0
    })
    const [row] = await rowsOf(company.observer, name)
    const [report] = await company.report(name)
    const { handled, missing, fault } = report!
    t.is(fault, undefined)
    t.deepEqual([row!.matched, row!.handled, droppedOf(row!)], [COUNT, handled, missing])
  }
  await audit.end()
  t.deepEqual(audit.faults, [])
})
