import { EventEmitter } from 'eventemitter3'
import type { RingbusError } from '../protocol/index.js'

/** The events of a client, and what their listeners are given. */
export interface ClientEvents {
  /** After `publish` returned false: what waited to be sent has gone, and `topic` may be published again. */
  drain: (topic: string) => void
  /** The connection was lost. Unless `reconnect` is false, the client tries to come back by itself. */
  disconnect: (error: RingbusError) => void
  /** The connection is back, subscriptions and services with it. */
  reconnect: () => void
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
}
