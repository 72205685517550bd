import { once } from 'node:events'
import { chmodSync, closeSync, openSync, statSync } from 'node:fs'
import { connect, createServer, type Server, Socket } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { Child, descriptorOf, listenPaused, nativeHost, temporaryDirectory, testWhen } from './fixtures.js'

const native = nativeHost()
const testOnLinux = testWhen(process.platform === 'linux', 'only Linux has it')
const testAsRoot = testWhen(process.getuid!() === 0, 'only root may')

/** What the platform tells of a peer with this pid. */
function visiblePid(pid: number): number {
  return process.platform === 'linux' ? pid : 0
}

async function socketChild(t: ExecutionContext): Promise<{ child: Child; server: Server }> {
  const path = join(temporaryDirectory(t), 'socket')
  const server = await listenPaused(t, path)
  return { child: new Child(t, 'socket-child.js', [path]), server }
}

async function acceptFrom(t: ExecutionContext, child: Child, server: Server): Promise<Socket> {
  const accepted = once(server, 'connection')
  await child.ask('connect')
  const [socket] = (await accepted) as [Socket]
  t.teardown(() => socket.destroy())
  return socket
}

test('both ends of a connection within one process have its identity', async (t) => {
  const path = join(temporaryDirectory(t), 'socket')
  const server = await listenPaused(t, path)
  const accepted = once(server, 'connection')
  const client = connect(path)
  const [socket] = (await accepted) as [Socket]
  const own = { pid: visiblePid(process.pid), uid: process.getuid!(), gid: process.getgid!() }
  t.deepEqual(native.peerCredentials(descriptorOf(socket)), own)
  t.deepEqual(native.peerCredentials(descriptorOf(client)), own)
  client.destroy()
  socket.destroy()
})

test('the peer of an accepted connection is the process that connected', async (t) => {
  const { child, server } = await socketChild(t)
  const socket = await acceptFrom(t, child, server)
  t.like(native.peerCredentials(descriptorOf(socket)), { pid: visiblePid(child.pid), uid: process.getuid!() })
})

testAsRoot('the peer has the user that it had when it connected', async (t) => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'socket')
  const server = await listenPaused(t, path)
  chmodSync(directory, 0o755)
  chmodSync(path, 0o777)
  const child = new Child(t, 'socket-child.js', [path])
  await child.ask('become nobody')
  const socket = await acceptFrom(t, child, server)
  t.like(native.peerCredentials(descriptorOf(socket)), { uid: 65534, gid: 65534 })
})

test('a socket without a peer on this host is refused', async (t) => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  t.throws(() => native.peerCredentials(descriptorOf(server)), { code: 'ENOTCONN' })
})

test('a file is no socket', (t) => {
  const fd = openSync(temporaryDirectory(t), 'r')
  t.like(
    t.throws(() => native.peerCredentials(fd)),
    { code: 'ENOTSOCK', errno: process.platform === 'linux' ? -88 : -38 },
  )
  closeSync(fd)
})

test('what a killed peer had sent is read to its end after the socket is destroyed', async (t) => {
  const byteLength = 100_000
  const { child, server } = await socketChild(t)
  const socket = await acceptFrom(t, child, server)
  await child.ask(`write ${byteLength}`)
  await child.kill()

  const duplicate = native.duplicate(descriptorOf(socket))
  const closed = once(socket, 'close')
  socket.destroy()
  await closed
  const received = await buffer(new Socket({ fd: duplicate, readable: true, writable: false }))
  t.deepEqual(received, Buffer.alloc(byteLength, 'ringbus'))
})

test('a descriptor that is not open cannot be duplicated', (t) => {
  const fd = native.duplicate(0)
  closeSync(fd)
  const error = t.throws(() => native.duplicate(fd))
  t.like(error, { code: 'EBADF', syscall: 'fcntl', message: 'EBADF: the descriptor is not open, fcntl' })
})

test('what is no descriptor is refused before the kernel sees it', (t) => {
  for (const fd of [-1, 1.5, 2 ** 31, Number.NaN, '1', undefined]) {
    for (const call of [native.duplicate, native.peerCredentials, native.lockRelease]) {
      t.throws(() => call(fd as number), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE' })
    }
  }
})

test('setDumpable takes a boolean only', (t) => {
  const call = native.setDumpable as (value: unknown) => boolean
  t.throws(() => call(0), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE' })
})

test('setDumpable says whether the platform knows the notion', (t) => {
  t.is(native.setDumpable(true), process.platform === 'linux')
})

// The kernel gives the files of an undumpable process in /proc to root, whatever its user. Root itself
// therefore sees no difference, and becomes nobody in a child.
testOnLinux('an undumpable process closes its /proc to its own user', async (t) => {
  const child = new Child(t, 'dumpable-child.js', [])
  const { uid, dumpable, undumpable } = await child.ask<Record<string, number>>('try')
  t.not(uid, 0)
  t.is(dumpable, uid)
  t.is(undumpable, 0)
  t.is(statSync(`/proc/${process.pid}/stat`).uid, process.getuid!())
})
