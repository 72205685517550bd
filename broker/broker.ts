import type { Socket } from 'node:net'
import { RingbusError, socketPath } from '../protocol/index.js'
import { loadNative, type NativeHost, nativeLoadError } from '../shmring/index.js'
import { type BrokerSettings, parseSettings } from './config.js'
import { Drain, type Leftover } from './drain.js'
import { Hub } from './hub.js'
import { Listener } from './ingress/listener.js'
import { PartialFrames } from './ingress/partial-frames.js'
import { Session } from './ingress/session.js'
import { type Logger, SILENT_LOGGER } from './logger.js'
import { errorFrame } from './peers/peer.js'
import { Permissions } from './permissions/permissions.js'
import type { PermissionRule } from './permissions/rule.js'

export interface BrokerOptions extends BrokerSettings {
  /** Takes what the broker has to say; an embedded broker is silent by default. */
  readonly logger?: Logger | undefined
}

/** A running broker. */
export class Broker {
  /** The path of its socket. */
  readonly path: string
  /** Resolves once the broker has stopped, for whatever reason. */
  readonly closed: Promise<void>
  readonly #hub: Hub
  readonly #sessions = new Set<Session>()
  readonly #partials: PartialFrames
  #listener: Listener | undefined
  #drain: Drain | undefined
  #state: 'starting' | 'running' | 'stopping' | 'stopped' = 'starting'
  #idleTimer: NodeJS.Timeout | undefined
  #resolveClosed: () => void = () => {}
  #onEmptied: () => void = () => {}

  private constructor(path: string, hub: Hub) {
    this.path = path
    this.#hub = hub
    this.#partials = new PartialFrames(() => hub.limits.partialBytesMax)
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  /** Starts a broker; throws CONFIG_INVALID, PATH_TOO_LONG, SOCKET_UNSAFE or BROKER_RUNNING. */
  static async start(options: BrokerOptions = {}): Promise<Broker> {
    const { logger = SILENT_LOGGER, ...settings } = options
    const { path: explicit, group, permissions, limits } = parseSettings(settings, 'startBroker')
    const { path } = socketPath({ explicit, env: process.env, uid: process.getuid!() })
    const native = loadNative()
    const broker = new Broker(path, new Hub(limits, enforceable(permissions, 'startBroker'), logger, native))
    broker.#listener = await Listener.open({
      path,
      group,
      native,
      log: logger,
      accept: (socket) => broker.#accept(socket, native),
    })
    broker.#state = 'running'
    broker.#watchIdle()
    return broker
  }

  /** Clients connected now. */
  get clientCount(): number {
    return this.#sessions.size
  }

  /**
   * Takes new limits and permissions while it runs. What is there already is not cut down to them: a client keeps
   * what it was granted when it connected. `path` and `group` stay as they are. Throws CONFIG_INVALID.
   */
  reconfigure(settings: BrokerSettings): void {
    const { permissions, limits } = parseSettings(settings, 'reconfigure')
    this.#hub.permissions = enforceable(permissions, 'reconfigure')
    Object.assign(this.#hub.limits, limits)
    this.#hub.polling.reconfigured()
    this.#watchIdle()
  }

  /**
   * Stops: accepts nobody, takes no more requests, asks publishers to keep what they have, finishes what is queued,
   * in the hands of handlers or being answered, for as long as `drainTimeoutMs`; then ends every connection and
   * removes the socket. Safe to call twice.
   */
  async close(): Promise<void> {
    if (this.#state !== 'running') return this.closed
    this.#state = 'stopping'
    clearTimeout(this.#idleTimer)
    this.#hub.polling.stop()
    const unlinked = this.#listener!.stop()
    this.#hub.stop()
    this.#drain = new Drain(this.#hub, this.#hub.limits.drainTimeoutMs)
    this.#logLeftover(await this.#drain.ended)
    for (const session of this.#sessions) session.end()
    await this.#emptied()
    await unlinked
    this.#hub.pauses.end()
    this.#hub.rings.stop()
    this.#hub.retained.stop()
    this.#listener!.release()
    this.#state = 'stopped'
    this.#resolveClosed()
  }

  /** Stops at once, or makes an end of a stop that is under way: what is left to do is lost. */
  async destroy(): Promise<void> {
    const closing = this.close()
    this.#drain?.giveUp()
    // Sessions end in `close`, which goes on in a microtask.
    await this.#drain?.ended
    for (const session of this.#sessions) session.cutOff()
    await closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #accept(socket: Socket, native: NativeHost | undefined): void {
    if (this.#sessions.size >= this.#hub.limits.clientsMax) return this.#turnAway(socket)
    clearTimeout(this.#idleTimer)
    const session = new Session(this.#hub, socket, {
      native,
      partials: this.#partials,
      closed: (ended) => this.#sessionClosed(ended),
    })
    this.#sessions.add(session)
  }

  /** Says why there is no place, and reads on until the client has seen it and hung up, or for a while. */
  #turnAway(socket: Socket): void {
    const message = `The broker has ${this.#sessions.size} clients, as many as it may have`
    this.#hub.log.warn({ code: 'CLIENT_LIMIT' }, message)
    const deadline = setTimeout(() => socket.destroy(), this.#hub.limits.refusedLingerMs)
    socket.on('error', () => {}).on('close', () => clearTimeout(deadline))
    socket.end(errorFrame('CLIENT_LIMIT', message, 0, 0, true))
    socket.resume()
  }

  /** Every session ends: by its client's hang-up, or by its deadline for that. */
  async #emptied(): Promise<void> {
    if (this.#sessions.size === 0) return
    await new Promise<void>((resolve) => {
      this.#onEmptied = resolve
    })
  }

  #sessionClosed(session: Session): void {
    this.#sessions.delete(session)
    if (this.#sessions.size === 0) this.#onEmptied()
    this.#watchIdle()
  }

  #watchIdle(): void {
    clearTimeout(this.#idleTimer)
    const { idleExitMs } = this.#hub.limits
    if (idleExitMs === 0 || this.#sessions.size > 0 || this.#state !== 'running') return
    this.#idleTimer = setTimeout(() => void this.close(), idleExitMs)
  }

  #logLeftover(leftover: Leftover): void {
    if (Object.values(leftover).every((count) => count === 0)) return
    this.#hub.log.warn({ ...leftover }, 'the broker ends with something left to do')
  }
}

/** Rules that nobody could be held to must not look as if they were. */
function enforceable(rules: readonly PermissionRule[] | undefined, origin: string): Permissions {
  if (rules !== undefined && loadNative() === undefined) {
    const message =
      `${origin}: \`permissions\` need the native addon, which knows the users of clients, and there is none. ` +
      `${nativeLoadError()!.message}. Without \`permissions\`, whoever can connect may do everything`
    throw new RingbusError('CONFIG_INVALID', message, { cause: nativeLoadError() })
  }
  return new Permissions(rules, process.getuid!())
}

/** Starts a broker within this process. */
export function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  return Broker.start(options)
}
