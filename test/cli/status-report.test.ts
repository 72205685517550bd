import test from 'ava'
import type { PairStats, PollingStats } from '../../cli/broker-status.js'
import { statusReport } from '../../cli/status-report.js'
import { clientRow, NO_DROPS, NOW_MS, statusOf, subscriptionRow, topicRow } from './status-rows.js'

const MIB = 1024 * 1024

/** The lines of one section of a report, without its title. */
function sectionOf(report: string, title: string): string[] {
  const [, rest] = report.split(`\n${title}`)
  return rest!.split('\n\n')[0]!.split('\n').slice(1)
}

test('a broker where all is well has nothing slow or blocking', (t) => {
  const report = statusReport(statusOf({ subscriptions: [subscriptionRow({})] }))
  t.true(report.startsWith('Broker 1.2.3, process 4242, up 2 h, 64.0 MiB resident\n\nMessages: '))
  t.false(report.includes('Slow or blocking'))
})

test('who blocks comes first: which process, which subscription, how much, since when, and who waits', (t) => {
  const blocking = subscriptionRow({
    queued: 4096,
    queuedBytes: 8 * MIB,
    inFlight: 71,
    creditBytes: 0,
    blockingSinceMs: NOW_MS - 400,
    slowSinceMs: null,
    dropped: 1203,
    droppedBy: { ...NO_DROPS, expired: 3, oldest: 1200 },
  })
  const topics = [
    topicRow({ topic: 'prices.usd', pausedSinceMs: NOW_MS - 200, pausedPublishers: 1 }),
    topicRow({ topic: 'prices.eur', pausedSinceMs: NOW_MS - 400, pausedPublishers: 3 }),
    topicRow({ topic: 'orders.new', pausedSinceMs: NOW_MS - 900, pausedPublishers: 9 }),
    topicRow({ topic: 'prices.yen' }),
  ]
  const report = statusReport(statusOf({ subscriptions: [blocking], topics, clients: [clientRow({})] }))
  t.true(report.split('\n\n')[1]!.startsWith('Slow or blocking: 1 subscription\n'))
  t.deepEqual(sectionOf(report, 'Slow or blocking'), [
    '  analytics (pid 4711, uid 1000, client 3): subscription 2 to prices.>, overflow block',
    '    blocking  for 0.4 s: 4 publishers wait on 2 topics: prices.eur (3, for 0.4 s), prices.usd (1, for 0.2 s)',
    '    holds     4096 messages of 1000000, 8.0 MiB of 8.0 MiB (100 %); 71 in flight, and its handlers are busy, or it is stopped',
    '    dropped   1203 so far: 1200 oldest, 3 expired',
  ])
})

test('a slow subscription says since when, and what it loses; one in a group says which', (t) => {
  const slow = subscriptionRow({
    name: '',
    uid: null,
    group: 'workers',
    queued: 1,
    queuedBytes: 4 * MIB,
    slowSinceMs: NOW_MS - 13 * 60_000,
  })
  const clients = [clientRow({ congested: true })]
  t.deepEqual(sectionOf(statusReport(statusOf({ subscriptions: [slow], clients })), 'Slow or blocking'), [
    '  without a name (pid 4711, client 3): subscription 2 to prices.> in group workers, overflow block',
    '    slow      for 13 min: the oldest messages are dropped where there is no room',
    '    holds     1 message of 1000000, 4.0 MiB of 8.0 MiB (50 %); 0 in flight, and the process does not read its socket',
  ])
})

test('a backlog that is nearly full is told of before anything is lost, by bytes or by messages', (t) => {
  const of = (row: object) => statusReport(statusOf({ subscriptions: [subscriptionRow(row)] }))
  const nearly = { overflow: 'drop-newest', backlogMessagesMax: 100, queued: 76, queuedBytes: MIB } as const
  t.regex(of(nearly), /full {6}or nearly so: new messages are dropped while there is no room/)
  t.false(of({ ...nearly, queued: 75 }).includes('Slow or blocking'))
  t.true(of({ queuedBytes: 6 * MIB + 1 }).includes('Slow or blocking'))
  t.false(of({ queuedBytes: 6 * MIB }).includes('Slow or blocking'))
})

