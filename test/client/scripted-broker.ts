import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import type { ExecutionContext } from 'ava'
import {
  controlFrame,
  decodeBody,
  encodeBody,
  Flag,
  FrameDecoder,
  frameLayout,
  HEADER_BYTES,
  isByRing,
  KIND_RULES,
  Kind,
  kindName,
  MAGIC,
  type MessageHead,
  messageFrame,
  Offset,
  PAYLOAD_BYTES_MAX_DEFAULT,
  PROTOCOL_VERSION,
  type RingDescriptor,
  readDescriptor,
  readU32,
} from '../../protocol/index.js'
import { socketIn } from './fixtures.js'

type KindName = keyof typeof Kind

/** A frame from the client, as a test reads it. */
export interface Received {
  readonly kind: KindName
  readonly topic: number
  readonly id: number
  /** Without SENT_AT, which some messages have and others do not. */
  readonly flags: number
  /** Nanoseconds; 0 without SENT_AT. */
  readonly sentAtNs: number
  readonly priority: number
  readonly length: number
  /** The body of a control frame, empty for the others. */
  readonly body: Record<string, unknown>
  /** The payload of a message frame as text; the name within TOPIC. */
  readonly text: string
  /** What a frame with RING refers to. */
  readonly ring: RingDescriptor | undefined
}

const BODY_KINDS: readonly number[] = [
  Kind.HELLO,
  Kind.SUBSCRIBE,
  Kind.UNSUBSCRIBE,
  Kind.CREDIT,
  Kind.LATENCY,
  Kind.SERVE,
  Kind.FAILURE,
  Kind.PULL,
  Kind.ATTACH,
  Kind.OPEN,
  Kind.DECLINE,
  Kind.ABORT,
]

export const LIMITS = {
  payloadBytesMax: PAYLOAD_BYTES_MAX_DEFAULT,
  aliases: 1024,
  subscriptionsMax: 1024,
  servicesMax: 1024,
  requestsMax: 1024,
  ringThresholdBytes: 16 * 1024,
  ringPayloadBytesMax: 1024 * 1024,
}

/** A broker that a test speaks for: it takes connections, expects frames and sends frames. */
export class ScriptedBroker {
  readonly path: string
  readonly #t: ExecutionContext
  readonly #server: Server
  readonly #accepted: Socket[] = []

  /** Listens; everything is closed after the test. */
  static async start(t: ExecutionContext): Promise<ScriptedBroker> {
    const path = socketIn(t)
    const server = createServer({ allowHalfOpen: true })
    server.listen(path)
    await once(server, 'listening')
    t.teardown(() => server.close())
    return new ScriptedBroker(t, path, server)
  }

  private constructor(t: ExecutionContext, path: string, server: Server) {
    this.path = path
    this.#t = t
    this.#server = server
    server.on('connection', (socket) => {
      t.teardown(() => socket.destroy())
      this.#accepted.push(socket)
    })
  }

  /** Takes no more connections; those that there are stay. */
  async close(): Promise<void> {
    this.#server.close()
    await rm(this.path, { force: true })
  }

