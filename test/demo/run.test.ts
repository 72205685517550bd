import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Role } from '../../demo/processes.js'
import { Demo, temporaryDirectory, untilGone, writeLargeFiles } from './fixtures.js'

/** Enough that a run is still under way a moment after its first progress. */
const LARGE_FILES = 24

const ALL_ROLES: readonly Role[] = ['broker', 'walker', 'urgent', 'reader', 'hasher', 'monitor']

function startOnLargeFiles(t: ExecutionContext): Demo {
  const directory = temporaryDirectory(t)
  writeLargeFiles(directory, LARGE_FILES)
  return new Demo(t, ['--json', directory])
}

test('odd files: empty, of odd names, at the bounds of a part, links, pipes', async (t) => {
  const directory = temporaryDirectory(t)
  const sizes = [0, 1, 65_535, 65_536, 65_537, 1_000_003]
  for (const size of sizes) writeFileSync(join(directory, `${size} bytes`), randomBytes(size))
  const names = ['two\nlines', 'Übergröße 漢字 🚀', ' ', '-rf', '"quoted"', '\u001b[31mred']
  for (const name of names) writeFileSync(join(directory, name), name)
  writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.of(0xff, 0xfe)]), 'no UTF-8')
  mkdirSync(join(directory, 'empty'))
  symlinkSync('..', join(directory, 'up'))
  execFileSync('mkfifo', [join(directory, 'pipe')])

  const { code, summary } = await new Demo(t, ['--quiet', '--json', directory]).summary()
  t.is(code, 0)
  t.is(summary.files, sizes.length + names.length + 1)
  t.deepEqual(summary.verdicts, { agrees: summary.files, differs: 0, changed: 0, unreadable: 0 })
  t.deepEqual(summary.skipped, { 'symbolic link': 1, 'special file': 1, 'other file system': 0 })
  t.is(summary.retries, 0)
  t.deepEqual(summary.restarted, [])
  // A request and a reply for each file at the least, and a part for each that is not empty.
  t.true(summary.messages >= summary.files * 3 - 1)
  t.true(summary.urgent.samples > 0 && summary.bulk.samples >= summary.files - 1)
})

/** Their parts fill the window of a stream hundreds of times: the ring is there long before the last one. */
const RING_FILES = 4

test('contents go by ring, and are hashed right where they lie', async (t) => {
  const directory = temporaryDirectory(t)
  writeLargeFiles(directory, RING_FILES)
  writeFileSync(join(directory, 'random'), randomBytes(3_000_000))
  const { code, summary } = await new Demo(t, ['--quiet', '--json', directory]).summary()
  t.is(code, 0)
  t.is(summary.verdicts.agrees, RING_FILES + 1)
  t.true(summary.rings.delivered > 0)
})

test('without the addon nothing goes by ring, and every digest is right', async (t) => {
  const directory = temporaryDirectory(t)
  writeLargeFiles(directory, 1)
  const env = { RINGBUS_NO_ADDON: '1' }
  const { code, summary } = await new Demo(t, ['--quiet', '--json', directory], env).summary()
  t.is(code, 0)
  t.is(summary.verdicts.agrees, 1)
  t.deepEqual(summary.rings, { delivered: 0, inlined: 0 })
})

test('a file that cannot be read is reported and is no failure', async (t) => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'file'), 'abc')
  const locked = join(directory, 'locked')
  mkdirSync(locked)
  chmodSync(locked, 0)
  t.teardown(() => chmodSync(locked, 0o700))
  // Nobody, not even root, reads the first page of a process's memory.
  const { code, summary } = await new Demo(t, ['--quiet', '--json', directory, '/proc/self/mem']).summary()
  t.is(code, 0)
  t.is(summary.verdicts.agrees, 1)
  const unreadable = summary.findings.filter(({ path }) => path.endsWith('/mem'))
  t.is(unreadable.length, 1)
  t.like(unreadable[0], { verdict: 'unreadable' })
  t.regex(unreadable[0]!.reason, /EIO|EACCES/)
  const lockedIsReadable = process.getuid!() === 0
  t.is(summary.verdicts.unreadable, lockedIsReadable ? 1 : 2)
})

test('a digest that is not that of the file is a failure', async (t) => {
  // Says something else each time that it is read, and looks unchanged.
  const path = '/proc/sys/kernel/random/uuid'
  const { code, summary } = await new Demo(t, ['--quiet', '--json', path]).summary()
  t.is(code, 1)
  t.deepEqual(summary.verdicts, { agrees: 0, differs: 1, changed: 0, unreadable: 0 })
  t.like(summary.findings[0], { path, verdict: 'differs' })
})

test('an empty directory is no failure', async (t) => {
  const { code, summary } = await new Demo(t, ['--quiet', '--json', temporaryDirectory(t)]).summary()
  t.is(code, 0)
  t.is(summary.files, 0)
})

