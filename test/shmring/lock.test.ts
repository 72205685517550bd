import { closeSync, fstatSync, openSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { acquireLock, type HeldLock, type LockHeldElsewhere } from '../../shmring/index.js'
import { Child, nativeHost, temporaryDirectory } from './fixtures.js'

const native = nativeHost()

function lockPath(t: ExecutionContext): string {
  return join(temporaryDirectory(t), 'broker.lock')
}

function lockChild(t: ExecutionContext, path: string): Child {
  return new Child(t, 'lock-child.js', [path])
}

function mustHold(t: ExecutionContext, lock: HeldLock | LockHeldElsewhere): HeldLock {
  if (!lock.held) throw new Error(`The lock is held by ${lock.holderPid}`)
  t.teardown(() => lock.release())
  return lock
}

test('of two processes one gets the lock, and the other learns who has it', async (t) => {
  const path = lockPath(t)
  const [first, second] = [lockChild(t, path), lockChild(t, path)]
  t.deepEqual(await first.ask('acquire'), { held: true })
  t.deepEqual(await second.ask('acquire'), { held: false, holderPid: first.pid })
  t.deepEqual(acquireLock(native, path), { held: false, holderPid: first.pid })
})

test('of many processes that ask at once exactly one gets the lock', async (t) => {
  const path = lockPath(t)
  const children = Array.from({ length: 4 }, () => lockChild(t, path))
  const answers = await Promise.all(children.map((child) => child.ask<{ held: boolean }>('acquire')))
  t.is(answers.filter((answer) => answer.held).length, 1)
})

test('kill -9 of the holder frees the lock', async (t) => {
  const path = lockPath(t)
  const [first, second] = [lockChild(t, path), lockChild(t, path)]
  await first.ask('acquire')
  await first.kill()
  t.deepEqual(await second.ask('acquire'), { held: true })
})

test('a program that the holder started does not keep the lock', async (t) => {
  const path = lockPath(t)
  const holder = lockChild(t, path)
  await holder.ask('acquire')
  const sleeperPid = await holder.ask<number>('sleeper')
  t.teardown(() => process.kill(sleeperPid, 'SIGKILL'))
  await holder.kill()
  t.notThrows(() => process.kill(sleeperPid, 0))
  mustHold(t, acquireLock(native, path))
})

test('the lock goes back and forth, and its file stays the same', async (t) => {
  const path = lockPath(t)
  const children = [lockChild(t, path), lockChild(t, path)]
  const inodes = new Set<number>()
  for (let turn = 0; turn < 6; turn++) {
    const [holder, other] = turn % 2 === 0 ? children : children.toReversed()
    t.deepEqual(await holder!.ask('acquire'), { held: true })
    t.deepEqual(await other!.ask('acquire'), { held: false, holderPid: holder!.pid })
    t.is(readFileSync(path, 'utf8'), `${holder!.pid}\n`)
    await holder!.ask('release')
    inodes.add(statSync(path).ino)
  }
  t.is(inodes.size, 1)
})

test('a second acquisition in the same process finds the lock held', (t) => {
  const path = lockPath(t)
  const lock = mustHold(t, acquireLock(native, path))
  t.deepEqual(acquireLock(native, path), { held: false, holderPid: process.pid })
  lock.release()
  mustHold(t, acquireLock(native, path))
})

test('a holder that wrote no pid is reported without one', (t) => {
  const path = lockPath(t)
  mustHold(t, acquireLock(native, path))
  writeFileSync(path, '')
  t.deepEqual(acquireLock(native, path), { held: false, holderPid: undefined })
})

// Serial, for nothing else may take the descriptor that is to be reused.
test.serial('a second release does not close what has the number now', (t) => {
  const path = lockPath(t)
  const { fd } = native.lockAcquire(path)
  const lock = mustHold(t, acquireLock({ ...native, lockAcquire: () => ({ fd, holderPid: 0 }) }, path))
  lock.release()
  const reused = openSync(path, 'r')
  t.is(reused, fd)
  lock.release()
  t.notThrows(() => fstatSync(reused))
  closeSync(reused)
})

test('only the owner may open the lock file', (t) => {
  const path = lockPath(t)
  mustHold(t, acquireLock(native, path))
  t.is(statSync(path).mode & 0o077, 0)
})

test('a symbolic link is refused and its target left alone', (t) => {
  const directory = temporaryDirectory(t)
  const [target, path] = [join(directory, 'target'), join(directory, 'lock')]
  writeFileSync(target, 'precious')
  symlinkSync(target, path)
  t.throws(() => acquireLock(native, path), { code: 'ELOOP' })
  t.is(readFileSync(target, 'utf8'), 'precious')
})

test('an error carries code, errno, syscall and path', (t) => {
  const path = join(temporaryDirectory(t), 'missing', 'lock')
  const error = t.throws(() => acquireLock(native, path))
  t.like(error, { code: 'ENOENT', errno: -2, syscall: 'open', path })
  t.is(error.message, `ENOENT: the path or its directory does not exist, open '${path}'`)
})

test('a path that the kernel would cut short is refused', (t) => {
  for (const path of ['', '/tmp/lock\0.txt']) {
    t.throws(() => acquireLock(native, path), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE' })
  }
})
