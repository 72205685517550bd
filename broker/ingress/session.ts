import type { Socket } from 'node:net'
import {
  FrameDecoder,
  type FrameFault,
  type FrameRun,
  type FrameSink,
  Kind,
  Offset,
  RingbusError,
  readU32,
} from '../../protocol/index.js'
import { descriptorOf, type NativeHost } from '../../shmring/index.js'
import type { Channel } from '../egress/channel.js'
import { Outbox, type OverflowCode } from '../egress/outbox.js'
import { dispatch } from '../handlers/dispatch.js'
import { onMessages } from '../handlers/message.js'
import type { Hub } from '../hub.js'
import { type Credentials, errorFrame, Peer } from '../peers/peer.js'
import { ClientGate } from '../rings/client-gate.js'
import { NativeChannel } from './native-channel.js'
import type { PartialFrames } from './partial-frames.js'
import { type ChannelEvents, PlainChannel } from './plain-channel.js'

export interface SessionOptions {
  readonly native: NativeHost | undefined
  readonly partials: PartialFrames
  /** Called once nothing of the session is left. */
  readonly closed: (session: Session) => void
}

/** One connection: reads chunks, brings their frames to the handlers, and flushes what came of them. */
export class Session implements FrameSink {
  readonly peer: Peer
  readonly #hub: Hub
  readonly #options: SessionOptions
  readonly #channel: Channel
  readonly #decoder: FrameDecoder
  #deadline: NodeJS.Timeout | undefined
  /** Whether the broker closes the connection itself, since the client does not. */
  #isCutOff = false
  /** Set once the client is to be let go because it does not read, or not fast enough. */
  #overflow: FrameFault | undefined

  constructor(hub: Hub, socket: Socket, options: SessionOptions) {
    this.#hub = hub
    this.#options = options
    const credentials = credentialsOf(socket, options.native)
    const events: ChannelEvents = {
      data: (chunk) => this.#data(chunk),
      ended: () => this.#ended(),
      spoilt: (message) => this.refuse({ code: 'BAD_FRAME', message, kind: Kind.PAIRED, id: 0 }),
    }
    this.#channel = channelOver(socket, options.native, events, hub.limits.pairPieceBytesMin)
    const outbox = new Outbox(
      this.#channel,
      hub.topics,
      hub,
      {
        overflowed: (code, message) => this.#overflowed(code, message),
        writable: () => this.#writable(),
      },
      new ClientGate(hub.rings, () => this.peer.rings),
      hub.limits.outboxBytesMax,
    )
    const { handshakeTimeoutMs, payloadBytesMax, aliasesMax, ringBytesMax } = hub.limits
    this.peer = new Peer(hub.nextPeerId(), outbox, {
      channel: this.#channel,
      credentials,
      payloadBytesMax,
      aliasesMax,
      ringPayloadBytesMax: ringBytesMax,
    })
    this.#decoder = new FrameDecoder(this, { from: 'client', payloadBytesMax })
    const late = () => {
      if (this.peer.state !== 'greeting') return
      const message = `No HELLO came within ${handshakeTimeoutMs} ms`
      this.refuse({ code: 'HANDSHAKE_TIMEOUT', message, kind: 0, id: 0 })
    }
    // What has come is read before: when this process stood still, that is no fault of the client.
    this.#deadline = setTimeout(() => setImmediate(late), handshakeTimeoutMs)
  }

