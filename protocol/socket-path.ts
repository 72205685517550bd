import { RingbusError } from './errors.js'

/** The longest path that fits a socket address. Node 20 cuts longer ones silently, and listens elsewhere. */
export const SOCKET_PATH_BYTES_MAX = 107

export interface SocketPathSources {
  /** The path that the caller named, by an option or an argument. */
  readonly explicit?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** The user's number, for the directory in /tmp. */
  readonly uid: number
}

export interface SocketPath {
  readonly path: string
  /** What chose it, as messages to people name it: `the option "path"`, `$RINGBUS_SOCKET`, … */
  readonly rule: string
}

/** Where the broker's socket is: the same answer for the broker and its clients. Throws PATH_TOO_LONG. */
export function socketPath(sources: SocketPathSources): SocketPath {
  const chosen = choose(sources)
  const bytes = Buffer.byteLength(chosen.path)
  if (bytes > SOCKET_PATH_BYTES_MAX) {
    throw new RingbusError(
      'PATH_TOO_LONG',
      `The socket path ${chosen.path}, chosen by ${chosen.rule}, has ${bytes} bytes; the system takes at most ${SOCKET_PATH_BYTES_MAX}`,
      { details: { ...chosen, bytes } },
    )
  }
  return chosen
}

function choose({ explicit, env, uid }: SocketPathSources): SocketPath {
  if (explicit !== undefined) return { path: explicit, rule: 'the option "path"' }
  const { RINGBUS_SOCKET: socket, XDG_RUNTIME_DIR: runtimeDirectory } = env
  if (socket !== undefined && socket !== '') return { path: socket, rule: '$RINGBUS_SOCKET' }
  // A relative runtime directory is to be ignored, says the specification that defines the variable.
  if (runtimeDirectory?.startsWith('/')) {
    return { path: `${runtimeDirectory}/ringbus/broker.sock`, rule: '$XDG_RUNTIME_DIR' }
  }
  return { path: `/tmp/ringbus-${uid}/broker.sock`, rule: 'the default' }
}