  /** The next connection, in the order in which they came. */
  async accept(): Promise<ScriptedPeer> {
    while (this.#accepted.length === 0) await once(this.#server, 'connection')
    return new ScriptedPeer(this.#t, this.#accepted.shift()!)
  }

  /** The next connection, welcomed. */
  async welcome(limits: Partial<typeof LIMITS> = {}, features: string[] = []): Promise<ScriptedPeer> {
    const peer = await this.accept()
    await peer.expect('HELLO')
    peer.send(welcome(limits, PROTOCOL_VERSION, features))
    return peer
  }
}

/** The broker's side of one connection. */
export class ScriptedPeer {
  readonly socket: Socket
  readonly #t: ExecutionContext
  readonly #decoder: FrameDecoder
  readonly #received: Received[] = []
  #wake: (() => void) | undefined
  #ended = false

  constructor(t: ExecutionContext, socket: Socket) {
    this.#t = t
    this.socket = socket
    this.#decoder = new FrameDecoder(
      {
        frame: (bytes, start, length) => {
          this.#received.push(read(bytes, start, length))
          return undefined
        },
      },
      { from: 'client', payloadBytesMax: PAYLOAD_BYTES_MAX_DEFAULT },
    )
    socket.on('data', (chunk) => {
      const fault = this.#decoder.push(chunk)
      if (fault !== undefined) t.fail(`${fault.code}: ${fault.message}`)
      this.#wake?.()
    })
    socket.on('error', () => {})
    const ended = () => {
      this.#ended = true
      this.#wake?.()
    }
    socket.on('end', ended).on('close', ended)
  }

  /** Sends frames in one write, so that a client reads them at once. */
  send(...frames: Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  async next(): Promise<Received> {
    while (this.#received.length === 0) {
      if (this.#ended) throw new Error('The client ended the connection, and a frame was expected')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#received.shift()!
  }

  /** The next frame but CREDIT, which may come at any time, unless it is this one. */
  async #nextFor(kind: KindName): Promise<Received> {
    for (;;) {
      const frame = await this.next()
      if (frame.kind !== 'CREDIT' || kind === 'CREDIT') return frame
    }
  }

  /** The next frame must be of this kind, and have these fields. Reports of credit may come before any other. */
  async expect(kind: KindName, fields: Partial<Received> = {}): Promise<Received> {
    const frame = await this.#nextFor(kind)
    this.#t.is(frame.kind, kind, `got ${JSON.stringify(frame)}`)
    this.#t.like(frame, { kind, ...fields })
    return frame
  }

  /** What CREDIT reports about a subscription, added up, until it is about so many messages. */
  async creditFor(
    id: number,
    count: number,
  ): Promise<Record<'bytes' | 'messages' | 'expired' | 'discarded', number>> {
    const sum = { bytes: 0, messages: 0, expired: 0, discarded: 0 }
    while (sum.messages + sum.expired + sum.discarded < count) {
      const { body } = await this.expect('CREDIT', { id })
      for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += (body[name] as number) ?? 0
    }
    return sum
  }

  /** Frames up to the next FLUSH, which is answered, without reports of credit. */
  async untilFlush(): Promise<Received[]> {
    const frames: Received[] = []
    for (;;) {
      const frame = await this.#nextFor('FLUSH')
      if (frame.kind === 'FLUSH') {
        this.send(controlFrame(Kind.FLUSHED, 0, frame.id))
        return frames
      }
      frames.push(frame)
    }
  }

  /** The client has ended the connection, and sent nothing more but reports of credit. */
  async expectEnd(): Promise<void> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    this.#t.deepEqual(
      this.#received.filter(({ kind }) => kind !== 'CREDIT'),
      [],
    )
  }

  hangUp(): void {
    this.socket.destroy()
  }
}

/** What proves that another connection is the same client's. */
export const TOKEN = Buffer.from('0123456789abcdef')

export function welcome(
  limits: Partial<typeof LIMITS> = {},
  version = PROTOCOL_VERSION,
  features: string[] = [],
): Buffer {
  const body = {
    clientId: 7,
    brokerVersion: '0.0.0-test',
    features: ['from-a-later-version', ...features],
    limits: { ...LIMITS, ...limits },
    token: TOKEN,
  }
  return controlFrame(Kind.WELCOME, MAGIC, version, encodeBody(Kind.WELCOME, body))
}

export function name(id: number, topic: string): Buffer {
  return controlFrame(Kind.NAME, id, 0, Buffer.from(topic))
}

export function deliver(id: number): Buffer {
  return controlFrame(Kind.DELIVER, 0, id)
}

export function message(
  topicId: number,
  payload: string | Uint8Array,
  head: Partial<Omit<MessageHead, 'kind' | 'topic'>> = {},
): Buffer {
  return messageFrame({ ...head, kind: Kind.MESSAGE, topic: topicId, encoding: 1 }, payload)
}

export function error(code: string, kind: number, id: number, fatal: boolean): Buffer {
  return controlFrame(Kind.ERROR, kind, id, encodeBody(Kind.ERROR, { code, message: `a ${code}`, fatal }))
}

function read(bytes: Buffer, start: number, length: number): Received {
  const kind = bytes[start + Offset.KIND]!
  const isMessage = KIND_RULES[kind]!.message
  const layout = isMessage ? frameLayout(bytes, start) : undefined
  const payloadStart = layout?.payloadStart ?? start + HEADER_BYTES
  return {
    kind: kindName(kind) as KindName,
    topic: readU32(bytes, start + Offset.TOPIC),
    id: readU32(bytes, start + Offset.ID),
    flags: bytes[start + Offset.FLAGS]! & ~Flag.SENT_AT,
    sentAtNs: layout?.sentAtNs ?? 0,
    priority: bytes[start + Offset.PRIORITY]!,
    length,
    body: BODY_KINDS.includes(kind) ? decodeBody(kind as typeof Kind.HELLO, bytes, start, length) : {},
    text: bytes.toString('utf8', payloadStart, start + length),
    ring: isMessage && isByRing(bytes, start) ? readDescriptor(bytes, start) : undefined,
  }
}
