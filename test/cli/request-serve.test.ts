import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import ava from 'ava'
import { connect } from '../../client/index.js'
import { type Host, hostWithBroker } from './fixtures.js'

// Each test starts several processes: all at once they would wait for each other beyond their timeouts.
const test = ava.serial

const POLL_MS = 20

test('a command answers a request', async (t) => {
  const host = await hostWithBroker(t)
  await host.startServe([], 'text.count', 'wc', '-c')
  t.like(await host.run(['request', 'text.count', 'hello']), { exitCode: 0, stdout: '5\n', stderr: '' })
  t.is((await host.run(['request', 'text.count', '-'], 'a\nbc\n')).stdout, '5\n')
  t.is((await host.run(['request', 'text.count'])).stdout, '0\n')
})

test('values are JSON to the command, and its JSON is a value', async (t) => {
  const host = await hostWithBroker(t)
  const add =
    'process.stdin.on("data", (d) => { const v = JSON.parse(d); console.log(JSON.stringify({ sum: v.a + v.b })) })'
  await host.startServe(['--json'], 'math.add', process.execPath, '-e', add)
  const { stdout } = await host.run(['request', 'math.add', '{"a":1,"b":2}', '--json'])
  t.like(JSON.parse(stdout), { topic: 'math.add', encoding: 'msgpack', data: { sum: 3 } })
  t.is((await host.run(['request', 'math.add', '{"a":1,"b":2}'])).stdout, '{"sum":3}\n')
})

test('the command knows topic, priority and headers', async (t) => {
  const host = await hostWithBroker(t)
  const script = 'echo "$RINGBUS_TOPIC $RINGBUS_PRIORITY $RINGBUS_HEADERS_JSON"'
  await host.startServe([], 'env.*', 'sh', '-c', script)
  const { stdout } = await host.run(['request', 'env.show', '-p', '7', '-H', 'trace=x'])
  t.is(stdout, 'env.show 7 {"trace":"x"}\n')
})

test('a command that fails fails the request, with the end of what it said', async (t) => {
  const host = await hostWithBroker(t)
  await host.startServe([], 't', 'sh', '-c', 'echo no disk >&2; exit 7')
  const { exitCode, stdout, stderr } = await host.run(['request', 't', '--json'])
  t.is(exitCode, 1)
  t.is(stdout, '')
  const { error } = JSON.parse(stderr)
  t.is(error.code, 'HANDLER_ERROR')
  t.regex(error.message, /exit code 7.*no disk/)
})

test('a command that cannot start fails the request', async (t) => {
  const host = await hostWithBroker(t)
  await host.startServe([], 't', join(host.directory, 'nothing'))
  const { exitCode, stderr } = await host.run(['request', 't'])
  t.is(exitCode, 1)
  t.regex(stderr, /^HANDLER_ERROR: .*did not start/)
})

test('nobody serves: exit code 4, at once', async (t) => {
  const host = await hostWithBroker(t)
  const { exitCode, stderr } = await host.run(['request', 'nobody.there', '--timeout', '0'])
  t.is(exitCode, 4)
  t.regex(stderr, /^NO_RESPONDERS: /)
})

test('a timeout is exit code 4, and ends the command with all that it started', async (t) => {
  const host = await hostWithBroker(t)
  const pids = startSleepers(host)
  await host.startServe([], 'slow', 'sh', '-c', pids.script)
  const request = host.start(['request', 'slow', '--timeout', '3000'])
  const started = await pids.known()
  const { exitCode, stderr } = await request.outcome
  t.is(exitCode, 4)
  t.regex(stderr, /^TIMEOUT: /)
  for (const pid of started) await gone(pid)
  t.pass()
})

test('a requester that is killed ends the command, too', async (t) => {
  const host = await hostWithBroker(t)
  const pids = startSleepers(host)
  await host.startServe([], 'slow', 'sh', '-c', pids.script)
  const request = host.start(['request', 'slow', '--timeout', '0'])
  const started = await pids.known()
  request.child.kill('SIGKILL')
  for (const pid of started) await gone(pid)
  t.pass()
})

