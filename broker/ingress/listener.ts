import { once } from 'node:events'
import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { RingbusError } from '../../protocol/index.js'
import { acquireLock, type NativeHost } from '../../shmring/index.js'
import type { Logger } from '../logger.js'
import { giveToGroup, prepareSocketDirectory } from './socket-directory.js'

/** Who may connect: the broker's own user, and the group that it serves, if there is one. */
const SOCKET_MODE = 0o600
const GROUP_SOCKET_MODE = 0o660
const SOCKET_UMASK = 0o177

/** Connections that the kernel keeps while the broker is busy: as many as it allows. */
const BACKLOG = 4096

export interface ListenerOptions {
  readonly path: string
  /** The group whose processes may connect. */
  readonly group: number | undefined
  readonly native: NativeHost | undefined
  readonly log: Logger
  readonly accept: (socket: Socket) => void
}

/** The listening socket, and the lock that makes it this broker's alone. */
export class Listener {
  readonly #server: Server
  readonly #releaseLock: () => void

  private constructor(server: Server, releaseLock: () => void) {
    this.#server = server
    this.#releaseLock = releaseLock
  }

  /**
   * Listens at a path. The lock file beside it is held for as long as this process lives, so a socket that is
   * found there while the lock is free was left by a broker that died, and is taken over. Throws
   * BROKER_RUNNING when a living broker holds the path.
   */
  static async open(options: ListenerOptions): Promise<Listener> {
    const { path, group, native, log } = options
    prepareSocketDirectory(path, group)
    const releaseLock = native === undefined ? await claimWithoutLock(path, log) : claim(path, native)
    try {
      removeStaleSocket(path)
      const server = createServer({ pauseOnConnect: true }, options.accept)
      await listen(server, options)
      return new Listener(server, releaseLock)
    } catch (error) {
      releaseLock()
      throw error
    }
  }

  /** Accepts nobody any longer, and removes the socket. */
  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  /** Lets another broker have the path. */
  release(): void {
    this.#releaseLock()
  }
}

function claim(path: string, native: NativeHost): () => void {
  const lockPath = `${path}.lock`
  const lock = acquireLock(native, lockPath)
  if (lock.held) return () => lock.release()
  const holder = lock.holderPid === undefined ? '' : ` by process ${lock.holderPid}`
  throw new RingbusError('BROKER_RUNNING', `The lock ${lockPath} is held${holder}: a broker serves ${path}`, {
    details: { path, pid: lock.holderPid ?? null },
  })
}

/** Without the addon there is no lock: a broker that answers is respected, and a race of two is not noticed. */
async function claimWithoutLock(path: string, log: Logger): Promise<() => void> {
  log.warn({ path }, 'the native addon is not loaded: two brokers that start at once may share the path')
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path)
    probe.on('connect', () => resolve(true))
    probe.on('error', () => resolve(false))
    probe.on('close', () => resolve(false))
    probe.on('connect', () => probe.destroy())
  })
  if (answered) throw new RingbusError('BROKER_RUNNING', `A broker serves ${path}`, { details: { path } })
  return () => {}
}

function removeStaleSocket(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return
  if (!stats.isSocket()) {
    throw new RingbusError('SOCKET_UNSAFE', `${path} is there and is no socket: move it away`, {
      details: { path },
    })
  }
  unlinkSync(path)
}

async function listen(server: Server, { path, group, log }: ListenerOptions): Promise<void> {
  const previous = narrowUmask()
  try {
    // Binds before it returns, though it says so later.
    server.listen({ path, backlog: BACKLOG })
  } finally {
    if (previous !== undefined) process.umask(previous)
  }
  await once(server, 'listening')
  try {
    if (group === undefined) chmodSync(path, SOCKET_MODE)
    else giveToGroup(path, group, GROUP_SOCKET_MODE)
  } catch (error) {
    await new Promise((resolve) => server.close(resolve))
    throw error
  }
  // A connection that the kernel could not hand over costs that client its connection, not all of them the broker.
  server.on('error', (error) => log.error({ path, error: error.message }, 'a connection was not accepted'))
}

/** The socket must never be open to others, not even between bind and chmod. Worker threads have no umask. */
function narrowUmask(): number | undefined {
  try {
    return process.umask(SOCKET_UMASK)
  } catch {
    return undefined
  }
}
