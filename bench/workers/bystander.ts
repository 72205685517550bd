import { answerCommands } from '../child.js'
import { type Connection, loadPeer, type PeerName } from '../peers/index.js'

export interface BystanderCommands {
  connect(order: { peer: PeerName; address: string; payloadBytesMin: number }): Promise<void>
  /** Makes subscriptions that no message of the bench matches. */
  subscribe(order: { count: number; prefix: string }): Promise<void>
}

/** Subscriptions made between two flushes, so that no server has to answer all of them at once. */
const SUBSCRIPTIONS_PER_FLUSH = 1000

let connection: Connection

const commands: BystanderCommands = {
  async connect({ peer, address, payloadBytesMin }) {
    connection = await (await loadPeer(peer)).connect(address, { payloadBytesMin })
  },

  async subscribe({ count, prefix }) {
    for (let index = 0; index < count; index++) {
      // Half of them with a wildcard: these are not found by a lookup of the topic alone.
      const pattern = index % 2 === 0 ? `${prefix}.${index}.created` : `${prefix}.${index}.*`
      connection.subscribe(pattern, () => {
        throw new Error(`A message reached ${pattern}`)
      })
      if (index % SUBSCRIPTIONS_PER_FLUSH === 0) await connection.flush()
    }
    await connection.flush()
  },
}

answerCommands({ ...commands })
