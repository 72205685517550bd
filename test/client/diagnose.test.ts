import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import test from 'ava'
import { diagnose } from '../../client/index.js'
import { brokerIn, clientOf, socketIn } from './fixtures.js'
import { eventually, segments } from './ring-fixtures.js'

async function diagnosed(path: string) {
  const checks = await diagnose({ path })
  return Object.fromEntries(checks.map((check) => [check.name, check]))
}

test('with a broker, all is well, and each check says what it found', async (t) => {
  const path = await brokerIn(t)
  const { path: pathCheck, directory, broker, rings, addon, ...others } = await diagnosed(path)
  t.is(pathCheck!.detail, `${path}, chosen by the option "path"`)
  t.regex(directory!.detail, /mode 700, of user \d+$/)
  t.regex(broker!.detail, /^version \d+\.\d+\.\d+ answers/)
  t.is(
    rings!.detail,
    'payloads of 16384 bytes or more go by shared memory; a ring of 67108864 bytes was there on trial',
  )
  t.true(rings!.ok)
  t.deepEqual([pathCheck!.ok, directory!.ok, broker!.ok, addon!.ok], [true, true, true, true])
  t.regex(others['open files']!.detail, /^up to /)
})

test('without one, what is not well has a remedy, and the other checks are made all the same', async (t) => {
  const path = join(dirname(socketIn(t)), 'missing', 'b.sock')
  const { directory, broker, addon } = await diagnosed(path)
  for (const check of [directory!, broker!]) {
    t.false(check.ok)
    t.regex(check.remedy!, /ringbus broker/)
  }
  t.true(addon!.ok)
  mkdirSync(dirname(path))
  t.true((await diagnosed(path))['directory']!.ok)
})

test('another program at the path is told from a broker', async (t) => {
  const path = socketIn(t)
  const server = createServer((socket) => socket.end('220 mail.example ESMTP, what else\r\n'))
  server.listen(path)
  t.teardown(() => server.close())
  const { broker } = await diagnosed(path)
  t.false(broker!.ok)
  t.regex(broker!.remedy!, /Another program/)
})

test('a path that is too long is named as such', async (t) => {
  const checks = await diagnose({ path: `/${'x'.repeat(107)}` })
  t.false(checks[0]!.ok)
  t.regex(checks[0]!.detail, /108 bytes/)
  t.deepEqual(
    checks.map(({ name }) => name),
    ['path', 'addon', 'open files'],
  )
})

test('a broker that offers no rings is told from one that has no room for another', async (t) => {
  const { rings: notOffered } = await diagnosed(await brokerIn(t, { rings: false }))
  t.false(notOffered!.ok)
  t.is(notOffered!.detail, 'large payloads go by socket: the broker offers no rings')
  t.regex(notOffered!.remedy!, /`rings: false`/)
  const { rings: noRoom } = await diagnosed(await brokerIn(t, { ringTotalBytesMax: 1024 * 1024 }))
  t.false(noRoom!.ok)
  t.regex(noRoom!.detail, /^large payloads go by socket: .*1048576/)
  t.regex(noRoom!.remedy!, /docs\/LIMITS\.md/)
})

test('the ring that was tried is given back', async (t) => {
  const path = await brokerIn(t)
  const { rings } = await diagnosed(path)
  t.true(rings!.ok)
  const bus = await clientOf(t, path)
  await eventually(async () => (await segments(bus)).length === 0)
})