test('the worst come first: who blocks longest, then who is slow longest; the rest is counted', (t) => {
  const row = (client: number, blockedMs: number | null, slowMs: number | null, queuedBytes = 0) =>
    subscriptionRow({
      client,
      queuedBytes,
      blockingSinceMs: blockedMs === null ? null : NOW_MS - blockedMs,
      slowSinceMs: slowMs === null ? null : NOW_MS - slowMs,
    })
  const few = [
    row(1, null, null, 7 * MIB),
    row(2, null, 50),
    row(3, null, 60),
    row(4, 5, null),
    row(5, 6, null),
  ]
  const report = statusReport(statusOf({ subscriptions: few }))
  t.deepEqual(
    [...report.matchAll(/^ {2}analytics .*client (\d+)\)/gm)].map(([, client]) => client),
    ['5', '4', '3', '2', '1'],
  )
  t.true(report.includes('    blocking  for 0.0 s: no publisher has to wait yet\n'))
  const many = Array.from({ length: 21 }, (_, client) => row(client, null, client))
  t.true(
    statusReport(statusOf({ subscriptions: many })).includes(
      'Slow or blocking: 21 subscriptions, 20 shown\n',
    ),
  )
})

test('of many paused topics the longest are named, and the others counted', (t) => {
  const topics = Array.from({ length: 7 }, (_, index) =>
    topicRow({ topic: `prices.${index}`, pausedSinceMs: NOW_MS - 1000 * index, pausedPublishers: 1 }),
  )
  const subscriptions = [subscriptionRow({ blockingSinceMs: NOW_MS - 9000 })]
  const [, line] = sectionOf(statusReport(statusOf({ topics, subscriptions })), 'Slow or blocking')
  t.regex(
    line!,
    /9\.0 s: 7 publishers wait on 7 topics: prices\.6 .*, prices\.2 \(1, for 2\.0 s\), and 2 more$/,
  )
})

test('the totals are a sum, and say so when they are none', (t) => {
  const droppedBy = { ...NO_DROPS, newest: 2, lost: 5, replaced: 1 }
  const deliveries = { matched: 100, handled: 60, droppedBy, queued: 30, inFlight: 2 }
  const report = statusReport(statusOf({}, { deliveries, queuedBytes: 2048, pausedTopics: 1 }))
  t.regex(
    report,
    /^Deliveries: 100 matched = 60 handled \+ 8 dropped \+ 30 queued \+ 2 in flight\nDropped: 5 lost, 2 newest, 1 replaced$/m,
  )
  t.regex(report, /^Queued: 2\.0 KiB for all subscriptions; 1 topic paused$/m)
  const wrong = statusReport(statusOf({}, { deliveries: { ...deliveries, handled: 61 } }))
  t.regex(wrong, /^Deliveries: 100 matched ≠ 61 handled /m)
})

test('topics show who publishes and subscribes, what is retained, how long messages take, and who waits', (t) => {
  const latency = { samples: 900, p50Micros: 47.6, p99Micros: 1250, maxMicros: 2_300_000 }
  const topics = [
    // The status itself asks on such topics: they are not what it is about.
    topicRow({ topic: '$SYS.stats' }),
    topicRow({ topic: 'quiet' }),
    topicRow({ topic: 'busy', publishers: 2, subscribers: 5, latency }),
    topicRow({ topic: 'held', pausedSinceMs: NOW_MS - 700, pausedPublishers: 2, retainedBytes: 2048 }),
  ]
  const rows = sectionOf(statusReport(statusOf({ topics })), 'Topics: 3')
  t.deepEqual(
    rows.map((row) => row.trim().split(/ {2,}/)),
    [
      ['topic', 'publishers', 'subscribers', 'retained', 'samples', 'p50', 'p99', 'max', 'slow'],
      ['held', '1', '1', '2.0 KiB', '0', 'paused for 0.7 s: 2 publishers wait'],
      ['busy', '2', '5', '900', '48 µs', '1.3 ms', '2.3 s'],
      ['quiet', '1', '1', '0'],
    ],
  )
})

