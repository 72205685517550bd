import { setTimeout as delay } from 'node:timers/promises'
import {
  type ErrorCode,
  type FrameFault,
  type FrameRun,
  type FrameSink,
  RingbusError,
} from '../../protocol/index.js'
import { debug } from '../debug.js'
import type { ReconnectSettings } from '../options.js'
import { dialOrStart } from './autostart.js'
import { backoffMs } from './backoff.js'
import { type ConnectionEvent, type ConnectionState, nextConnectionState } from './connection-state.js'
import { type DialSettings, dial } from './dial.js'
import type { Link, LinkListener } from './link.js'
import type { Welcome } from './welcome.js'

/** Who is told of what becomes of the connection. */
export interface ConnectionListener {
  /** Called within the read that brings WELCOME. */
  opened(link: Link, welcome: Welcome): void
  readEnd(): void
  drained(): void
  /** The link is gone. Unless `closed` follows, another one is being looked for. */
  lost(error: RingbusError): void
  /** There will be no other link. */
  connectionEnded(error: RingbusError): void
}

export interface ConnectionSettings extends DialSettings {
  readonly autostart: boolean
  readonly reconnect: ReconnectSettings
}

/** What no later attempt will change. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set([
  'VERSION_UNSUPPORTED',
  'NOT_RINGBUS',
  'SOCKET_UNSAFE',
  'CANCELLED',
])

/** The way to the broker across the links that come and go. States: see connection-state.ts. */
export class Connection implements LinkListener {
  readonly #settings: ConnectionSettings
  readonly #frames: Required<FrameSink>
  readonly #listener: ConnectionListener
  #state: ConnectionState = 'idle'
  #link: Link | undefined
  /** Ends what an attempt waits for. */
  readonly #ending = new AbortController()

  constructor(settings: ConnectionSettings, frames: Required<FrameSink>, listener: ConnectionListener) {
    this.#settings = settings
    this.#frames = frames
    this.#listener = listener
  }

  /** The first connection: rejects at once when it fails, unless the settings say to go on. */
  async open(userSignal: AbortSignal | undefined): Promise<void> {
    const { reconnect } = this.#settings
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#attempt(userSignal)
      } catch (error) {
        const refusal = userSignal?.aborted ? cancelled(userSignal.reason) : error
        if (!reconnect.initial || isPermanent(refusal)) {
          this.#apply('close')
          throw refusal
        }
        this.#apply('failed')
        debug('attempt %d to connect failed: %s', attempt, refusal)
      }
      // An abort ends the wait, and the attempt after it says so.
      await delay(backoffMs(attempt, reconnect), undefined, signalOption(userSignal)).catch(() => undefined)
    }
  }

  /** Sends what is written, then closes. */
  end(): void {
    this.#close((link) => link.end())
  }

  /** Closes at once. */
  destroy(): void {
    this.#close((link) => link.destroy())
  }

  frame(bytes: Buffer, start: number, length: number): FrameFault | undefined {
    return this.#frames.frame(bytes, start, length)
  }

  get mixesTopics(): boolean {
    return this.#frames.mixesTopics
  }

  run(run: FrameRun): FrameFault | undefined {
    return this.#frames.run(run)
  }

  readEnd(): void {
    this.#listener.readEnd()
  }

  drained(): void {
    this.#listener.drained()
  }

  lost(error: RingbusError): void {
    debug('%s', error.message)
    this.#link = undefined
    this.#apply('lost')
    this.#listener.lost(error)
    if (this.#state !== 'waiting') return
    if (this.#settings.reconnect.enabled) void this.#comeBack()
    else this.#giveUp(error)
  }

  async #comeBack(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const waitMs = backoffMs(attempt, this.#settings.reconnect)
      await delay(waitMs, undefined, { signal: this.#ending.signal }).catch(() => undefined)
      if (this.#isClosed) return
      try {
        return await this.#attempt(this.#ending.signal)
      } catch (error) {
        if (this.#isClosed) return
        debug('attempt %d to reconnect failed: %s', attempt, error)
        if (isPermanent(error)) return this.#giveUp(error as RingbusError)
        this.#apply('failed')
      }
    }
  }

  async #attempt(signal: AbortSignal | undefined): Promise<void> {
    this.#apply('dial')
    const reach = this.#settings.autostart ? dialOrStart : dial
    await reach(this.#settings, (link, welcome) => this.#welcomed(link, welcome), signal)
  }

  #welcomed(link: Link, welcome: Welcome): LinkListener {
    if (this.#state !== 'dialling') throw new RingbusError('CLOSED', 'The client was closed')
    this.#apply('welcomed')
    this.#link = link
    debug('connected as client %d of a broker %s', welcome.clientId, welcome.brokerVersion)
    this.#listener.opened(link, welcome)
    return this
  }

  get #isClosed(): boolean {
    return this.#state === 'closed'
  }

  #giveUp(error: RingbusError): void {
    this.#apply('close')
    this.#listener.connectionEnded(error)
  }

  #close(closeLink: (link: Link) => void): void {
    if (this.#state === 'closed') return
    this.#apply('close')
    this.#ending.abort()
    if (this.#link !== undefined) closeLink(this.#link)
    this.#link = undefined
  }

  #apply(event: ConnectionEvent): void {
    this.#state = nextConnectionState(this.#state, event)
  }
}

function isPermanent(error: unknown): boolean {
  // An error that is none of ours is a fault of this program, and would only repeat itself.
  return !(error instanceof RingbusError) || PERMANENT.has(error.code)
}

function cancelled(cause: unknown): RingbusError {
  return new RingbusError('CANCELLED', 'Connecting was cancelled', { cause })
}

function signalOption(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}
