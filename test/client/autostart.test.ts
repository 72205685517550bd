import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connect, type RingbusClient } from '../../client/index.js'
import { clientOf, eventOf, QUICK, socketIn, until } from './fixtures.js'

// A test runner may itself be a unit of a service manager, which would refuse.
delete process.env['INVOCATION_ID']

/** The process of the broker behind a client, ended after the test. */
async function brokerPid(t: ExecutionContext, client: RingbusClient): Promise<number> {
  const { data } = await client.request<{ pid: number }>('$SYS.stats')
  t.teardown(() => {
    if (isAlive(data.pid)) process.kill(data.pid, 'SIGKILL')
  })
  return data.pid
}

function isAlive(pid: number): boolean {
  try {
    // A process that was killed and not yet waited for is still there, as a zombie.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test.serial('two clients at once start one broker, and both find it', async (t) => {
  const path = join(dirname(socketIn(t)), 'made', 'b.sock')
  const [one, two] = await Promise.all([
    clientOf(t, path, { autostart: true }),
    clientOf(t, path, { autostart: true }),
  ])
  const pid = await brokerPid(t, one)
  t.is(await brokerPid(t, two), pid)
  t.not(pid, process.pid)
  const readLog = () => readFileSync(`${path}.log`, 'utf8')
  // The other broker that was started finds the lock taken, and exits.
  await until(() => readLog().includes('BROKER_RUNNING'))
  const log = readLog()
  t.is(log.match(/takes clients/g)?.length, 1, log)
  t.is(statSync(`${path}.log`).mode & 0o777, 0o600)
  t.is(statSync(dirname(path)).mode & 0o777, 0o700)
  const third = await clientOf(t, path, { autostart: true })
  t.is(await brokerPid(t, third), pid)
})

test.serial('a client whose broker was killed starts another when it comes back', async (t) => {
  const path = socketIn(t)
  const bus = await clientOf(t, path, { autostart: true, reconnect: QUICK })
  const pid = await brokerPid(t, bus)
  const back = eventOf(bus, 'reconnect')
  process.kill(pid, 'SIGKILL')
  await back
  const next = await brokerPid(t, bus)
  t.not(next, pid)
  await until(() => !isAlive(pid))
})

test.serial('a broker that does not come up: AUTOSTART_FAILED, with the end of its log', async (t) => {
  const path = socketIn(t)
  mkdirSync(path)
  const error = await t.throwsAsync(connect({ path, autostart: true }), { code: 'AUTOSTART_FAILED' })
  t.regex(error!.message, /Its log .*b\.sock\.log ends with:\n.*\w/s)
})

test.serial('within a unit of systemd no broker is started', async (t) => {
  process.env['INVOCATION_ID'] = 'of-a-unit'
  t.teardown(() => {
    delete process.env['INVOCATION_ID']
  })
  await t.throwsAsync(connect({ path: socketIn(t), autostart: true }), {
    code: 'AUTOSTART_FAILED',
    message: /systemd unit \(INVOCATION_ID is set\)/,
  })
})
