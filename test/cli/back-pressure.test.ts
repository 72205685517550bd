import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import ava, { type ExecutionContext } from 'ava'
import type { BrokerStatus, SubscriptionRow } from '../../cli/broker-status.js'
import { connect } from '../../client/index.js'
import { type Host, hostWithBroker, type Running } from './fixtures.js'

// Each test starts several processes: all at once they would wait for each other beyond their timeouts.
const test = ava.serial

/** Publishers wait for as long as it takes, and a backlog is soon full. */
const PATIENT = ['--limit', 'pauseTimeoutMs=3600000', '--limit', 'backlogBytesMax=65536']
const HASTY = ['--limit', 'pauseTimeoutMs=100', '--limit', 'backlogBytesMax=65536']

/** Far more than what is read ahead, the windows, the backlog and the pipes hold. */
const READ_AHEAD_BYTES_MAX = 8 * 1024 * 1024

async function statusOf(host: Host): Promise<BrokerStatus> {
  return JSON.parse((await host.run(['status', '--json'])).stdout)
}

/** Asks until the status is as it shall be. */
async function statusWhen(host: Host, is: (status: BrokerStatus) => boolean): Promise<BrokerStatus> {
  for (;;) {
    const status = await statusOf(host)
    if (is(status)) return status
    await sleep(50)
  }
}

function sumOf({ handled, dropped, queued, inFlight }: SubscriptionRow): number {
  return handled + dropped + queued + inFlight
}

/** A subscription that takes its first message, and no other before it is released. */
async function stuckSubscriber(t: ExecutionContext, host: Host) {
  const bus = await connect({ path: host.path, name: 'stuck', reconnect: false })
  // Its losses are looked for in the status.
  bus.on('slow', () => {})
  t.teardown(() => bus.destroy())
  let release = (): void => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const lines: unknown[] = []
  const subscription = bus.subscribe('t', async (message) => {
    lines.push(message.data)
    await released
  })
  await subscription.ready
  return { lines, release: () => release() }
}

/** Writes lines to a command's input for as long as it takes them, and then knows how many bytes it took. */
class Feed {
  lines = 0
  bytes = 0
  readonly #stdin: NodeJS.WritableStream
  #isOver = false

  constructor({ child }: Running) {
    this.#stdin = child.stdin
    // It ends as its command does.
    child.stdin.on('error', () => {})
    this.#run().catch(() => {})
  }

  /** Resolves once nothing was taken for a while. */
  async standstill(): Promise<void> {
    for (let before = -1; before !== this.bytes; ) {
      before = this.bytes
      await sleep(700)
    }
  }

