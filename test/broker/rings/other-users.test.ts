import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { type BrokerOptions, type PermissionRule, startBroker } from '../../../broker/index.js'
import { SegmentRole } from '../../../protocol/index.js'
import { publish, subscribe, topic } from '../frames.js'
import { Child } from '../processes.js'
import { native, RingClient, ringStats, ringStatsWhen, type TestRing } from '../ring-client.js'
import { open, publishByRing } from '../ring-frames.js'
import { publicSocketIn, testAsRoot } from '../users.js'
import type { Findings } from './ring-user-child.js'

const GROUP = 4700
const NOBODY = 65_534
const USER_CHILD = fileURLToPath(new URL('./ring-user-child.js', import.meta.url))

interface Scene {
  readonly path: string
  readonly owner: RingClient
  readonly ring: TestRing
}

/** A broker of root's for a group, and an owner of root's with a ring, which publishes on `open.a` and `secret.a`. */
async function startScene(t: ExecutionContext, permissions?: readonly PermissionRule[]): Promise<Scene> {
  const path = publicSocketIn(t)
  const options: BrokerOptions = { path, group: GROUP, permissions, ringBytes: 65_536, drainTimeoutMs: 0 }
  const broker = await startBroker({ ...options, refusedLingerMs: 200 })
  t.teardown(() => broker.close())
  const owner = await RingClient.open(t, path, 'owner')
  owner.send(topic(0, 'open.a'), topic(1, 'secret.a'))
  return { path, owner, ring: await owner.openRing(1) }
}

/** A subscriber of another user. */
async function startReader(
  t: ExecutionContext,
  path: string,
  pattern: string,
  stolen: readonly string[] = [],
): Promise<Child> {
  const parameters = [path, String(NOBODY), String(GROUP), pattern, String(process.pid), ...stolen]
  const child = new Child(t, fork(USER_CHILD, parameters, { silent: true }))
  await child.message()
  return child
}

testAsRoot(
  '[RING-5] a subscriber of another user can read what it was given, and write nothing',
  async (t) => {
    const { path, owner, ring } = await startScene(t)
    const reader = await startReader(t, path, 'open.*')
    owner.send(publishByRing(0, ring.put(Buffer.from('for all to read'))))
    const findings = await reader.message<Findings>()
    t.log(JSON.stringify(findings.refusals))
    t.like(findings, { offered: ring.id, isByRing: true, payload: 'for all to read', breaches: [] })
    t.like(findings.refusals, {
      write: 'EBADF',
      chmod: 'EPERM',
      'reopen for writing': 'EACCES',
      'map for writing': 'EACCES',
      'open a descriptor of the owner': 'EACCES',
    })
  },
)

testAsRoot(
  '[RING-4] [RING-11] who may not read all that an owner may publish gets its payloads inline, and no map',
  async (t) => {
    const { path, owner, ring } = await startScene(t, [
      { user: 0, publish: ['open.*', 'secret.*'], subscribe: ['open.*'] },
      { user: NOBODY, subscribe: ['open.*'] },
    ])
    const reader = await startReader(t, path, 'open.*')
    const other = await RingClient.open(t, path)
    other.send(subscribe(1, 'open.*', { window: 2 ** 30 }))
    await other.expectNothing()
    owner.send(publishByRing(1, ring.put(Buffer.from('for nobody'))))
    owner.send(publishByRing(0, ring.put(Buffer.from('for both'))))
    const findings = await reader.message<Findings>()
    t.like(findings, { isByRing: false, payload: 'for both', breaches: [] })
    t.is(findings.offered, undefined)
    t.is(findings.refusals[`attach to segment ${ring.id}`], 'ATTACH_REFUSED')
    // Processes of one user have no secrets from each other.
    await other.mapOffered()
    t.is(other.read(await other.expect('MESSAGE')).toString(), 'for both')
  },
)

testAsRoot('[RING-11] who may read all that an owner may publish gets a map of it', async (t) => {
  const { path, owner, ring } = await startScene(t, [
    { user: 0, publish: ['open.a'], request: ['$SYS.stats'] },
    { user: NOBODY, subscribe: ['open.*'] },
  ])
  const reader = await startReader(t, path, 'open.*')
  owner.send(publishByRing(0, ring.put(Buffer.from('for its readers'))))
  t.like(await reader.message<Findings>(), {
    offered: ring.id,
    isByRing: true,
    payload: 'for its readers',
    breaches: [],
  })
  const observer = await RingClient.open(t, path)
  t.like(await ringStats(observer), { delivered: 1, inlined: 0 })
  await reader.end('SIGKILL')
  owner.hangUp()
  await ringStatsWhen(observer, ({ segments }) => segments === 0)
})

testAsRoot('[RING-4] a token is worth nothing to a process of another user', async (t) => {
  const { path, owner } = await startScene(t)
  owner.send(open(1))
  await owner.expect('RETIRE')
  const { id } = await owner.expectOffer(SegmentRole.OWNER)
  const reader = await startReader(t, path, 'open.*', [
    Buffer.from(owner.token).toString('hex'),
    String(owner.clientId),
  ])
  owner.send(publish(0, 'now'))
  const { breaches, refusals } = await reader.message<Findings>()
  t.deepEqual(breaches, [])
  t.is(refusals[`attach to segment ${id} by a stolen token`], 'ATTACH_REFUSED')
  // The token itself is sound.
  const { fd } = await owner.fetch(id)
  t.true(fd >= 0)
  native.closeDescriptor(fd)
})
