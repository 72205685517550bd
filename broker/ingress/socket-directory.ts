import { lstatSync, mkdirSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { RingbusError } from '../../protocol/index.js'

const STICKY = 0o1000
const OTHERS_WRITE = 0o022

/**
 * Makes the directory of the socket, open to its owner alone, or makes sure of one that is there: whoever can
 * rename files in it could put a socket of their own in place of the broker's. Throws SOCKET_UNSAFE.
 */
export function prepareSocketDirectory(socketPath: string): void {
  const directory = dirname(socketPath)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const fault = directoryFault(lstatSync(directory), process.getuid!())
  if (fault === undefined) return
  throw new RingbusError('SOCKET_UNSAFE', `The directory ${directory} ${fault}`, { details: { directory } })
}

function directoryFault(stats: Stats, uid: number): string | undefined {
  if (!stats.isDirectory()) return 'is no directory, or a link to one'
  if (stats.uid !== uid && stats.uid !== 0) return `belongs to uid ${stats.uid}, not to uid ${uid} or root`
  if (stats.mode & OTHERS_WRITE && !(stats.mode & STICKY)) return 'is writable for others: make it mode 0700'
  return undefined
}
