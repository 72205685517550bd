import test from 'ava'
import { SOCKET_PATH_BYTES_MAX, socketPath } from '../../protocol/index.js'

test('the option comes first, then the two variables, then the default', (t) => {
  const uid = 1000
  const runtime = { XDG_RUNTIME_DIR: '/run/user/1000' }
  const both = { ...runtime, RINGBUS_SOCKET: '/srv/bus.sock' }
  t.deepEqual(socketPath({ explicit: 'x.sock', env: both, uid }), {
    path: 'x.sock',
    rule: 'the option "path"',
  })
  t.deepEqual(socketPath({ env: both, uid }), { path: '/srv/bus.sock', rule: '$RINGBUS_SOCKET' })
  t.deepEqual(socketPath({ env: runtime, uid }), {
    path: '/run/user/1000/ringbus/broker.sock',
    rule: '$XDG_RUNTIME_DIR',
  })
  t.deepEqual(socketPath({ env: {}, uid }), { path: '/tmp/ringbus-1000/broker.sock', rule: 'the default' })
})

test('empty variables, and a runtime directory that is relative, count as absent', (t) => {
  const env = { RINGBUS_SOCKET: '', XDG_RUNTIME_DIR: 'run' }
  t.is(socketPath({ env, uid: 7 }).rule, 'the default')
})

test('a path may have as many bytes as the system takes, and no more', (t) => {
  const longest = `/${'ü'.repeat((SOCKET_PATH_BYTES_MAX - 1) / 2)}`
  t.is(socketPath({ explicit: longest, env: {}, uid: 0 }).path, longest)
  t.throws(() => socketPath({ explicit: `${longest}x`, env: {}, uid: 0 }), { code: 'PATH_TOO_LONG' })
})
