import { lstatSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { RingbusError } from '../../protocol/index.js'
import { loadNative } from '../../shmring/index.js'

const OTHERS_WRITE = 0o022

/** Whom a client trusts: its own user, root, and the one that it was told of. */
export interface Trust {
  readonly uid: number
  readonly brokerUid: number | undefined
}

/** Whether a user may own the broker and what leads to it. */
export function isTrusted(uid: number, trust: Trust): boolean {
  return uid === trust.uid || uid === 0 || uid === trust.brokerUid
}

/**
 * Whoever can write the directory can put a socket of their own in place of the broker's. Throws SOCKET_UNSAFE;
 * a directory that is missing is no fault, since nothing can listen there.
 */
export function checkDirectory(path: string, trust: Trust): void {
  const directory = dirname(path)
  const link = statsOf(directory, path)
  if (link === undefined) return
  const stats = link.isSymbolicLink() ? statSync(directory, { throwIfNoEntry: false }) : link
  const fault =
    (link.isSymbolicLink() ? ownerFault(link, trust) : undefined) ??
    (stats === undefined ? undefined : directoryFault(stats, trust))
  if (fault === undefined) return
  throw new RingbusError('SOCKET_UNSAFE', `The directory ${directory} of the socket ${fault}`, {
    details: { path, directory },
  })
}

/** Undefined when there is no such directory. */
function statsOf(directory: string, path: string): Stats | undefined {
  try {
    return lstatSync(directory, { throwIfNoEntry: false })
  } catch (cause) {
    const message = `The directory ${directory} of the socket cannot be looked at: ${String(cause)}`
    throw new RingbusError('SOCKET_UNSAFE', message, { cause, details: { path, directory } })
  }
}

/** Throws SOCKET_UNSAFE when somebody else's process listens. Without the addon nobody can tell. */
export function checkPeer(descriptor: number | undefined, path: string, trust: Trust): void {
  const native = loadNative()
  if (native === undefined || descriptor === undefined) return
  const { uid } = native.peerCredentials(descriptor)
  if (isTrusted(uid, trust)) return
  throw new RingbusError(
    'SOCKET_UNSAFE',
    `The process that listens at ${path} belongs to user ${uid}; if that is right, pass it as \`brokerUid\``,
    { details: { path, uid } },
  )
}

function directoryFault(stats: Stats, trust: Trust): string | undefined {
  return (
    ownerFault(stats, trust) ??
    (isOpenToOthers(stats, trust) ? 'is writable for others than its owner' : undefined)
  )
}

function ownerFault({ uid }: Stats, trust: Trust): string | undefined {
  if (isTrusted(uid, trust)) return undefined
  return `belongs to user ${uid}; if the broker runs as that user, pass it as \`brokerUid\``
}

/** What is one's own is one's own affair. */
function isOpenToOthers({ uid, mode }: Stats, trust: Trust): boolean {
  return (mode & OTHERS_WRITE) !== 0 && uid !== trust.uid
}
