import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { startBroker } from '../../broker/index.js'
import { socketIn } from './fixtures.js'
import { testAsRoot } from './users.js'

const GROUP = 4700

/** Mode and group, as `750 4700`. */
function access(path: string): string {
  const { mode, gid } = statSync(path)
  return `${(mode & 0o7777).toString(8)} ${gid}`
}

async function startFor(t: ExecutionContext, path: string, group: number | undefined): Promise<void> {
  const broker = await startBroker({ path, group })
  t.teardown(() => broker.close())
}

test('a broker for its user’s own group opens the directories that it makes, and its socket, to it', async (t) => {
  const group = process.getgid!()
  const directory = dirname(socketIn(t))
  const path = join(directory, 'new', 'deep', 'b.sock')
  await startFor(t, path, group)
  t.is(access(directory).split(' ')[0], '700', 'what was there is left as it was')
  t.is(access(join(directory, 'new')), `750 ${group}`)
  t.is(access(dirname(path)), `750 ${group}`)
  t.is(access(path), `660 ${group}`)
  t.is(access(`${path}.lock`).split(' ')[0], '600')
})

test('a directory with nothing but a broker’s files in it is opened to the group', async (t) => {
  const path = socketIn(t)
  for (const file of ['b.sock.lock', 'b.sock.log']) writeFileSync(join(dirname(path), file), '')
  await startFor(t, path, process.getgid!())
  t.is(access(dirname(path)), `750 ${process.getgid!()}`)
})

test('a directory that holds anything else is never opened', async (t) => {
  const path = socketIn(t)
  writeFileSync(join(dirname(path), 'diary'), '')
  const { message } = (await t.throwsAsync(startBroker({ path, group: process.getgid!() }), {
    code: 'SOCKET_UNSAFE',
  }))!
  t.regex(message, /"diary".*chgrp/)
  t.is(access(dirname(path)).split(' ')[0], '700')
  // Its owner may open it.
  chmodSync(dirname(path), 0o710)
  await startFor(t, path, process.getgid!())
  t.is(access(dirname(path)).split(' ')[0], '710')
  t.is(access(path).split(' ')[0], '660')
})

test('a directory that the group may write is not trusted', async (t) => {
  const path = socketIn(t)
  chmodSync(dirname(path), 0o770)
  await t.throwsAsync(startBroker({ path, group: process.getgid!() }), { code: 'SOCKET_UNSAFE' })
})

test('without a group, the socket and its directory are the user’s alone', async (t) => {
  const path = join(dirname(socketIn(t)), 'new', 'b.sock')
  await startFor(t, path, undefined)
  t.is(access(dirname(path)).split(' ')[0], '700')
  t.is(access(path).split(' ')[0], '600')
})

test('a group that is no number is refused', async (t) => {
  for (const group of [-1, 1.5, 2 ** 32 - 1, 'staff' as never]) {
    await t.throwsAsync(startBroker({ path: socketIn(t), group }), {
      code: 'CONFIG_INVALID',
      message: /`group`/,
    })
  }
})

testAsRoot('a directory of another group is given to this one only if nothing else is in it', async (t) => {
  const path = socketIn(t)
  chownSync(dirname(path), 0, 4799)
  chmodSync(dirname(path), 0o750)
  await startFor(t, path, GROUP)
  t.is(access(dirname(path)), `750 ${GROUP}`)
  t.is(access(path), `660 ${GROUP}`)
  const other = socketIn(t)
  mkdirSync(join(dirname(other), 'of others'))
  chownSync(dirname(other), 0, 4799)
  chmodSync(dirname(other), 0o750)
  await t.throwsAsync(startBroker({ path: other, group: GROUP }), { code: 'SOCKET_UNSAFE' })
  t.is(access(dirname(other)), '750 4799')
})

testAsRoot('a directory that everybody can pass is left as it is', async (t) => {
  const path = socketIn(t)
  chmodSync(dirname(path), 0o755)
  await startFor(t, path, GROUP)
  t.is(access(dirname(path)), '755 0')
  t.is(access(path), `660 ${GROUP}`)
})
