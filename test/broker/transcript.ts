import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { ExecutionContext } from 'ava'
import {
  decodeBody,
  decodeName,
  type ErrorCode,
  FrameDecoder,
  frameLayout,
  HEADER_BYTES,
  KIND_RULES,
  Kind,
  kindName,
  Offset,
  PAYLOAD_BYTES_MAX_DEFAULT,
  readU32,
  unpackValue,
} from '../../protocol/index.js'
import { flush, hello, request, topic } from './frames.js'

type KindName = keyof typeof Kind

/** A frame from the broker, as a test reads it. */
export interface Received {
  readonly kind: KindName
  readonly topic: number
  readonly id: number
  readonly flags: number
  readonly priority: number
  readonly encoding: number
  /** Its length without padding: what credit counts. */
  readonly length: number
  /** The body of a control frame, empty for the others. */
  readonly body: Record<string, unknown>
  /** The payload of a message frame as text; the name within NAME. */
  readonly text: string
  readonly payload: Buffer
  /** The whole frame, without padding. */
  readonly frame: Buffer
  /** MESSAGE and REQUEST: the topic that the id stood for, and the subscription or service, on arrival. */
  readonly name: string | undefined
  readonly consumer: number | undefined
}

const BODY_KINDS: readonly number[] = [
  Kind.WELCOME,
  Kind.ERROR,
  Kind.DRAINED,
  Kind.SLOW,
  Kind.FAILURE,
  Kind.PULL,
  Kind.GRANT,
  Kind.SEGMENT,
  Kind.PAIR,
]

/** What comes when the broker finds it fit. */
const PASSED_OVER: readonly KindName[] = ['NAME', 'DELIVER', 'SLOW']

/** An alias that `ask` uses, and no test. */
const SYSTEM_ALIAS = 1023

/**
 * A client that a test speaks for: it sends frames, and expects frames in the order in which they come. NAME and
 * DELIVER are looked up on arrival; they and SLOW are passed over, unless a test expects one by name.
 */
export class Client {
  readonly socket: Socket
  protected readonly t: ExecutionContext
  readonly #decoder: FrameDecoder
  readonly #received: Received[] = []
  readonly #names = new Map<number, string>()
  readonly #waiting: (() => void)[] = []
  #consumer: number | undefined
  #ended = false
  #lastId = 1_000_000

  /** Connects; the socket is destroyed after the test. */
  static async connect(t: ExecutionContext, path: string): Promise<Client> {
    return new Client(t, await connected(t, path))
  }

  /** Connects and greets. */
  static async open(t: ExecutionContext, path: string, name = 'test'): Promise<Client> {
    const client = await Client.connect(t, path)
    client.send(hello(name))
    await client.expect('WELCOME')
    return client
  }