  end(): void {
    this.#isOver = true
    this.#stdin.end()
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const chunk = Array.from({ length: 100 }, () => `${String(this.lines++).padStart(99, '0')}\n`).join('')
      const isTaken = this.#stdin.write(chunk)
      this.bytes += chunk.length
      if (!isTaken) await once(this.#stdin, 'drain')
      else await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

test('a pub whose topic is paused stops reading, and then everything arrives in order', async (t) => {
  const host = await hostWithBroker(t, ...PATIENT)
  const stuck = await stuckSubscriber(t, host)
  const pub = host.start(['pub', 't'])
  const feed = new Feed(pub)
  const status = await statusWhen(host, ({ stats }) => stats.pausedTopics === 1)
  t.like(
    status.topics.find(({ topic }) => topic === 't'),
    { pausedPublishers: 1 },
  )
  t.like(
    status.clients.find(({ name }) => name === 'ringbus pub'),
    { pausedTopics: 1 },
  )
  await feed.standstill()
  t.true(feed.bytes < READ_AHEAD_BYTES_MAX, String(feed.bytes))

  stuck.release()
  feed.end()
  t.like(await pub.outcome, { exitCode: 0, stderr: '' })
  await statusWhen(host, ({ subscriptions: [row] }) => row!.handled === feed.lines)
  t.deepEqual(
    stuck.lines.map(Number),
    Array.from({ length: feed.lines }, (_, line) => line),
  )
})

test('a signal ends a pub that is held up, and what could not leave is said', async (t) => {
  const host = await hostWithBroker(t, ...PATIENT)
  await stuckSubscriber(t, host)
  const pub = host.start(['pub', 't'])
  const feed = new Feed(pub)
  await statusWhen(host, ({ stats }) => stats.pausedTopics === 1)
  await feed.standstill()
  pub.child.kill('SIGINT')
  const { exitCode, stderr } = await pub.outcome
  t.is(exitCode, 130)
  t.regex(stderr, /^ringbus: TIMEOUT: .*before everything was handled and sent\n$/)
})

test('status says first who holds whom up', async (t) => {
  const host = await hostWithBroker(t, ...PATIENT)
  await stuckSubscriber(t, host)
  new Feed(host.start(['pub', 't']))
  await statusWhen(host, ({ stats }) => stats.pausedTopics === 1)
  const { exitCode, stdout } = await host.run(['status'])
  t.is(exitCode, 0)
  const [headline, slow] = stdout.split('\n\n')
  t.regex(headline!, /^Broker \d/)
  t.regex(
    slow!,
    /^Slow or blocking: 1 subscription\n {2}stuck \(pid \d+, uid \d+, client 1\): subscription 1 to t, overflow block\n/,
  )
  t.regex(slow!, /\n {4}blocking {2}for \d.*: 1 publisher waits on 1 topic: t \(1, for \d.*\)\n/)
  t.regex(slow!, /\n {4}holds {5}\d+ messages of 1000000, \d+\.\d KiB of 64\.0 KiB \(\d+ %\); \d+ in flight/)
  t.regex(stdout, /^ .*ringbus pub .* waits to publish on 1 topic$/m)
  t.regex(stdout, /^ +t .* paused for \d.*: 1 publisher waits$/m)
})

test('status says who is slow, since when, and what was lost; the sum is whole', async (t) => {
  const host = await hostWithBroker(t, ...HASTY)
  await stuckSubscriber(t, host)
  t.is((await host.shell(`seq -f '%0100g' 20000 | ringbus pub t`).outcome).exitCode, 0)
  const { subscriptions, stats } = await statusOf(host)
  const [row] = subscriptions
  t.is(typeof row!.slowSinceMs, 'number')
  t.is(row!.matched, 20_000)
  t.is(sumOf(row!), 20_000)
  t.is(row!.droppedBy.oldest, row!.dropped)
  t.true(row!.dropped > 0)
  const { matched, handled, droppedBy, queued, inFlight } = stats.deliveries
  t.is(matched, 20_000)
  t.is(sumOf({ handled, dropped: droppedBy.oldest, queued, inFlight } as SubscriptionRow), 20_000)
  const { stdout } = await host.run(['status'])
  t.regex(stdout, /\n {4}slow {6}for \d.* s: the oldest messages are dropped where there is no room\n/)
  t.regex(stdout, /\n {4}dropped {3}\d+ so far: \d+ oldest\n/)
  t.regex(stdout, /^Deliveries: 20000 matched = 0 handled \+ \d+ dropped/m)
  const [, rows] = stdout.split(/^Subscriptions: 1\n/m)
  t.regex(rows!.split('\n')[1]!, /stuck .*slow, \d+ oldest, .* behind, busy or stopped$/)
})

test('doctor warns of a subscription that is slow or blocking right now', async (t) => {
  const host = await hostWithBroker(t, ...PATIENT)
  await stuckSubscriber(t, host)
  new Feed(host.start(['pub', 't']))
  await statusWhen(host, ({ stats }) => stats.pausedTopics === 1)
  const { exitCode, stdout } = await host.run(['doctor'])
  t.is(exitCode, 0)
  t.regex(
    stdout,
    /^warn {2}subscriptions: 1 of 1 subscription slow or blocking; the worst: stuck \(pid \d+.*\n +→ See `ringbus status`/m,
  )
})

test('a sub whose reader does not read holds nobody up, takes no more, and says what was lost', async (t) => {
  const host = await hostWithBroker(t, ...PATIENT)
  const sub = await host.startSub('t', '--raw')
  sub.child.stdout.pause()
  // 4 MB: more than the pipes, the window and the backlog hold.
  t.is((await host.shell("seq -f '%0100g' 40000 | ringbus pub t").outcome).exitCode, 0)
  // Its process reads on what is on the way, while the handlers wait.
  const { subscriptions } = await statusWhen(
    host,
    ({ subscriptions: [row] }) => row!.creditBytes <= 0 || row!.queued === 0,
  )
  const [row] = subscriptions
  t.like(row, { overflow: 'drop-oldest', matched: 40_000, blockingSinceMs: null })
  t.is(sumOf(row!), 40_000)
  t.true(row!.droppedBy.oldest > 0)
  t.true((row!.handled + row!.inFlight) * 100 < 2 * 1024 * 1024)
  await sub.says('ringbus: t: lost ')
  // The newest are there.
  const last = String(40_000).padStart(100, '0')
  sub.child.stdout.resume()
  await sub.writes(`${last}\n`)
})

test('--overflow block makes publishers wait for the reader of sub, and nothing is lost', async (t) => {
  const host = await hostWithBroker(t, ...PATIENT)
  const sub = await host.startSub('t', '--raw', '--overflow', 'block', '-n', '40000')
  sub.child.stdout.pause()
  const pub = host.shell("seq -f '%0100g' 40000 | ringbus pub t")
  await statusWhen(host, ({ stats }) => stats.pausedTopics === 1)
  sub.child.stdout.resume()
  t.is((await pub.outcome).exitCode, 0)
  const { exitCode, stdout, stderr } = await sub.outcome
  t.is(exitCode, 0)
  t.is(stderr, 'ringbus: subscribed to t\n')
  t.deepEqual(
    stdout.trimEnd().split('\n').map(Number),
    Array.from({ length: 40_000 }, (_, line) => line + 1),
  )
})

test('sub asks for the limits and the policy that it was told', async (t) => {
  const host = await hostWithBroker(t)
  await host.startSub('t', '--overflow', 'latest', '--backlog-bytes', '5000', '--backlog-messages', '7')
  const { subscriptions } = await statusOf(host)
  t.like(subscriptions[0], { overflow: 'latest', backlogBytesMax: 5000, backlogMessagesMax: 7 })
})

test('a sub with the policy disconnect loses its connection, as it asked for', async (t) => {
  const host = await hostWithBroker(t, ...PATIENT)
  const sub = await host.startSub('t', '--overflow', 'disconnect', '--no-reconnect')
  sub.child.stdout.pause()
  t.is((await host.shell("seq -f '%0100g' 40000 | ringbus pub t").outcome).exitCode, 0)
  await sub.says('DISCONNECTED')
  sub.child.stdout.resume()
  const { exitCode, stderr } = await sub.outcome
  t.is(exitCode, 3)
  t.regex(stderr, /^DISCONNECTED: .*\n/m)
})

test('a retained message greets who subscribes later, is marked, and can be removed', async (t) => {
  const host = await hostWithBroker(t)
  t.is((await host.run(['pub', 'mode', 'light', '--retain'])).exitCode, 0)
  t.is((await host.run(['pub', 'mode', 'dark', '--retain'])).exitCode, 0)
  const sub = await host.run(['sub', 'mode', '--json', '-n', '1'])
  t.like(JSON.parse(sub.stdout), { topic: 'mode', retained: true, data: 'dark' })
  const late = await host.startSub('mode', '--no-retained', '--json', '-n', '1')
  const { stats, topics } = await statusOf(host)
  t.is(stats.retained.messages, 1)
  t.true(topics.find(({ topic }) => topic === 'mode')!.retainedBytes! > 0)
  t.is((await host.run(['pub', 'mode', '', '--retain'])).exitCode, 0)
  t.like(JSON.parse((await late.outcome).stdout), { topic: 'mode', retained: false, data: '' })
  t.is((await statusOf(host)).stats.retained.messages, 0)
})

test('a message whose time is over is not written', async (t) => {
  const host = await hostWithBroker(t)
  await host.run(['pub', 'mode', 'short', '--retain', '--ttl', '1'])
  await host.run(['pub', 'other', 'long', '--retain', '--ttl', '3600000'])
  await sleep(5)
  const sub = await host.run(['sub', 'mode', 'other', '-n', '1'])
  t.like(sub, { exitCode: 0, stdout: 'other long\n' })
})

test('a stopping broker lets subscribers handle what is queued', async (t) => {
  const host = await hostWithBroker(t)
  const path = `${host.path}.2`
  const broker = await host.startBroker('--path', path, '--limit', 'drainTimeoutMs=60000')
  const sub = await host.startSub('t', '--raw', '--no-reconnect', '--path', path)
  sub.child.stdout.pause()
  t.is((await host.shell(`seq -f '%0100g' 40000 | ringbus pub t --path '${path}'`).outcome).exitCode, 0)
  broker.child.kill('SIGTERM')
  sub.child.stdout.resume()
  t.like(await broker.outcome, { exitCode: 0, stderr: '' })
  const { exitCode, stdout } = await sub.outcome
  t.is(exitCode, 3)
  t.is(stdout.trimEnd().split('\n').length, 40_000)
})

test('a broker that is stopping is none for a command', async (t) => {
  const host = await hostWithBroker(t)
  const path = `${host.path}.2`
  const broker = await host.startBroker('--path', path, '--limit', 'drainTimeoutMs=3600000')
  const sub = await host.startSub('t', '--path', path)
  sub.child.stdout.pause()
  t.is((await host.shell(`seq -f '%0100g' 40000 | ringbus pub t --path '${path}'`).outcome).exitCode, 0)
  broker.child.kill('SIGTERM')
  for (const command of [['status'], ['pub', 't', 'x'], ['request', 'x']]) {
    t.is((await host.run([...command, '--path', path])).exitCode, 3, command[0])
  }
  sub.child.stdout.resume()
  t.is((await broker.outcome).exitCode, 0)
})

test('what a stopping broker could not deliver in its time is counted in its log', async (t) => {
  const host = await hostWithBroker(t)
  const path = `${host.path}.2`
  const broker = await host.startBroker('--path', path, '--limit', 'drainTimeoutMs=50')
  const sub = await host.startSub('t', '--raw', '--path', path)
  sub.child.stdout.pause()
  t.is((await host.shell(`seq -f '%0100g' 40000 | ringbus pub t --path '${path}'`).outcome).exitCode, 0)
  broker.child.kill('SIGTERM')
  const { exitCode, stderr } = await broker.outcome
  t.is(exitCode, 0)
  t.not(stderr, '')
})
