import { once } from 'node:events'
import ava from 'ava'
import { hostWithBroker } from './fixtures.js'

// Each test starts several processes: all at once they would wait for each other beyond their timeouts.
const test = ava.serial

test('each line of standard input is a message, and each message a line of standard output', async (t) => {
  const host = await hostWithBroker(t)
  const sub = await host.startSub('t', '-n', '3')
  t.like(await host.run(['pub', 't'], 'a\n\nb'), { exitCode: 0, stdout: '', stderr: '' })
  t.like(await sub.outcome, { exitCode: 0, stdout: 't a\nt \nt b\n' })
})

test('a payload on the command line needs no input', async (t) => {
  const host = await hostWithBroker(t)
  const sub = await host.startSub('orders.*', '-n', '2')
  await host.run(['pub', 'orders.created', 'one', '--repeat', '2'])
  t.is((await sub.outcome).stdout, 'orders.created one\norders.created one\n')
})

test('a shell pipeline carries lines from one command to another', async (t) => {
  const host = await hostWithBroker(t)
  const sub = host.shell('ringbus sub --log-level info numbers --raw -n 1000 | sort -n | tail -1')
  await sub.says('subscribed to')
  t.is((await host.shell('seq 1000 | ringbus pub numbers').outcome).exitCode, 0)
  t.like(await sub.outcome, { exitCode: 0, stdout: '1000\n' })
})

test('a reader that goes ends sub quietly', async (t) => {
  const host = await hostWithBroker(t)
  const sub = host.shell('ringbus sub --log-level info t | head -1')
  await sub.says('subscribed to')
  const pub = host.start(['pub', 't'])
  const feeding = setInterval(() => pub.child.stdin.write('line\n'), 20)
  t.teardown(() => clearInterval(feeding))
  const { exitCode, stdout, stderr } = await sub.outcome
  t.is(exitCode, 0)
  t.is(stdout, 't line\n')
  t.is(stderr, 'ringbus: subscribed to t\n')
})

test('raw lines stay one for each message, whatever is in the payload', async (t) => {
  const host = await hostWithBroker(t)
  const sub = await host.startSub('t', '-n', '4', '--raw')
  await host.run(['pub', 't', '--raw'], 'two\nlines')
  await host.run(['pub', 't', '--raw'], Buffer.from([0x00, 0xff, 0x41]))
  await host.run(['pub', 't', 'base64:'])
  await host.run(['pub', 't', 'plain'])
  const stdout = Buffer.from((await sub.outcome).stdout)
  t.deepEqual(stdout.toString().split('\n').slice(0, 1), [`base64:${btoa('two\nlines')}`])
  t.deepEqual(stdout.toString().split('\n').slice(2), [`base64:${btoa('base64:')}`, 'plain', ''])
})

test('--bytes brings a binary payload through unchanged', async (t) => {
  const host = await hostWithBroker(t)
  const every = Buffer.from(Array.from({ length: 256 }, (_, index) => index))
  const sub = host.shell('ringbus sub --log-level info t -n 1 --bytes | base64 -w 0')
  await sub.says('subscribed to')
  await host.run(['pub', 't', '--raw'], every)
  t.is((await sub.outcome).stdout, every.toString('base64'))
})

test('control characters reach no terminal', async (t) => {
  const host = await hostWithBroker(t)
  const sub = await host.startSub('t', '-n', '1')
  await host.run(['pub', 't', 'red \x1b[31m\nnext'])
  t.is((await sub.outcome).stdout, 't red \\x1b[31m\\nnext\n')
})

test('--json carries values, and shows all of a message', async (t) => {
  const host = await hostWithBroker(t)
  const sub = await host.startSub('t', '-n', '4', '--json')
  await host.run(['pub', 't', '--json', '-p', '20', '-H', 'trace=a=b', '-H', 'lang=en'], '{"id":1}\n\n[2]\n')
  await host.run(['pub', 't', '--json', '--encoding', 'json', '{"id":3}'])
  await host.run(['pub', 't', '--raw'], Buffer.from([0, 255]))
  const lines = (await sub.outcome).stdout.trimEnd().split('\n')
  const common = {
    topic: 't',
    priority: 20,
    encoding: 'msgpack',
    retained: false,
    headers: { trace: 'a=b', lang: 'en' },
  }
  t.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [
      { ...common, data: { id: 1 } },
      { ...common, data: [2] },
      { topic: 't', priority: 0, encoding: 'json', retained: false, headers: {}, data: { id: 3 } },
      { topic: 't', priority: 0, encoding: 'bytes', retained: false, headers: {}, data: 'AP8=' },
    ],
  )
})

