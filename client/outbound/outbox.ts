import { type ByteSink, FrameWriter, Kind, type MessageHead, RingbusError } from '../../protocol/index.js'
import { Aliases } from './aliases.js'

/** Where frames leave: the way to the broker while there is one. */
export interface Outlet extends ByteSink {
  /** Bytes written that the system has not taken yet. */
  readonly queuedBytes: number
}

/**
 * Everything that a client sends, in order. Frames written in one turn leave in one write, at the end of the
 * turn, and at once past 64 KiB. While there is no connection they are kept, and begin the next one:
 *
 *   connected  frames → writer → outlet      aliases are known to the broker
 *   away       frames → writer → kept        aliases are bound from nothing, within what is kept
 */
export class Outbox implements ByteSink {
  readonly aliases = new Aliases((alias, topic) => this.control(Kind.TOPIC, alias, 0, Buffer.from(topic)))
  readonly #writer = new FrameWriter(this)
  #outlet: Outlet | undefined
  #kept: Buffer[] = []
  #keptBytes = 0
  /** What the outlet could not pass on at the last write; more may be gone by now. */
  #queuedBytes = 0
  #flushQueued = false

  get isConnected(): boolean {
    return this.#outlet !== undefined
  }

  /** Bytes that wait here, in memory of this process. */
  get waitingBytes(): number {
    return this.#queuedBytes + this.#keptBytes + this.#writer.pendingBytes
  }

  control(kind: number, topic: number, id: number, body?: Uint8Array): void {
    this.#writer.control(kind, topic, id, body)
    if (!this.#flushQueued) this.#queueFlush()
  }

  /** Writes a message frame; returns its length without padding. */
  message(head: MessageHead, payload: Uint8Array | string): number {
    const length = this.#writer.message(head, payload)
    if (!this.#flushQueued) this.#queueFlush()
    return length
  }

  /** The writer's way out. */
  write(bytes: Buffer): boolean {
    if (this.#outlet === undefined) {
      this.#kept.push(bytes)
      this.#keptBytes += bytes.length
      return false
    }
    const taken = this.#outlet.write(bytes)
    this.#queuedBytes = this.#outlet.queuedBytes
    return taken
  }

  /** Hands over what is written, unless more is on its way already than the system takes. */
  flush(): void {
    if (this.#queuedBytes === 0) this.#writer.flush()
  }

  /** The outlet has passed everything on. */
  drained(): void {
    this.#queuedBytes = 0
    this.#writer.flush()
  }

  /**
   * A new connection: sends what `begin` writes, then what was kept. Throws when the broker offers fewer
   * aliases than the kept frames use; they are lost then.
   */
  connect(outlet: Outlet, aliasesMax: number, begin: () => void): void {
    this.#writer.flush()
    const kept = this.#kept
    this.#kept = []
    this.#keptBytes = 0
    this.#outlet = outlet
    begin()
    this.#writer.flush()
    this.aliases.capacity = aliasesMax
    if (this.aliases.count > aliasesMax) {
      this.aliases.reset()
      throw new RingbusError(
        'ALIAS_OUT_OF_RANGE',
        `The broker offers ${aliasesMax} aliases, fewer than the messages use that were kept for it; they are lost`,
      )
    }
    for (const bytes of kept) this.write(bytes)
  }

  /** The connection is gone, and with it what it had not passed on. */
  disconnect(): void {
    this.#outlet = undefined
    this.#queuedBytes = 0
    this.#writer.discard()
    this.aliases.reset()
  }

  /** Drops what is kept: there will be no other connection. */
  discard(): void {
    this.disconnect()
    this.#kept = []
    this.#keptBytes = 0
  }

  /** Small writes that would queue behind others, or wait for a connection, are gathered in full batches. */
  #queueFlush(): void {
    if (this.#outlet === undefined || this.#queuedBytes > 0) return
    this.#flushQueued = true
    queueMicrotask(this.#flushTurn)
  }

  readonly #flushTurn = (): void => {
    this.#flushQueued = false
    this.flush()
  }
}
