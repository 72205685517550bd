import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import {
  controlFrame,
  encodeBody,
  FrameDecoder,
  Kind,
  MAGIC,
  Offset,
  PROTOCOL_VERSION,
} from '../../protocol/index.js'
import { answerCommands } from '../child.js'

export interface BareClientsCommands {
  /** Opens connections that greet and then say nothing. Their number grows with each call. */
  open(order: { path: string; count: number }): Promise<void>
  /** Gives the connections, in their order, as many subscriptions each as there are topics in a list. */
  subscribe(order: { topics: readonly (readonly string[])[] }): Promise<void>
  /** Resolves once so many messages have come to all of them together. */
  receive(order: { count: number }): Promise<void>
}

/** Connections that are busy at the same time, well below the length of the socket's queue. */
const CONNECTIONS_AT_ONCE = 64

/** What the client library begins with. */
const WINDOW_BYTES = 256 * 1024

/** None of these clients is sent a large payload. */
const PAYLOAD_BYTES_MAX = 64 * 1024

const clients: BareClient[] = []
let received = 0
let awaited = Number.POSITIVE_INFINITY
let complete: () => void = () => {}

/**
 * The bare protocol in place of the client library, which costs this process tens of kilobytes for each of
 * thousands of connections. The broker cannot tell the difference.
 */
class BareClient {
  readonly #socket: Socket
  #lastId = 0
  #answered: () => void = () => {}

  constructor(path: string) {
    this.#socket = connect(path)
    const decoder = new FrameDecoder(
      { frame: (bytes, start) => this.#take(bytes[start + Offset.KIND]!) },
      { from: 'broker', payloadBytesMax: PAYLOAD_BYTES_MAX },
    )
    this.#socket.on('data', (chunk) => {
      const fault = decoder.push(chunk)
      if (fault !== undefined) throw new Error(fault.message)
    })
  }

  async greet(): Promise<void> {
    await once(this.#socket, 'connect')
    const hello = encodeBody(Kind.HELLO, { name: 'bare', pid: process.pid })
    await this.#ask(controlFrame(Kind.HELLO, MAGIC, PROTOCOL_VERSION, hello))
  }

  async subscribe(topics: readonly string[]): Promise<void> {
    const frames = topics.map((pattern) => {
      this.#lastId += 1
      const body = encodeBody(Kind.SUBSCRIBE, { pattern, window: WINDOW_BYTES })
      return controlFrame(Kind.SUBSCRIBE, 0, this.#lastId, body)
    })
    await this.#ask(Buffer.concat([...frames, controlFrame(Kind.FLUSH, 0, 1)]))
  }

  #ask(frames: Buffer): Promise<void> {
    this.#socket.write(frames)
    return new Promise((resolve) => {
      this.#answered = resolve
    })
  }

  #take(kind: number): undefined {
    switch (kind) {
      case Kind.WELCOME:
      case Kind.FLUSHED:
        this.#answered()
        break
      case Kind.MESSAGE:
        received += 1
        if (received === awaited) complete()
        break
      case Kind.ERROR:
        throw new Error('The broker refuses something')
    }
  }
}

async function forAll<Item>(items: readonly Item[], run: (item: Item, index: number) => Promise<void>) {
  for (let start = 0; start < items.length; start += CONNECTIONS_AT_ONCE) {
    const batch = items.slice(start, start + CONNECTIONS_AT_ONCE)
    await Promise.all(batch.map((item, place) => run(item, start + place)))
  }
}

const commands: BareClientsCommands = {
  async open({ path, count }) {
    await forAll(Array.from({ length: count }), async () => {
      const client = new BareClient(path)
      clients.push(client)
      await client.greet()
    })
  },

  async subscribe({ topics }) {
    await forAll(topics, (list, index) => clients[index]!.subscribe(list))
  },

  receive({ count }) {
    return new Promise((resolve) => {
      awaited = count
      complete = resolve
      if (received === awaited) complete()
    })
  },
}

answerCommands({ ...commands })
