import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, type Stats } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { RingbusError } from '../../protocol/index.js'

const STICKY = 0o1000
const OTHERS_WRITE = 0o022
const GROUP_EXECUTE = 0o010
const OTHERS_EXECUTE = 0o001

/** Of a directory that the broker makes, and of one that it opens to its group. */
const DIRECTORY_MODE = 0o700
const GROUP_DIRECTORY_MODE = 0o750

/**
 * Makes the directory of the socket, open to its owner and to `group` alone, or makes sure of one that is there:
 * whoever can rename files in it could put a socket of their own in place of the broker's. Throws SOCKET_UNSAFE.
 */
export function prepareSocketDirectory(socketPath: string, group: number | undefined): void {
  const directory = resolve(dirname(socketPath))
  const uid = process.getuid!()
  const topmost = mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE })
  const fault = directoryFault(lstatSync(directory), uid)
  if (fault !== undefined) throw unsafe(directory, fault)
  if (group === undefined) return
  if (topmost === undefined) return openToGroup(socketPath, group, uid)
  for (const made of pathBetween(topmost, directory)) giveToGroup(made, group, GROUP_DIRECTORY_MODE)
}

/** Hands a file or directory of the broker's to its group. Throws CONFIG_INVALID when the broker may not. */
export function giveToGroup(path: string, group: number, mode: number): void {
  try {
    // Closed to the former group before it is open to the new one.
    chmodSync(path, mode & ~0o077)
    chownSync(path, -1, group)
    chmodSync(path, mode)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EPERM') throw cause
    const message =
      `${path} cannot be given to group ${group}: ` +
      'only root, or a user who belongs to that group, can run a broker for it'
    throw new RingbusError('CONFIG_INVALID', message, { cause, details: { path, group } })
  }
}

/** Lets a group into a directory that is there, but only if nothing else of anybody's lies in it. */
function openToGroup(socketPath: string, group: number, uid: number): void {
  const directory = dirname(socketPath)
  const stats = lstatSync(directory)
  if (letsIn(stats, group)) return
  const remedy = `let the group in (chgrp ${group}, chmod g+x), or choose a directory of its own for the socket`
  if (stats.uid !== uid) {
    throw unsafe(directory, `belongs to uid ${stats.uid}, and group ${group} has no way in: ${remedy}`)
  }
  const foreign = foreignEntry(socketPath)
  if (foreign !== undefined) {
    const reason = `holds more than the broker's files ("${foreign}"), and is not opened to group ${group}`
    throw unsafe(directory, `${reason}: ${remedy}`)
  }
  giveToGroup(directory, group, GROUP_DIRECTORY_MODE)
}

function letsIn({ mode, gid }: Stats, group: number): boolean {
  return (mode & (gid === group ? GROUP_EXECUTE : OTHERS_EXECUTE)) !== 0
}

/** An entry beside the socket, its lock and its log. */
function foreignEntry(socketPath: string): string | undefined {
  const socket = basename(socketPath)
  const own = [socket, `${socket}.lock`, `${socket}.log`]
  return readdirSync(dirname(socketPath)).find((entry) => !own.includes(entry))
}

/** The directories from one to another below it, both included. */
function pathBetween(topmost: string, directory: string): string[] {
  if (topmost === directory) return [directory]
  return [...pathBetween(topmost, dirname(directory)), directory]
}

function directoryFault(stats: Stats, uid: number): string | undefined {
  if (!stats.isDirectory()) return 'is no directory, or a link to one'
  if (stats.uid !== uid && stats.uid !== 0) return `belongs to uid ${stats.uid}, not to uid ${uid} or root`
  if (stats.mode & OTHERS_WRITE && !(stats.mode & STICKY)) return 'is writable for others: make it mode 0700'
  return undefined
}

function unsafe(directory: string, fault: string): RingbusError {
  return new RingbusError('SOCKET_UNSAFE', `The directory ${directory} ${fault}`, { details: { directory } })
}
