import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { answerCommands } from '../child.js'
import { makePayloads, StreamNumbering } from '../payload.js'
import { type Connection, loadPeer, PAYLOADS_IN_TURN, type PeerName } from '../peers/index.js'

export interface PipelineOrder {
  readonly topic: string
  readonly payloadBytes: number
  readonly count: number
}

export interface PipelinePublisherCommands {
  connect(order: { peer: PeerName; address: string; payloadBytesMin: number }): Promise<void>
  /** Publishes by a pipeline, or, with a system that has no streams, in a loop with a flush now and then. */
  publish(order: PipelineOrder): Promise<void>
}

/** Messages between two flushes, of a program that takes some care. */
const MESSAGES_PER_FLUSH = 1000

let connection: Connection

function* payloads({ payloadBytes, count }: PipelineOrder): Generator<Buffer> {
  const numbering = new StreamNumbering(1, payloadBytes)
  const buffers = makePayloads(PAYLOADS_IN_TURN, payloadBytes)
  for (let sent = 1; sent <= count; sent++) {
    const payload = buffers[sent % PAYLOADS_IN_TURN]!
    numbering.stamp(payload, 0, sent === count ? count : 0)
    yield payload
  }
}

async function publishInLoop(order: PipelineOrder): Promise<void> {
  let sent = 0
  for (const payload of payloads(order)) {
    if (!connection.publish(order.topic, payload)) await connection.ready(order.topic)
    sent += 1
    if (sent % MESSAGES_PER_FLUSH === 0) await connection.flush()
  }
  await connection.flush()
}

const commands: PipelinePublisherCommands = {
  async connect({ peer, address, payloadBytesMin }) {
    connection = await (await loadPeer(peer)).connect(address, { payloadBytesMin })
    await connection.flush()
  },

  async publish(order) {
    const { streams } = connection
    if (streams === undefined) await publishInLoop(order)
    else await pipeline(Readable.from(payloads(order)), streams.writable(order.topic))
  },
}

answerCommands({ ...commands })