  /** Speaks over a socket that is connected. */
  constructor(t: ExecutionContext, socket: Socket) {
    this.t = t
    this.socket = socket
    this.#decoder = new FrameDecoder(
      {
        frame: (bytes, start, length) => {
          this.#received.push(this.#read(bytes, start, length))
          if (bytes[start + Offset.KIND] === Kind.PAIRED) {
            // What the socket brings behind it is not part of the stream.
            this.#decoder.skipRest()
            this.pairedCame()
          }
          return undefined
        },
      },
      { from: 'broker', payloadBytesMax: PAYLOAD_BYTES_MAX_DEFAULT },
    )
    socket.on('data', (chunk) => this.came(chunk))
    const ended = () => {
      this.#ended = true
      this.#wake()
    }
    socket.on('end', ended).on('close', ended)
    socket.on('error', () => {})
  }

  send(...frames: Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  /** Stops reading; what the kernel does not take stays with the broker. */
  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  hangUp(): void {
    this.socket.destroy()
  }

  /** The next frame, whatever it is. */
  async next(): Promise<Received> {
    while (this.#received.length === 0) {
      if (this.#ended) throw new Error('The broker ended the connection, and a frame was expected')
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    return this.#received.shift()!
  }

  /** The next frame must be of this kind, and have these fields. */
  async expect(kind: KindName, fields: Partial<Received> = {}): Promise<Received> {
    let frame = await this.next()
    while (frame.kind !== kind && PASSED_OVER.includes(frame.kind)) frame = await this.next()
    this.t.is(frame.kind, kind, `got ${described(frame)}`)
    this.t.like(frame, { kind, ...fields })
    return frame
  }

  /** The next frame is an ERROR of this code; `kind` is that of the frame refused. */
  async expectRefusal(code: ErrorCode, kind: number, id: number): Promise<void> {
    const { body } = await this.expect('ERROR', { topic: kind, id })
    this.t.is(body['code'], code, String(body['message']))
    this.t.not(body['fatal'], true)
  }

  /** The next frame is a fatal ERROR of this code, and then the broker hangs up. Returns the message. */
  async expectFatal(code: ErrorCode): Promise<string> {
    const { body } = await this.expect('ERROR')
    this.t.is(body['code'], code, String(body['message']))
    this.t.true(body['fatal'])
    await this.expectEnd()
    return body['message'] as string
  }

  /** Nothing more comes, and the broker ends the stream. */
  async expectEnd(): Promise<void> {
    while (!this.#ended) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.t.deepEqual(this.#received, [])
  }

  /** Nothing has come but what was expected, as of two round trips through the broker. */
  async expectNothing(): Promise<void> {
    this.t.deepEqual(await this.arrived(), [])
  }

  /**
   * The messages that have come as of two round trips through the broker; nothing else may have. Two, because the
   * answer to FLUSH goes ahead of what the frames before it have set free in a backlog.
   */
  async arrived(): Promise<Received[]> {
    const messages: Received[] = []
    for (const id of [this.#lastId + 1, this.#lastId + 2]) {
      this.send(flush(id))
      for (let frame = await this.next(); frame.kind !== 'FLUSHED'; frame = await this.next()) {
        if (PASSED_OVER.includes(frame.kind)) continue
        this.t.is(frame.kind, 'MESSAGE', `got ${described(frame)}`)
        messages.push(frame)
      }
    }
    this.#lastId += 2
    return messages
  }

  /** The next `count` messages, as text. */
  async texts(count: number): Promise<string[]> {
    const texts: string[] = []
    while (texts.length < count) texts.push((await this.expect('MESSAGE')).text)
    return texts
  }

  /** What the broker answers on a `$SYS` topic. */
  async ask<Answer = Record<string, unknown>>(
    name: string,
    payload: Uint8Array = new Uint8Array(),
  ): Promise<Answer> {
    this.#lastId += 1
    this.send(topic(SYSTEM_ALIAS, name), request(SYSTEM_ALIAS, this.#lastId, payload))
    const answer = await this.expect('REPLY', { id: this.#lastId })
    return unpackValue(answer.payload) as Answer
  }

  /** Bytes have come by the socket. */
  protected came(chunk: Buffer): void {
    this.readStream(chunk)
  }

  /** The broker has sent its last frame by the socket. */
  protected pairedCame(): void {}

  /** The next bytes of the stream. */
  protected readStream(chunk: Buffer): void {
    const fault = this.#decoder.push(chunk)
    if (fault !== undefined) throw new Error(`The broker sent a bad frame: ${JSON.stringify(fault)}`)
    this.#wake()
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #read(bytes: Buffer, start: number, length: number): Received {
    const kind = bytes[start + Offset.KIND]!
    const topicId = readU32(bytes, start + Offset.TOPIC)
    const id = readU32(bytes, start + Offset.ID)
    const isMessage = KIND_RULES[kind]!.message
    const payloadStart = isMessage ? frameLayout(bytes, start).payloadStart : start + HEADER_BYTES
    const payload = Buffer.from(bytes.subarray(payloadStart, start + length))
    if (kind === Kind.NAME) this.#names.set(topicId, decodeName(bytes, start, length))
    if (kind === Kind.DELIVER) this.#consumer = id
    const routed = kind === Kind.MESSAGE || kind === Kind.REQUEST
    return {
      kind: kindName(kind) as KindName,
      topic: topicId,
      id,
      flags: bytes[start + Offset.FLAGS]!,
      priority: bytes[start + Offset.PRIORITY]!,
      encoding: bytes[start + Offset.ENCODING]!,
      length,
      body: BODY_KINDS.includes(kind) ? decodeBody(kind as typeof Kind.ERROR, bytes, start, length) : {},
      text: payload.toString(),
      payload,
      frame: Buffer.from(bytes.subarray(start, start + length)),
      name: routed ? this.#names.get(topicId) : undefined,
      consumer: routed ? this.#consumer : undefined,
    }
  }
}

/** A connection to a broker, of which not one byte is read if it is paused; destroyed after the test. */
export async function connected(t: ExecutionContext, path: string, paused = false): Promise<Socket> {
  const socket = connect({ path, allowHalfOpen: true })
  // Node begins to read as soon as a socket is connected, unless it was paused before.
  if (paused) socket.pause()
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

function described({ kind, topic, id, body, text }: Received): string {
  return JSON.stringify({ kind, topic, id, body, text: text.slice(0, 100) })
}
