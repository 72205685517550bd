import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import type { Child } from '../broker/processes.js'
import { eventually, ringStats } from '../client/ring-fixtures.js'
import { createRandom } from '../deaths/random.js'
import { Audit, droppedOf, rowsOf } from './books.js'
import { Company } from './company.js'

const SEED = Number(process.env.RINGBUS_FLOW_SEED ?? Math.floor(Math.random() * 2 ** 31))

/** Messages of each publisher. */
const COUNT = Number(process.env.RINGBUS_FLOW_COUNT ?? 1_300)

const KIB = 1024
const PRIORITIES = Array.from({ length: 32 }, (_, priority) => priority)

/** Rings that are full all the time, readers that are often too late, and backlogs of a few dozen large messages. */
const SETTINGS = {
  ringBytes: 512 * KIB,
  attachTimeoutMs: 20,
  leaseTimeoutMs: 300,
  backlogBytesMax: 1024 * KIB,
  pauseTimeoutMs: 300,
}

const POLICIES = ['block', 'drop-oldest', 'drop-newest', 'latest'] as const

/** One subscription of each policy, to all topics or to one, by views and by copies. */
function subscriptions(workMs: number, view: boolean) {
  return POLICIES.map((overflow, index) => ({
    pattern: index % 2 === 0 ? 'data.>' : 'data.a',
    options: { overflow, view },
    workMs,
  }))
}

async function flap(child: Child, random: () => number, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await delay(random() * 300)
    await child.stop()
    await delay(random() * 600)
    child.continue()
  }
}

test('[ORDER-2] the order of a publisher, topic and priority holds, whatever way, policy and trouble messages meet', async (t) => {
  t.log(`seed ${SEED}; RINGBUS_FLOW_SEED=${SEED} repeats what is published, and when who stops`)
  const random = createRandom(SEED)
  const company = await Company.open(t, SETTINGS)
  const { observer } = company
  await company.subscribe({
    copies: { subscriptions: subscriptions(0, false) },
    views: { subscriptions: subscriptions(0, true) },
    slow: { subscriptions: subscriptions(6, true) },
    flapping: { subscriptions: subscriptions(0, false) },
    leaving: {
      subscriptions: [{ pattern: 'data.>', options: { overflow: 'disconnect' }, workMs: 10 }],
      reconnect: true,
    },
  })
  const audit = new Audit(observer)
  audit.begin()
  await company.publish(3, {
    topics: ['data.a', 'data.b', 'data.c'],
    priorities: PRIORITIES,
    byteLengths: [20, 100, 1000, 17 * KIB, 40 * KIB, 90 * KIB],
    count: COUNT,
    seed: SEED,
  })
  let isOver = false
  const flapping = flap(company.subscriber('flapping'), random, () => isOver)
  await company.finish()
  isOver = true
  await flapping
  for (const name of ['copies', 'views', 'slow', 'flapping']) {
    await eventually(async () =>
      (await rowsOf(observer, name)).every(({ queued, inFlight }) => queued + inFlight === 0),
    )
    const rows = await rowsOf(observer, name)
    const all = await company.report(name, 'data.')
    const ofOne = await company.report(name, 'data.a')
    for (const [index, row] of rows.entries()) {
      const { handled, missing, fault } = (row.pattern === 'data.>' ? all : ofOne)[index]!
      t.is(fault, undefined, `${name}, ${row.overflow}`)
      t.deepEqual([row.handled, droppedOf(row)], [handled, missing], `${name}, ${row.overflow}`)
    }
  }
  const [leaving] = await company.report('leaving')
  t.is(leaving!.fault, undefined)
  await audit.end()
  t.deepEqual(audit.faults, [])
  const { committed, delivered, inlined } = await ringStats(observer)
  t.log({ committed, delivered, inlined, looks: audit.looks })
  t.true(committed > 100 && delivered > 100 && inlined > 0)
})