test('a group shares the messages', async (t) => {
  const host = await hostWithBroker(t)
  const first = await host.startSub('t', '--group', 'workers', '--raw', '-n', '2')
  const second = await host.startSub('t', '--group', 'workers', '--raw', '-n', '2')
  await host.run(['pub', 't'], 'a\nb\nc\nd\n')
  const lines = [await first.outcome, await second.outcome].flatMap(({ stdout }) =>
    stdout.trimEnd().split('\n'),
  )
  t.deepEqual(lines.sort(), ['a', 'b', 'c', 'd'])
})

test('everything of a large input arrives, although its reader is slow', async (t) => {
  const host = await hostWithBroker(t)
  const lines = 20_000
  const sub = host.shell(`ringbus sub --log-level info t -n ${lines} --raw | { sleep 1; sort -u | wc -l; }`)
  await sub.says('subscribed to')
  // 2 MB: more than the pipe and the window hold, less than the backlog.
  const pub = await host.shell(`seq -f '%0100g' ${lines} | ringbus pub t`).outcome
  t.is(pub.exitCode, 0)
  t.is((await sub.outcome).stdout.trim(), String(lines))
})

test('SIGINT ends sub in order, with the exit code that shells expect', async (t) => {
  const host = await hostWithBroker(t)
  const sub = await host.startSub('>')
  await host.run(['pub', 't', 'a'])
  await sub.writes('t a\n')
  sub.child.kill('SIGINT')
  t.like(await sub.outcome, { exitCode: 130, stdout: 't a\n', stderr: 'ringbus: subscribed to >\n' })
})

test('a signal ends a sub that nobody reads', async (t) => {
  const host = await hostWithBroker(t)
  const sub = await host.startSub('t')
  sub.child.stdout.pause()
  // 4 MB: more than the pipes and the window hold.
  t.is((await host.shell("seq -f '%0100g' 40000 | ringbus pub t").outcome).exitCode, 0)
  const status = JSON.parse((await host.run(['status', '--json'])).stdout)
  t.true(status.subscriptions[0].inFlight > 0)
  sub.child.kill('SIGTERM')
  const [exitCode] = await once(sub.child, 'exit')
  t.is(exitCode, 143)
  sub.child.stdout.resume()
})

test('a message that a signal cuts short is not published', async (t) => {
  const host = await hostWithBroker(t)
  const sub = await host.startSub('t', '-n', '1')
  const pub = host.start(['pub', 't', '--raw'])
  pub.child.stdin.write('half')
  while (!(await host.run(['status'])).stdout.includes('ringbus pub'));
  pub.child.kill('SIGTERM')
  t.like(await pub.outcome, { exitCode: 143, stderr: '' })
  await host.run(['pub', 't', 'whole'])
  t.is((await sub.outcome).stdout, 't whole\n')
})

test('sub finds a broker that comes back', async (t) => {
  const host = await hostWithBroker(t)
  const other = await host.startBroker('--path', `${host.path}.2`)
  const sub = await host.startSub('t', '-n', '1', '--path', `${host.path}.2`)
  other.child.kill('SIGTERM')
  t.is((await other.outcome).exitCode, 0)
  await sub.says('DISCONNECTED')
  await host.startBroker('--path', `${host.path}.2`)
  await sub.says('connected again')
  await host.run(['pub', 't', 'after', '--path', `${host.path}.2`])
  t.like(await sub.outcome, { exitCode: 0, stdout: 't after\n' })
})

test('pub and a sub that shall not reconnect end with the connection', async (t) => {
  const host = await hostWithBroker(t)
  const path = `${host.path}.2`
  const broker = await host.startBroker('--path', path)
  const sub = await host.startSub('t', '--no-reconnect', '--path', path)
  const pub = host.start(['pub', 't', '--path', path])
  pub.child.stdin.write('a\n')
  await sub.writes('t a\n')
  broker.child.kill('SIGKILL')
  for (const command of [sub, pub]) {
    const { exitCode, stderr } = await command.outcome
    t.is(exitCode, 3)
    t.regex(stderr, /^DISCONNECTED: /m)
  }
})