test('the table of subscriptions has the same sum, the reasons for what was lost, and what ends', (t) => {
  const counts = { matched: 20, handled: 9, dropped: 4, queued: 5, inFlight: 2, queuedBytes: 1024 }
  const droppedBy = { ...NO_DROPS, discarded: 1, oldest: 3 }
  const row = subscriptionRow({ ...counts, droppedBy, state: 'draining', creditBytes: 0 })
  const [, line] = sectionOf(statusReport(statusOf({ subscriptions: [row] })), 'Subscriptions: 1')
  t.is(
    line!.replace(/ +/g, ' ').trim(),
    'prices.> 3 analytics 20 9 4 5 2 draining, 3 oldest, 1 discarded, 1.0 KiB behind, busy or stopped',
  )
})

test('a client that has to wait is told of', (t) => {
  const clients = [clientRow({ client: 1 }), clientRow({ client: 2, pausedTopics: 2 })]
  const [, first] = sectionOf(statusReport(statusOf({ clients })), 'Clients: 2')
  t.regex(first!, /^ +2 +analytics .*waits to publish on 2 topics$/)
})

test('what clients call themselves and their groups does nothing to a terminal', (t) => {
  const names = { name: 'a\x1b[2Jb', group: 'c\nd' }
  const subscriptions = [subscriptionRow({ ...names, blockingSinceMs: NOW_MS })]
  const report = statusReport(statusOf({ subscriptions, clients: [clientRow(names)] }))
  t.false(report.includes('\x1b'))
  t.is(report.split('a\\x1b[2Jb').length - 1, 3)
  t.is(report.split('c\\nd').length - 1, 2)
})

test('who polls, and who would like to', (t) => {
  const lineOf = (polling: Partial<PollingStats>) => {
    const idle = statusOf({}).stats.polling
    const report = statusReport(statusOf({}, { polling: { ...idle, ...polling } }))
    return /^Polling: (.*)$/m.exec(report)?.[1]
  }
  t.is(lineOf({}), 'the broker does not for now (auto); 0 of 1 place for clients taken')
  t.is(
    lineOf({ polls: true, busyPollUs: 50, processors: 4, places: 3, placesTaken: 3, placesWanted: 2 }),
    'the broker does (50 µs); 3 of 3 places for clients taken, 2 more would like one',
  )
  t.is(lineOf({ busyPollUs: 0 }), 'the broker never does; 0 of 1 place for clients taken')
  t.is(
    lineOf({ processors: 1, places: 0, placesWanted: 1 }),
    'nobody, for there is one processor; 0 of 0 places for clients taken, 1 more would like one',
  )
  const clients = [
    clientRow({ client: 1, latency: 'low', polls: true }),
    clientRow({ client: 2, latency: 'low' }),
    clientRow({ client: 3 }),
  ]
  const rows = sectionOf(statusReport(statusOf({ clients })), 'Clients: ')
  t.regex(rows[0]!, / leases +polls +slow$/)
  t.deepEqual(
    rows.slice(1).map((row) => / 0 {2,}(yes|no place)?$/.exec(row.trimEnd())?.[1]),
    ['yes', 'no place', undefined],
  )
})

test('the report says whose streams go through shared memory, and what that takes', (t) => {
  const lineOf = (pairs: PairStats) => {
    const report = statusReport(statusOf({}, { pairs }))
    return /^Streams in shared memory: (.*)$/m.exec(report)?.[1]
  }
  t.is(lineOf({ count: 2, used: 1, bytes: 4 * 1024 * 1024 }), 'those of 1 client, 4.0 MiB')
  t.is(lineOf({ count: 0, used: 0, bytes: 0 }), 'those of 0 clients, 0 B')
})