test('people get a summary on standard output, progress and process ids elsewhere', async (t) => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'file'), 'abc')
  const { code, stdout, stderr } = await new Demo(t, [directory]).ended
  t.is(code, 0)
  t.regex(stdout, /^hashed {4}1 files, 3 B in /)
  t.regex(stdout, /^rings {5}0 payloads read in shared memory, 0 put there and sent by socket$/m)
  t.regex(stdout, /^digests {3}agrees 1, differs 0, changed 0, unreadable 0$/m)
  t.regex(stdout, /\nEvery digest that came over the bus is that of its file\.\n$/)
  t.regex(stderr, /^Processes: broker \d+ · /m)
  t.regex(stderr, /^1 of 1 files, 3 B$/m)
})

const WRONG: readonly { args: readonly string[]; says: RegExp }[] = [
  { args: ['--speed'], says: /--speed/ },
  { args: ['--hashers', 'many'], says: /Expected `--hashers` to be an integer from 1 to 32, got `many`/ },
  { args: ['/there/is/no/such/file'], says: /ENOENT/ },
]

for (const { args, says } of WRONG) {
  test(`wrong arguments end with 2 and say why: ${args.join(' ')}`, async (t) => {
    const { code, stdout, stderr } = await new Demo(t, args).ended
    t.is(code, 2)
    t.is(stdout, '')
    t.regex(stderr, says)
  })
}

test('--help', async (t) => {
  const { code, stdout } = await new Demo(t, ['--help']).ended
  t.is(code, 0)
  t.regex(stdout, /^Usage: npm start -- /)
})

// Serial from here on: each keeps the whole machine busy.
test.serial('kill -9 of a hasher in the middle: others do its work', async (t) => {
  const demo = startOnLargeFiles(t)
  const { pid } = await demo.untilBusy()
  process.kill(pid, 'SIGKILL')
  const { code, summary } = await demo.summary()
  t.is(code, 0)
  t.is(summary.verdicts.agrees, LARGE_FILES)
  t.deepEqual(summary.restarted, [`hasher ${pid} (SIGKILL)`])
  t.true(summary.retries > 0)
})

test.serial('kill -9 of a reader in the middle: others do its work', async (t) => {
  const demo = startOnLargeFiles(t)
  const [pid] = await demo.pidsOf('reader')
  await demo.untilBusy()
  process.kill(pid!, 'SIGKILL')
  const { code, summary } = await demo.summary()
  t.is(code, 0)
  t.is(summary.verdicts.agrees, LARGE_FILES)
  t.deepEqual(summary.restarted, [`reader ${pid} (SIGKILL)`])
  t.true(summary.retries > 0)
  t.true(summary.rings.delivered > 0)
})

test.serial('kill -9 of walker, hashers and readers all at once: the run is still right', async (t) => {
  const demo = startOnLargeFiles(t)
  const pids = await demo.pidsOf('walker', 'hasher', 'reader')
  await demo.untilBusy()
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  const { code, summary } = await demo.summary()
  t.is(code, 0)
  t.is(summary.files, LARGE_FILES)
  t.is(summary.verdicts.agrees, LARGE_FILES)
  t.is(summary.restarted.length, pids.length)
  t.true(summary.retries > 0)
})

test.serial('kill -9 of the broker ends the run with an error, and leaves nothing behind', async (t) => {
  const demo = startOnLargeFiles(t)
  const pids = await demo.pidsOf(...ALL_ROLES)
  const path = await demo.socketPath()
  await demo.untilBusy()
  const [broker] = await demo.pidsOf('broker')
  process.kill(broker!, 'SIGKILL')
  const { code, stdout, stderr } = await demo.ended
  t.is(code, 1)
  t.is(stdout, '')
  t.regex(stderr, /broker/)
  await untilGone(pids)
  t.false(existsSync(dirname(path)))
})

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test.serial(`${signal} ends all processes and says so by the exit code`, async (t) => {
    const demo = startOnLargeFiles(t)
    const pids = await demo.pidsOf(...ALL_ROLES)
    const path = await demo.socketPath()
    await demo.untilBusy()
    demo.signal(signal)
    const { code, stdout, stderr } = await demo.ended
    t.is(code, exitCode)
    t.is(stdout, '')
    t.regex(stderr, new RegExp(`^Stopped by ${signal}$`, 'm'))
    await untilGone(pids)
    t.false(existsSync(dirname(path)))
  })
}

test.serial('kill -9 of the main process ends all the others', async (t) => {
  const demo = startOnLargeFiles(t)
  const pids = await demo.pidsOf(...ALL_ROLES)
  const path = await demo.socketPath()
  await demo.untilBusy()
  demo.signal('SIGKILL')
  await demo.ended
  await untilGone(pids)
  t.false(existsSync(dirname(path)))
})