test('SIGINT cancels a request', async (t) => {
  const host = await hostWithBroker(t)
  const pids = startSleepers(host)
  await host.startServe([], 'slow', 'sh', '-c', pids.script)
  const request = host.start(['request', 'slow', '--timeout', '0'])
  const started = await pids.known()
  request.child.kill('SIGINT')
  t.like(await request.outcome, { exitCode: 130, stdout: '', stderr: '' })
  for (const pid of started) await gone(pid)
})

test('SIGTERM lets serve finish what it has begun', async (t) => {
  const host = await hostWithBroker(t)
  const begun = join(host.directory, 'begun')
  const go = join(host.directory, 'go')
  const script = `touch ${begun}; until [ -e ${go} ]; do sleep 0.05; done; echo done`
  const service = await host.startServe([], 't', 'sh', '-c', script)
  const request = host.start(['request', 't', '--timeout', '0'])
  await exists(begun)
  service.child.kill('SIGTERM')
  await service.says('stopping')
  writeFileSync(go, '')
  t.like(await request.outcome, { exitCode: 0, stdout: 'done\n' })
  t.is((await service.outcome).exitCode, 0)
})

test('a second signal ends serve and the commands in its hands', async (t) => {
  const host = await hostWithBroker(t)
  const pids = startSleepers(host)
  const service = await host.startServe([], 'slow', 'sh', '-c', pids.script)
  const request = host.start(['request', 'slow', '--timeout', '0'])
  const started = await pids.known()
  service.child.kill('SIGINT')
  await service.says('stopping')
  service.child.kill('SIGTERM')
  t.is((await service.outcome).exitCode, 143)
  t.is((await request.outcome).exitCode, 4)
  for (const pid of started) await gone(pid)
})

test('--concurrency bounds the commands at a time', async (t) => {
  const host = await hostWithBroker(t)
  const running = join(host.directory, 'running')
  const script = `mkdir ${running} || { echo two at once; exit 0; }; sleep 0.1; rmdir ${running}; echo alone`
  await host.startServe(['--concurrency', '1'], 't', 'sh', '-c', script)
  const replies = await Promise.all([1, 2, 3].map(() => host.run(['request', 't'])))
  t.deepEqual(
    replies.map(({ stdout }) => stdout),
    ['alone\n', 'alone\n', 'alone\n'],
  )
})

test('--stream writes the parts as they come', async (t) => {
  const host = await hostWithBroker(t)
  const bus = await connect({ path: host.path })
  t.teardown(() => bus.close())
  const service = bus.serve('logs.tail', async function* () {
    yield 'one'
    yield { two: 2 }
  })
  await service.ready
  t.is((await host.run(['request', 'logs.tail', '--stream'])).stdout, 'one\n{"two":2}\n')
  const json = await host.run(['request', 'logs.tail', '--stream', '--json'])
  t.deepEqual(
    json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).data),
    ['one', { two: 2 }],
  )
})

test('a reader that goes ends a stream quietly', async (t) => {
  const host = await hostWithBroker(t)
  const bus = await connect({ path: host.path })
  t.teardown(() => bus.close())
  const service = bus.serve('numbers', async function* () {
    for (let number = 1; ; number++) {
      yield number
      await new Promise((resolve) => setImmediate(resolve))
    }
  })
  await service.ready
  const outcome = await host.shell('ringbus request numbers --stream | head -2').outcome
  t.like(outcome, { exitCode: 0, stdout: '1\n2\n', stderr: '' })
})

/** A command that starts another one, and waits; it tells the pids of both in a file. */
function startSleepers(host: Host): { script: string; known: () => Promise<number[]> } {
  const file = join(host.directory, 'pids')
  return {
    script: `sleep 600 & echo "$$ $!" > ${file}.new; mv ${file}.new ${file}; wait`,
    known: async () => {
      await exists(file)
      return readFileSync(file, 'utf8').trim().split(' ').map(Number)
    },
  }
}

/** Resolves once the file is there. */
async function exists(file: string): Promise<void> {
  while (!existsSync(file)) await sleep(POLL_MS)
}

/** Resolves once no process has this pid, its corpse apart. */
async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await sleep(POLL_MS)
}

function isAlive(pid: number): boolean {
  try {
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0]
    return state !== 'Z' && state !== 'X'
  } catch {
    return false
  }
}
