import { EventEmitter } from 'eventemitter3'
import type { RingbusError } from '../protocol/index.js'
import { debug } from './debug.js'

/** What a subscription suffers that takes less than is published. */
export interface SlowInfo {
  /** The pattern subscribed to. */
  readonly pattern: string
  /** The queue group, if it is in one. */
  readonly group: string | undefined
  /** Whether it counts as slow now: it has held its publishers up for too long, and loses its oldest messages instead. */
  readonly slow: boolean
  /** Messages that it has lost to its overflow since it was subscribed, or the connection came back. */
  readonly dropped: number
  /** What waits for it in the broker: messages, and their bytes. */
  readonly queued: number
  readonly queuedBytes: number
}

/** The events of a client, and what their listeners are given. */
export interface ClientEvents {
  /** After `publish` returned false: what waited to be sent has gone, and `topic` may be published again. */
  drain: (topic: string) => void
  /** The connection was lost. Unless `reconnect` is false, the client tries to come back by itself. */
  disconnect: (error: RingbusError) => void
  /** The connection is back, subscriptions and services with it. */
  reconnect: () => void
  /**
   * A subscription takes less than is published: it has become slow, loses messages (told at most once a second), or
   * blocks again. Where nobody listens, the first loss of one with the default overflow is a warning of the process.
   */
  slow: (info: SlowInfo) => void
  /** Something failed that no call can report: a handler (HANDLER_ERROR), a message that the broker refused. */
  error: (error: RingbusError) => void
  /** The client is closed for good; `error` says why, unless the program asked for it. */
  close: (error: RingbusError | undefined) => void
}

/** The one emitter of a client, behind which the library for it stands. */
export class Events {
  readonly #emitter = new EventEmitter<ClientEvents>()

  on<Name extends keyof ClientEvents>(name: Name, listener: ClientEvents[Name]): void {
    this.#emitter.on(name, listener as never)
  }

  once<Name extends keyof ClientEvents>(name: Name, listener: ClientEvents[Name]): void {
    this.#emitter.once(name, listener as never)
  }

  off<Name extends keyof ClientEvents>(name: Name, listener: ClientEvents[Name]): void {
    this.#emitter.off(name, listener as never)
  }

  /** Tells the listeners. One that throws fails as any callback of Node does, without harm to the client. */
  emit<Name extends keyof ClientEvents>(name: Name, ...args: Parameters<ClientEvents[Name]>): void {
    try {
      this.#emitter.emit(name, ...(args as never))
    } catch (error) {
      process.nextTick(() => {
        throw error
      })
    }
  }

  /** An error that nobody listens for becomes a warning of the process, rather than silence. */
  reportError(error: RingbusError): void {
    if (this.#emitter.listenerCount('error') > 0) this.emit('error', error)
    else process.emitWarning(error)
  }

  /** A `surprise`, a loss where the program asked for none, becomes a warning of the process if nobody listens. */
  reportSlow(info: SlowInfo, surprise: boolean): void {
    if (this.#emitter.listenerCount('slow') > 0) return this.emit('slow', info)
    const { pattern, dropped, queued } = info
    debug('"%s" has lost %d messages so far, %d wait for it', pattern, dropped, queued)
    if (!surprise) return
    process.emitWarning(
      `The subscription to "${pattern}" has lost ${dropped} messages, since it took too little for too long. ` +
        'Listen to the "slow" event, make its handler faster, or choose another `overflow`.',
      'RingbusSlowWarning',
    )
  }
}
