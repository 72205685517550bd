import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  fchmodSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  writeSync,
} from 'node:fs'
import type { ExecutionContext } from 'ava'
import { subscribe } from '../frames.js'
import { native, RingClient } from '../ring-client.js'

/*
 * A subscriber of another user, which becomes that user before it does anything, and then tries what it must not be
 * able to: `ring-user-child.js <path> <uid> <gid> <topic> <pid of the owner> [<stolen token> <its client>]`. It sends
 * `ready` once it is subscribed, and what came of its first message.
 */
const [path, uid, gid, topic, ownerPid, stolenToken, victim] = process.argv.slice(2) as string[] as [
  path: string,
  uid: string,
  gid: string,
  topic: string,
  ownerPid: string,
  stolenToken?: string,
  victim?: string,
]
process.setgroups!([])
process.setgid!(Number(gid))
process.setuid!(Number(uid))
// A change of user hides /proc/self, which would refuse what is tried for another reason.
native.setDumpable(true)

/** What the tests' client asks of a test. */
const t = { teardown() {}, is: assert.equal, true: assert.ok, deepEqual: assert.deepEqual, like() {} }

/** What the first message brought. */
export interface Findings {
  /** The segment that was offered before it. */
  readonly offered: number | undefined
  readonly isByRing: boolean
  readonly payload: string
  /** Ways in which the memory of a segment could be had for writing, or at all where it was not offered. */
  readonly breaches: string[]
  /** The ways that were tried, and how each was refused. */
  readonly refusals: Record<string, string>
}

const refusals: Record<string, string> = {}
const breaches: string[] = []

function attempt(way: string, act: () => unknown): void {
  try {
    act()
    breaches.push(way)
  } catch (error) {
    refusals[way] = (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

/** Everything by which a descriptor of a segment might be written through. */
function attack(fd: number, bytes: number): void {
  const again = `/proc/self/fd/${fd}`
  attempt('write', () => writeSync(fd, 'w', 65_536))
  attempt('truncate', () => ftruncateSync(fd, 0))
  attempt('chmod', () => fchmodSync(fd, 0o666))
  attempt('reopen for writing', () => openSync(again, 'r+'))
  attempt('reopen and truncate', () => openSync(again, constants.O_WRONLY | constants.O_TRUNC))
  attempt('punch a hole', () => punch(fd, bytes))
  attempt('map for writing', () => native.ringMap(native.duplicate(fd), bytes))
}

function punch(fd: number, bytes: number): void {
  const options = ['-p', '-o', '65536', '-l', String(bytes), '/proc/self/fd/3']
  const { status, stderr } = spawnSync('fallocate', options, { stdio: ['ignore', 'ignore', 'pipe', fd] })
  if (status !== 0) throw new Error(String(stderr ?? 'there is no such program'))
}

/** The segments of another process, by what /proc shows of it. */
function rob(pid: string): void {
  attempt('read the memory of the owner', () => openSync(`/proc/${pid}/mem`, 'r'))
  attempt('open a descriptor of the owner', () => {
    const fds = readdirSync(`/proc/${pid}/fd`)
    const segment = fds.find((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).includes('ringbus-segment'))
    closeSync(openSync(`/proc/${pid}/fd/${segment}`, 'r'))
  })
}

const client = await RingClient.open(t as unknown as ExecutionContext, path, 'other user')
client.send(subscribe(1, topic, { window: 2 ** 30 }))
await client.expectNothing()
process.send!('ready')

let received = await client.next()
let offered: number | undefined
while (received.kind !== 'MESSAGE') {
  if (received.kind === 'SEGMENT') {
    offered = received.topic
    const bytes = received.body['bytes'] as number
    const { fd } = await client.fetch(offered)
    attack(fd, bytes)
    const byte = Buffer.alloc(1)
    assert.equal(readSync(fd, byte, 0, 1, 65_536), 1)
    closeSync(fd)
    await client.map({ id: offered, bytes })
  }
  received = await client.next()
}
const findings = { offered, isByRing: client.isByRing(received), payload: client.read(received).toString() }
rob(ownerPid)
// Segments are numbered: it may guess those that nobody has offered.
for (let segment = 1; segment < 5; segment++) {
  const { fd, code } = await client.fetch(segment)
  if (fd >= 0) breaches.push(`was given segment ${segment}`)
  refusals[`attach to segment ${segment}`] = String(code)
  if (stolenToken === undefined) continue
  const stolen = await client.fetch(segment, Number(victim), Buffer.from(stolenToken, 'hex'))
  if (stolen.fd >= 0) breaches.push(`was given segment ${segment} by a stolen token`)
  refusals[`attach to segment ${segment} by a stolen token`] = String(stolen.code)
}
process.send!({ ...findings, breaches, refusals } satisfies Findings)