  frame(bytes: Buffer, start: number, length: number): FrameFault | undefined {
    // The rest of the chunk would only bring out more of what the client does not read.
    if (this.#overflow !== undefined) return this.#overflow
    try {
      dispatch(this.#hub, this.peer, bytes, start, length)
      // What the socket brings behind it are bells.
      if (bytes[start + Offset.KIND] === Kind.PAIRED) this.#decoder.skipRest()
      return undefined
    } catch (error) {
      return faultOf(error, bytes, start)
    }
  }

  run(run: FrameRun): FrameFault | undefined {
    const { bytes, start } = run
    if (this.#overflow !== undefined) return this.#overflow
    if (this.peer.state === 'greeting') return this.frame(bytes, start, readU32(bytes, start + Offset.LENGTH))
    try {
      onMessages(this.#hub, this.peer, run)
      return undefined
    } catch (error) {
      return faultOf(error, bytes, start)
    }
  }

  /** Tells the client what it did wrong, and lets it go; nothing more of what it sends is looked at. [ERR-3] */
  refuse(fault: FrameFault): void {
    const { peer } = this
    if (peer.state === 'refused' || peer.state === 'gone') return
    peer.state = 'refused'
    this.#hub.faults += 1
    this.#hub.log.warn({ client: peer.id, name: peer.name, pid: peer.pid, code: fault.code }, fault.message)
    this.#hub.leave(peer, fault.code)
    peer.outbox.end(errorFrame(fault.code, fault.message, fault.kind, fault.id, true))
    this.#options.partials.release(this)
    this.#cutOffLater()
    this.#hub.flush()
  }

  /** Ends the session from the broker's side: what is gathered leaves, then the stream ends. */
  end(): void {
    const { peer } = this
    if (peer.state !== 'refused') this.#hub.leave(peer, undefined)
    peer.state = 'refused'
    peer.outbox.end()
    this.#cutOffLater()
  }

  /** Ends the session without waiting for its client. */
  cutOff(): void {
    this.#rearm(undefined)
    this.#isCutOff = true
    this.#channel.destroy()
  }

  #data(chunk: Buffer): void {
    const { peer } = this
    // A refused client's input is read and thrown away, so that it can write on and come to read why.
    if (peer.state === 'refused' || peer.state === 'gone') return
    const fault = this.#decoder.push(chunk)
    if (fault !== undefined) return this.refuse(fault)
    // It was here for a descriptor, and has nothing more to say.
    if ((peer.state as Peer['state']) === 'refused') return this.#cutOffLater()
    // HELLO has come, and with it the client's right to be silent for as long as it likes.
    if (this.#deadline !== undefined && (peer.state as Peer['state']) === 'open') this.#rearm(undefined)
    this.#options.partials.track(this, this.#decoder.partialBytes)
    if (peer.usesPairs && peer.pair === undefined) this.#hub.pairs.consider(peer)
    this.#hub.flush()
    this.#hub.polling.arrived()
  }

  #ended(): void {
    this.#rearm(undefined)
    const { peer } = this
    this.#options.partials.release(this)
    if (peer.state !== 'refused') this.#hub.leave(peer, undefined)
    peer.state = 'gone'
    peer.outbox.discard()
    this.#hub.pairs.close(peer)
    if (peer.hasRings) this.#hub.rings.clientEnded(peer.rings, this.#isCutOff)
    // What it leaves unread would otherwise keep the socket open for as long as it likes.
    this.#channel.destroy()
    this.#hub.flush()
    this.#options.closed(this)
  }

  #overflowed(code: OverflowCode, message: string): void {
    const fault: FrameFault = { code, message, kind: 0, id: 0 }
    this.#overflow = fault
    // Not at once: the outbox is in the middle of a delivery, and so may be routing.
    queueMicrotask(() => this.refuse(fault))
  }

  #writable(): void {
    this.#hub.pauses.tell(this.peer)
    this.#hub.requests.resume(this.peer, [...this.peer.services(), ...this.peer.retiringServices])
    this.#hub.flush()
  }

  /** Waits for the client to hang up, but not for ever. */
  #cutOffLater(): void {
    this.#rearm(this.#hub.limits.refusedLingerMs, () => this.cutOff())
  }

  #rearm(delayMs: number | undefined, act: () => void = () => {}): void {
    clearTimeout(this.#deadline)
    this.#deadline = delayMs === undefined ? undefined : setTimeout(act, delayMs)
  }
}

/** What a handler has thrown, as a fault of the frame that it handled. */
function faultOf(error: unknown, bytes: Buffer, start: number): FrameFault {
  if (!(error instanceof RingbusError)) throw error
  const kind = bytes[start + Offset.KIND]!
  return { code: error.code, message: error.message, kind, id: readU32(bytes, start + Offset.ID) }
}

function channelOver(
  socket: Socket,
  native: NativeHost | undefined,
  events: ChannelEvents,
  pieceBytesMin: number,
): Channel {
  const fd = descriptorOf(socket)
  if (native !== undefined && fd !== undefined) {
    try {
      return new NativeChannel(socket, fd, native, events, pieceBytesMin)
    } catch {
      // Out of descriptors for a moment: this client is served the plain way.
    }
  }
  return new PlainChannel(socket, events)
}

function credentialsOf(socket: Socket, native: NativeHost | undefined): Credentials | undefined {
  const fd = descriptorOf(socket)
  if (native === undefined || fd === undefined) return undefined
  try {
    return native.peerCredentials(fd)
  } catch {
    // The client hung up already: what it sent is still to be read.
    return undefined
  }
}
