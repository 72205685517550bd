import ava from 'ava'
import { Host, hostWithBroker } from './fixtures.js'

// Each test starts several processes: all at once they would wait for each other beyond their timeouts.
const test = ava.serial

test('without a broker every client command says so, with exit code 3 and a remedy', async (t) => {
  const host = new Host(t)
  const commands = [
    ['pub', 't', 'a'],
    ['sub', 't'],
    ['request', 't'],
    ['serve', 't', '--', 'cat'],
    ['status'],
    ['bench', '--running'],
  ]
  for (const command of commands) {
    const { exitCode, stdout, stderr } = await host.run(command)
    t.is(exitCode, 3, command[0])
    t.is(stdout, '')
    t.regex(stderr, /^NO_BROKER: .*\n {2}See .*docs\/ERRORS\.md#no_broker\n$/)
    t.true(stderr.includes(host.path))
  }
})

test('--json writes errors as one line of JSON', async (t) => {
  const { exitCode, stderr } = await new Host(t).run(['status', '--json'])
  t.is(exitCode, 3)
  t.like(JSON.parse(stderr), { error: { code: 'NO_BROKER' }, exitCode: 3 })
})

test('a wrong command line is exit code 2, and reaches no broker', async (t) => {
  const host = new Host(t)
  const wrong: string[][] = [
    ['pub'],
    ['nonsense'],
    ['sub', 't', '--unknown'],
    ['sub', 't', '--raw', '--json'],
    ['sub', 't', '-n', '0'],
    ['sub', 't', '--overflow', 'wait'],
    ['sub', 't', '--backlog-bytes', '0'],
    ['sub', 't', '--backlog-messages', 'many'],
    ['pub', 't', 'a', '--ttl', '0'],
    ['pub', 't', 'a', '-H', 'nothing'],
    ['pub', 't', 'a', '-p', 'high'],
    ['pub', 't', 'a', '--encoding', 'json'],
    ['pub', 't', '--repeat', '2'],
    ['pub', 't', 'a', '--raw'],
    ['status', '--log-level', 'loud'],
    ['broker', '--limit', 'clientsMax'],
    ['bench', '--seconds', '0'],
    ['bench', '--seconds', '601'],
    ['bench', '--seconds', 'long'],
    ['bench', '--only', 'nonsense'],
    ['bench', '--only'],
    ['bench', 'latency'],
  ]
  for (const args of wrong) {
    const { exitCode, stdout, stderr } = await host.run(args)
    t.is(exitCode, 2, args.join(' '))
    t.is(stdout, '')
    t.regex(stderr, /^INVALID_ARGUMENT: /, args.join(' '))
  }
})

test('what only the broker or the library can refuse is exit code 2 as well', async (t) => {
  const host = await hostWithBroker(t)
  const wrong: [string, string[]][] = [
    ['BAD_TOPIC', ['pub', 'a..b', 'x']],
    ['BAD_TOPIC', ['pub', 'a.*', 'x']],
    ['BAD_PATTERN', ['sub', 'a.>.b']],
    ['TOPIC_RESERVED', ['pub', '$SYS.mine', 'x']],
    ['INVALID_ARGUMENT', ['pub', 't', 'x', '-p', '32']],
    ['CONFIG_INVALID', ['broker', '--path', `${host.path}.2`, '--limit', 'nonsense=1']],
    ['PATH_TOO_LONG', ['status', '--path', `/tmp/${'x'.repeat(120)}`]],
  ]
  for (const [code, args] of wrong) {
    const { exitCode, stderr } = await host.run(args)
    t.is(exitCode, 2, `${args.join(' ')}: ${stderr}`)
    t.true(stderr.includes(`${code}: `), stderr)
  }
})

test('JSON that is none is refused with its place', async (t) => {
  const host = await hostWithBroker(t)
  const { exitCode, stderr } = await host.run(['pub', 't', '--json'], '{"a":1}\nnonsense\n')
  t.is(exitCode, 1)
  t.true((JSON.parse(stderr).error.message as string).startsWith('Line 2 is no JSON'))
})

test('help has examples and the exit codes; every command has help of its own', async (t) => {
  const host = new Host(t)
  const { exitCode, stdout } = await host.run(['--help'])
  t.is(exitCode, 0)
  t.regex(stdout, /Examples:[\s\S]*Exit codes:\n {2}0 /)
  for (const command of ['broker', 'pub', 'sub', 'request', 'serve', 'status', 'doctor', 'bench']) {
    const help = await host.run([command, '--help'])
    t.is(help.exitCode, 0)
    t.regex(help.stdout, /Examples:/, command)
    t.regex(help.stdout, /--path <socket>/, command)
  }
})

test('without a command the help is on standard error, with exit code 2', async (t) => {
  const { exitCode, stdout, stderr } = await new Host(t).run([])
  t.is(exitCode, 2)
  t.is(stdout, '')
  t.regex(stderr, /^Usage: ringbus /)
})

test('--version is that of the package', async (t) => {
  const { exitCode, stdout } = await new Host(t).run(['--version'])
  t.is(exitCode, 0)
  t.regex(stdout, /^\d+\.\d+\.\d+\S*\n$/)
})
