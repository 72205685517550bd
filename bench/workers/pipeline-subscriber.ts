import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { answerCommands } from '../child.js'
import { busyUntil, nowNs } from '../clock.js'
import { StreamCheck } from '../payload.js'
import { type Connection, loadPeer, type PeerName, type StreamedMessage } from '../peers/index.js'

export interface PipelineSubscribeOrder {
  readonly topic: string
  readonly payloadBytes: number
  /** What each message keeps the process busy for. */
  readonly busyUs: number
}

export interface PipelineSubscriberCommands {
  connect(order: { peer: PeerName; address: string; payloadBytesMin: number }): Promise<void>
  /** Takes messages by a pipeline into a slow stream, or, with a system that has none, by a slow handler. */
  expect(order: PipelineSubscribeOrder): Promise<void>
  /** Resolves once all of them have come. */
  receive(nothing: null): Promise<{ faults: number }>
  /** How far it has come. */
  state(nothing: null): { received: number; faults: number }
}

let connection: Connection
let check = new StreamCheck(0, 0)
let busyNs = 0
let complete: () => void
let fail: (error: Error) => void
let completed: Promise<void>

function handle(payload: Uint8Array): void {
  const startNs = nowNs()
  check.accept(payload)
  busyUntil(startNs + busyNs)
  if (check.isComplete) complete()
}

function slowWritable(): Writable {
  return new Writable({
    objectMode: true,
    write(message: StreamedMessage, _encoding, done) {
      handle(message.bytes)
      done()
    },
  })
}

const commands: PipelineSubscriberCommands = {
  async connect({ peer, address, payloadBytesMin }) {
    connection = await (await loadPeer(peer)).connect(address, { payloadBytesMin })
  },

  async expect({ topic, payloadBytes, busyUs }) {
    check = new StreamCheck(1, payloadBytes)
    busyNs = busyUs * 1000
    completed = new Promise((resolve, reject) => {
      complete = resolve
      fail = reject
    })
    const { streams } = connection
    if (streams === undefined) connection.subscribe(topic, handle)
    else pipeline(streams.readable(topic), slowWritable()).catch(fail)
    await connection.flush()
  },

  async receive() {
    await completed
    return { faults: check.faults }
  },

  state() {
    return { received: check.received, faults: check.faults }
  },
}

answerCommands({ ...commands })
