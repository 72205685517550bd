import { answerCommands } from '../child.js'
import { type Connection, loadPeer, type PeerName } from '../peers/index.js'

export interface WidePublisherCommands {
  connect(order: { peer: PeerName; address: string; payloadBytesMin: number }): Promise<void>
  /** Publishes one payload to each topic, in their order; resolves once the server has taken all of them. */
  publish(order: { topics: readonly string[]; payloadBytes: number }): Promise<void>
}

let connection: Connection

const commands: WidePublisherCommands = {
  async connect({ peer, address, payloadBytesMin }) {
    connection = await (await loadPeer(peer)).connect(address, { payloadBytesMin })
  },

  async publish({ topics, payloadBytes }) {
    const payload = Buffer.alloc(payloadBytes)
    for (const topic of topics) {
      if (!connection.publish(topic, payload)) await connection.ready(topic)
    }
    await connection.flush()
  },
}

answerCommands({ ...commands })
