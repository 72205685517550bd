import { RingbusError } from './errors.js'

/** Longer paths do not fit into `sockaddr_un`; some versions of Node cut them off without a word. */
export const SOCKET_PATH_BYTES_MAX = 107

export interface SocketPathSources {
  /** What the program asked for. */
  readonly explicit?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly uid: number
}

export interface SocketPath {
  readonly path: string
  /** Which rule chose it, in words for an error message. */
  readonly rule: string
}

/** Where the broker's socket lies. Throws PATH_TOO_LONG. */
export function socketPath(sources: SocketPathSources): SocketPath {
  const chosen = choose(sources)
  const bytes = Buffer.byteLength(chosen.path)
  if (bytes > SOCKET_PATH_BYTES_MAX) {
    throw new RingbusError(
      'PATH_TOO_LONG',
      `The socket path has ${bytes} bytes, the system takes ${SOCKET_PATH_BYTES_MAX}: ${chosen.path}`,
      { details: { path: chosen.path, rule: chosen.rule } },
    )
  }
  return chosen
}

function choose({ explicit, env, uid }: SocketPathSources): SocketPath {
  if (explicit !== undefined) return { path: explicit, rule: 'the option `path`' }
  const named = env['RINGBUS_SOCKET']
  if (named) return { path: named, rule: 'the environment variable RINGBUS_SOCKET' }
  const runtime = env['XDG_RUNTIME_DIR']
  if (runtime) return { path: `${runtime}/ringbus/broker.sock`, rule: 'the default within XDG_RUNTIME_DIR' }
  return { path: `/tmp/ringbus-${uid}/broker.sock`, rule: 'the default without XDG_RUNTIME_DIR' }
}
