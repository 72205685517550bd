import { RingbusError, type SocketPath } from '../../protocol/index.js'
import { type Introduction, type OnWelcome, shakeHands } from './handshake.js'
import { openSocket } from './socket.js'
import { checkDirectory, checkPeer, type Trust } from './trust.js'

export interface DialSettings {
  readonly target: SocketPath
  readonly trust: Trust
  readonly introduction: Introduction
}

/** Connects and opens the session. Throws NO_BROKER at once when nothing listens. */
export async function dial(
  settings: DialSettings,
  onWelcome: OnWelcome,
  signal?: AbortSignal,
): Promise<void> {
  const { target, trust, introduction } = settings
  signal?.throwIfAborted()
  checkDirectory(target.path, trust)
  const connection = await openSocket(target.path).catch((error) => {
    throw unreachable(target, error)
  })
  const { socket, descriptor } = connection
  const abort = () => socket.destroy()
  signal?.addEventListener('abort', abort)
  try {
    checkPeer(descriptor, target.path, trust)
    signal?.throwIfAborted()
    await shakeHands(connection, introduction, onWelcome)
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

function unreachable({ path, rule }: SocketPath, cause: NodeJS.ErrnoException): RingbusError {
  const message = `No broker at ${path} (chosen by ${rule}): ${reasonOf(cause)}`
  return new RingbusError('NO_BROKER', message, { cause, details: { path, rule } })
}

function reasonOf(error: NodeJS.ErrnoException): string {
  const remedy = 'start one with `ringbus broker`, or connect with `autostart: true`'
  if (error.code === 'ENOENT') return `there is no socket; ${remedy}`
  if (error.code === 'ECONNREFUSED') return `the socket is there, but nothing listens; ${remedy}`
  if (error.code === 'EACCES')
    return 'it is not open to this user: a broker takes clients of its own user, and of its `group` if it has one'
  return error.message
}
