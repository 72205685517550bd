import test from 'ava'
import { eventually } from '../client/ring-fixtures.js'
import { Audit, droppedOf, rowsOf, type SubscriptionRow, statsOf } from './books.js'
import { Company, sumOf } from './company.js'

const MIB = 1024 * 1024

const PUBLISHERS = 10

/** What one subscription may have queued, and may get beyond that while its publishers are being paused. */
const BACKLOG_BYTES = 2 * MIB
const SLACK_BYTES = 16 * MIB

/** What the broker may take beside its backlogs: code that is compiled late, garbage, buffers of sockets. */
const BROKER_BYTES = 64 * MIB

/** Who is awake takes something in this time, however busy the machine is. */
const PAUSE_TIMEOUT_MS = 2_000

const SETTINGS = {
  backlogBytesMax: BACKLOG_BYTES,
  pauseSlackBytes: SLACK_BYTES,
  pauseTimeoutMs: PAUSE_TIMEOUT_MS,
  // The rings of fifteen busy streams are memory as well, but not what is measured here.
  pairBytes: 256 * 1024,
}

const POLICIES = ['block', 'drop-oldest', 'drop-newest', 'latest'] as const

const ALL_POLICIES = POLICIES.map((overflow) => ({ pattern: 'data.>', options: { overflow } }))

async function handledBy(company: Company, name: string): Promise<number> {
  return (await rowsOf(company.observer, name)).reduce((sum, { handled }) => sum + handled, 0)
}

async function goesOn(company: Company, name: string, messages: number): Promise<void> {
  const before = await handledBy(company, name)
  await eventually(async () => (await handledBy(company, name)) >= before + messages)
}

function sum(rows: readonly SubscriptionRow[], count: (row: SubscriptionRow) => number): number {
  return rows.reduce((total, row) => total + count(row), 0)
}

test('[FLOW-2] one subscriber is stopped, one is killed, and ten publishers: others go on, and the counts add up', async (t) => {
  const company = await Company.open(t, SETTINGS)
  const { observer } = company
  await company.subscribe({
    stopped: { subscriptions: ALL_POLICIES },
    killed: { subscriptions: ALL_POLICIES },
    reader: { subscriptions: [{ pattern: 'data.>' }] },
    other: { subscriptions: [{ pattern: 'other.>' }] },
  })
  const topics = ['data.a', 'data.b', 'other.c']
  await company.publish(PUBLISHERS, { topics, byteLengths: [200, 1000], priorities: [0, 0, 0, 5] })
  await goesOn(company, 'reader', 5_000)
  const audit = new Audit(observer)
  const { rss } = (await statsOf(observer)).memory
  const routedBefore = (await statsOf(observer)).messagesRouted
  audit.begin()

  const [stopped, killed] = [company.subscriber('stopped'), company.subscriber('killed')]
  await Promise.all([stopped.stop(), killed.stop()])
  // Publishers are held up for it no longer than the broker waits.
  for (const name of ['stopped', 'killed']) {
    await eventually(async () => (await rowsOf(observer, name))[0]!.slowSinceMs !== null)
  }
  const progress = await company.progress()
  await goesOn(company, 'reader', 50_000)
  await goesOn(company, 'other', 10_000)
  await eventually(async () => {
    const now = await company.progress()
    return now.every((messages, publisher) => messages >= progress[publisher]! + 1_000)
  })
  company.stopPublishing()
  await company.finish()

  const routed = (await statsOf(observer)).messagesRouted - routedBefore
  const bound = 2 * (POLICIES.length * BACKLOG_BYTES + SLACK_BYTES) + BROKER_BYTES
  t.log(`${routed} messages routed; memory grew by ${Math.round((audit.rssMax - rss) / MIB)} MiB`)
  t.true(audit.rssMax - rss <= bound, `memory grew by ${audit.rssMax - rss} bytes`)

  for (const overflow of POLICIES) {
    const bytesMax = overflow === 'block' ? BACKLOG_BYTES + SLACK_BYTES : BACKLOG_BYTES
    t.true(
      audit.queuedBytesMax[overflow]! <= bytesMax,
      `${overflow}: ${audit.queuedBytesMax[overflow]} bytes queued`,
    )
  }

  const before = await statsOf(observer)
  const rowsOfKilled = await rowsOf(observer, 'killed')
  await killed.end('SIGKILL')
  await eventually(async () => (await rowsOf(observer, 'killed')).length === 0)
  const after = await statsOf(observer)
  const [queued, inFlight] = [
    sum(rowsOfKilled, (row) => row.queued),
    sum(rowsOfKilled, (row) => row.inFlight),
  ]
  t.true(queued > 0 && inFlight > 0)
  const since = (reason: string) => after.deliveries.droppedBy[reason]! - before.deliveries.droppedBy[reason]!
  // Until the broker hears of the death, the socket takes what is queued: that is on its way, to nobody.
  t.is(since('ended') + since('lost'), queued + inFlight)
  t.true(since('lost') >= inFlight)

  stopped.continue()
  const names = ['stopped', 'reader', 'other']
  for (const name of names) {
    await eventually(async () =>
      (await rowsOf(observer, name)).every(({ queued, inFlight }) => queued + inFlight === 0),
    )
    const prefix = name === 'other' ? 'other.' : 'data.'
    const published = sumOf(company.publishedOn(prefix))
    const reports = await company.report(name, prefix)
    for (const [index, row] of (await rowsOf(observer, name)).entries()) {
      const { handled, missing, fault } = reports[index]!
      t.is(fault, undefined)
      t.deepEqual([row.matched, row.handled, droppedOf(row)], [published, handled, missing], row.overflow)
      t.true(name === 'stopped' ? missing > 0 : missing === 0, `${missing} are missing at ${name}`)
    }
  }
  t.true((await company.report('stopped'))[0]!.slow > 0)
  await audit.end()
  t.log(`looked ${audit.looks} times`)
  t.true(audit.looks > 20)
  t.deepEqual(audit.faults, [])
})
