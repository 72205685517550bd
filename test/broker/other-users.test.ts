import { chmodSync, existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type PermissionRule, startBroker } from '../../broker/index.js'
import { publicSocketIn, testAsRoot, User } from './users.js'

const GROUP = 4700
const ALICE = 4701
const BOB = 4702
const BROKER = 4709

/** A broker of root's for the group, in this process. */
async function brokerFor(t: ExecutionContext, permissions?: readonly PermissionRule[]): Promise<string> {
  const path = publicSocketIn(t)
  const broker = await startBroker({
    path,
    group: GROUP,
    permissions,
    drainTimeoutMs: 200,
    refusedLingerMs: 200,
  })
  t.teardown(() => broker.close())
  return path
}

async function connected(t: ExecutionContext, path: string, uid: number, brokerUid?: number): Promise<User> {
  const user = await User.start(t, uid, GROUP)
  await user.may({ do: 'connect', path, ...(brokerUid === undefined ? {} : { brokerUid }) })
  return user
}

/** A broker of another user's, in a process of its own. */
async function brokerOf(
  t: ExecutionContext,
  uid: number,
  options: { permissions?: readonly PermissionRule[] } = {},
): Promise<string> {
  const path = publicSocketIn(t, uid)
  const keeper = await User.start(t, uid, GROUP)
  await keeper.may({ do: 'start', options: { path, group: GROUP, ...options } })
  return path
}

testAsRoot('each user may do what its rule says, as the kernel knows the user', async (t) => {
  const path = await brokerFor(t, [
    { user: ALICE, publish: ['from.alice.>'], request: ['bob.*'] },
    { user: BOB, subscribe: ['from.*.>'], serve: ['bob.*'] },
  ])
  const [alice, bob] = [await connected(t, path, ALICE), await connected(t, path, BOB)]
  await bob.may({ do: 'subscribe', topic: 'from.alice.>' })
  await bob.may({ do: 'serve', topic: 'bob.time' })
  t.regex(await bob.mayNot({ do: 'subscribe', topic: '>' }), /">", by permissions\[1\] \(user 4702\)/)
  await bob.mayNot({ do: 'serve', topic: 'alice.time' })
  t.regex(await alice.mayNot({ do: 'publish', topic: 'from.bob.x' }), /permissions\[0\] \(user 4701\)/)
  await alice.may({ do: 'publish', topic: 'from.alice.x' })
  await bob.mayNot({ do: 'publish', topic: 'from.bob.x' })
  await bob.mayNot({ do: 'request', topic: 'bob.time' })
  t.is(await alice.may({ do: 'request', topic: 'bob.time' }), `${BOB} answers bob.time`)
  await alice.mayNot({ do: 'request', topic: '$SYS.topics' })
  await alice.mayNot({ do: 'subscribe', topic: 'from.alice.x' })
  t.deepEqual(await bob.may({ do: 'received' }), ['from.alice.x'])
})

testAsRoot('a user whom no rule is for connects, and may do nothing', async (t) => {
  const path = await brokerFor(t, [{ group: GROUP, user: ALICE, publish: ['>'] }])
  const [alice, bob] = [await connected(t, path, ALICE), await connected(t, path, BOB)]
  await alice.may({ do: 'publish', topic: 'a' })
  t.regex(await bob.mayNot({ do: 'publish', topic: 'a' }), /no rule is for user 4702 in group 4700/)
})

testAsRoot('root may do everything beside rules for others', async (t) => {
  const path = await brokerFor(t, [{ publish: ['a'] }])
  const [root, alice] = [await connected(t, path, 0), await connected(t, path, ALICE)]
  await root.may({ do: 'subscribe', topic: '$SYS.>' })
  await root.may({ do: 'request', topic: '$SYS.stats' })
  await alice.mayNot({ do: 'request', topic: '$SYS.stats' })
})

testAsRoot('the broker’s own user may do everything beside rules for others', async (t) => {
  const path = await brokerOf(t, BROKER, { permissions: [{ publish: ['a'] }] })
  const own = await connected(t, path, BROKER)
  await own.may({ do: 'request', topic: '$SYS.stats' })
  const alice = await connected(t, path, ALICE, BROKER)
  await alice.mayNot({ do: 'request', topic: '$SYS.stats' })
})

testAsRoot(
  'without permissions, whoever is in the group may do everything; others cannot connect',
  async (t) => {
    const path = await brokerFor(t)
    const alice = await connected(t, path, ALICE)
    await alice.may({ do: 'subscribe', topic: '>' })
    await alice.may({ do: 'request', topic: '$SYS.clients' })
    const stranger = await User.start(t, BOB, BOB)
    t.regex(await stranger.mayNot({ do: 'connect', path }, 'NO_BROKER'), /not open to this user/)
  },
)

testAsRoot('a client trusts a broker of another user if it was told of that user', async (t) => {
  const path = await brokerOf(t, BROKER)
  const alice = await User.start(t, ALICE, GROUP)
  t.regex(await alice.mayNot({ do: 'connect', path }, 'SOCKET_UNSAFE'), /brokerUid/)
  await alice.mayNot({ do: 'connect', path, brokerUid: BOB }, 'SOCKET_UNSAFE')
  await alice.may({ do: 'connect', path, brokerUid: BROKER })
  await alice.may({ do: 'publish', topic: 'a' })
})

testAsRoot('a broker cannot open its socket to a group that its user is not in', async (t) => {
  const path = publicSocketIn(t, BROKER)
  const keeper = await User.start(t, BROKER, BROKER)
  t.regex(
    await keeper.mayNot({ do: 'start', options: { path, group: GROUP } }, 'CONFIG_INVALID'),
    /group 4700/,
  )
  chmodSync(dirname(path), 0o755)
  // Now it fails at the socket, and lets go of path and lock.
  await keeper.mayNot({ do: 'start', options: { path, group: GROUP } }, 'CONFIG_INVALID')
  t.false(existsSync(path))
  await keeper.may({ do: 'start', options: { path } })
})
