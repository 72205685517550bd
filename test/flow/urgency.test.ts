import test from 'ava'
import { socketIn } from '../client/fixtures.js'
import { startBrokerChild, startProgram, WATCHDOG_MS } from './programs.js'
import type { PublisherPart } from './publisher-child.js'
import type { UrgencyPart, UrgencyReport } from './urgency-child.js'

const MIB = 1024 * 1024
const HEADER_BYTES = 16

/** What may be on its way to a subscription that is active. */
const WINDOW_BYTES = MIB

test('[ORDER-3] an urgent handler starts before any less urgent one, once its frame is here: 100,000 in bulk', async (t) => {
  t.timeout(WATCHDOG_MS, 'the watchdog')
  const bulk = 100_000
  const byteLength = 500
  const path = socketIn(t)
  await startBrokerChild(t, { path, backlogBytesMax: 256 * MIB })
  const slow = startProgram<UrgencyPart>(t, './urgency-child.js', { path, bulk, interval: 200 })
  t.is(await slow.message(), 'ready')
  const priorities = Array.from({ length: 31 }, (_, index) => index + 1)
  const parts: PublisherPart[] = [
    { path, publisher: 0, topics: ['bulk'], byteLengths: [byteLength], count: bulk },
    {
      path,
      publisher: 1,
      topics: ['bulk', 'urgent.other'],
      priorities,
      byteLengths: [100, 3000],
      count: 10_000,
    },
  ]
  const publishers = parts.map((part) => startProgram(t, './publisher-child.js', part))
  for (const publisher of publishers) t.is(await publisher.message(), 'ready')
  for (const publisher of publishers) publisher.process.send('go')

  const report = await slow.message<UrgencyReport>()
  t.log(report)
  t.deepEqual(report.violations, [])
  t.is(report.own, bulk / 200)
  t.true(report.overtaking > report.own, `only ${report.overtaking} messages had anything to overtake here`)
  // As one is published a window of bulk is on its way, and until the broker reads it, another one may be granted.
  const windowMessages = WINDOW_BYTES / (HEADER_BYTES + byteLength)
  t.true(
    report.bulkBeforeOwnMax <= 4 * windowMessages,
    `${report.bulkBeforeOwnMax} went before an urgent one`,
  )
})
